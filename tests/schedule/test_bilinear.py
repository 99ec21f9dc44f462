"""Bilinear schemes: valid ones are proved, a wrong sign is reported, and constructions keep a scheme valid."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.schedule.bilinear import compose, schemes, symbolic
from harness.schedule.bilinear.additions import fewest_additions
from harness.schedule.bilinear.scheme import Factor, Proof, Refutation, Scheme, exact, prove
from harness.schedule.bilinear.scheme_cost import error_bound, growth, scheme_cost

SMALL = [name for name in schemes.available() if schemes.named(name).rank <= 60]
PRIME = 2_147_483_629


def nested_rotations(depth: int) -> dict[str, object]:
    """A table with `depth` + 1 nested rotations."""
    return {"rotate": nested_rotations(depth - 1) if depth else "strassen"}


def evaluate(scheme: Scheme, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply `a` and `b` by the scheme with scalar blocks, modulo PRIME, in Python integers."""

    def modular(factor: Factor) -> np.ndarray:
        values = [[x.numerator * pow(x.denominator, -1, PRIME) % PRIME for x in row] for row in factor]
        return np.array(values, dtype=object)

    products = (modular(scheme.u) @ a.reshape(-1)) * (modular(scheme.v) @ b.reshape(-1))
    return (modular(scheme.w).T @ products % PRIME).reshape(scheme.m, scheme.n)


@pytest.mark.parametrize("name", schemes.available())
def test_every_shipped_scheme_is_proved(name: str) -> None:
    scheme = schemes.named(name)
    outcome = prove(scheme)
    assert isinstance(outcome, Proof), str(outcome)
    assert outcome.equations == (scheme.m * scheme.k * scheme.n) ** 2


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("strassen", (2, 2, 2, 7)),
        ("winograd", (2, 2, 2, 7)),
        ("laderman", (3, 3, 3, 23)),
        ("strassen_2x2x3", (2, 2, 3, 11)),
        ("strassen_2x2x4", (2, 2, 4, 14)),
        ("strassen_2x2x5", (2, 2, 5, 18)),
        ("blocks_5x5x5", (5, 5, 5, 108)),
        ("strassen_4x4x4", (4, 4, 4, 49)),
        ("hopcroft_kerr_3x2x3", (3, 2, 3, 15)),
        ("hopcroft_kerr_2x3x3", (2, 3, 3, 15)),
        ("hopcroft_kerr_3x3x2", (3, 3, 2, 15)),
        ("classical_3x2x4", (3, 2, 4, 24)),
    ],
)
def test_known_ranks(name: str, shape: tuple[int, int, int, int]) -> None:
    scheme = schemes.named(name)
    assert (scheme.m, scheme.k, scheme.n, scheme.rank) == shape
    assert isinstance(prove(scheme), Proof)


@given(st.sampled_from(SMALL), st.data())
def test_any_flipped_sign_is_refuted(name: str, data: st.DataObject) -> None:
    scheme = schemes.named(name)
    letter = data.draw(st.sampled_from("uvw"))
    factor: Factor = getattr(scheme, letter)
    places = [(t, i) for t, row in enumerate(factor) for i, x in enumerate(row) if x]
    t, i = data.draw(st.sampled_from(places))
    row = (*factor[t][:i], -factor[t][i], *factor[t][i + 1 :])
    broken = replace(scheme, **{letter: (*factor[:t], row, *factor[t + 1 :])})
    outcome = prove(broken)
    assert isinstance(outcome, Refutation)
    assert outcome.got != outcome.expected
    # Multiplying one-hot matrices isolates the reported equation, which must fail.
    a, b = np.zeros((scheme.m, scheme.k), dtype=object), np.zeros((scheme.k, scheme.n), dtype=object)
    a[outcome.a[0] - 1, outcome.a[1] - 1] = 1
    b[outcome.b[0] - 1, outcome.b[1] - 1] = 1
    c = evaluate(broken, a, b)[outcome.c[0] - 1, outcome.c[1] - 1]
    assert c == outcome.got.numerator * pow(outcome.got.denominator, -1, PRIME) % PRIME
    assert c != (a @ b)[outcome.c[0] - 1, outcome.c[1] - 1]


@given(st.sampled_from(SMALL), st.integers(0, 2**32))
def test_proved_schemes_multiply_random_matrices(name: str, seed: int) -> None:
    scheme, rng = schemes.named(name), np.random.default_rng(seed)
    a = rng.integers(0, PRIME, (scheme.m, scheme.k)).astype(object)
    b = rng.integers(0, PRIME, (scheme.k, scheme.n)).astype(object)
    assert (evaluate(scheme, a, b) == a @ b % PRIME).all()


@settings(max_examples=30)
@given(st.sampled_from(["strassen", "winograd", "strassen_2x2x3", "classical_1x2x3"]), st.data())
def test_change_of_basis_keeps_the_proof(name: str, data: st.DataObject) -> None:
    scheme = schemes.named(name)
    bases = []
    for size in (scheme.m, scheme.k, scheme.n):
        # Lower triangular with a nonzero diagonal: always invertible, and dense enough to mix the blocks.
        lower = data.draw(
            st.lists(st.fractions(-3, 3, max_denominator=4), min_size=size * size, max_size=size * size)
        )
        scale = data.draw(
            st.lists(
                st.sampled_from([Fraction(-2), Fraction(1, 2), Fraction(3)]), min_size=size, max_size=size
            )
        )
        bases.append(
            tuple(
                tuple(lower[i * size + j] if j < i else scale[i] * (i == j) for j in range(size))
                for i in range(size)
            )
        )
    rebased = compose.change_basis(scheme, *bases)
    assert isinstance(prove(rebased), Proof)
    assert rebased.rank == scheme.rank


def test_a_singular_basis_is_refused() -> None:
    zero = exact([[1, 1], [1, 1]])
    with pytest.raises(UserError, match="invertible"):
        compose.change_basis(schemes.named("strassen"), zero, zero, zero)


@given(st.sampled_from(SMALL), st.sampled_from(["rotate", "transpose"]))
def test_rotation_and_transposition_keep_the_proof(name: str, how: str) -> None:
    scheme = schemes.named(name)
    turned = getattr(compose, how)(scheme)
    assert isinstance(prove(turned), Proof)
    if how == "transpose":
        assert (turned.m, turned.k, turned.n) == (scheme.n, scheme.k, scheme.m)
        assert compose.transpose(turned, scheme.name) == scheme
    else:
        assert (turned.m, turned.k, turned.n) == (scheme.k, scheme.n, scheme.m)
        assert compose.rotate(compose.rotate(turned), scheme.name) == scheme


@given(st.sampled_from(["m", "k", "n"]), st.integers(1, 3))
def test_direct_sums_keep_the_proof(axis: str, extra: int) -> None:
    sizes = {"m": 2, "k": 2, "n": 2} | {axis: extra}
    joined = compose.direct_sum(axis, [schemes.named("winograd"), compose.classical(**sizes)])
    assert isinstance(prove(joined), Proof)
    assert joined.rank == 7 + 4 * extra


def test_a_direct_sum_of_schemes_with_different_sizes_is_refused() -> None:
    with pytest.raises(UserError, match="same m"):
        compose.direct_sum("n", [schemes.named("strassen"), schemes.named("laderman")])


def test_kronecker_multiplies_shapes_and_ranks() -> None:
    scheme = compose.kronecker(schemes.named("strassen_2x2x3"), schemes.named("laderman"))
    assert (scheme.m, scheme.k, scheme.n, scheme.rank) == (6, 6, 9, 253)
    assert isinstance(prove(scheme), Proof)


def test_a_wrong_sign_is_reported_in_symbols() -> None:
    text = "c11 = a11 b11 - a12 b21"
    outcome = prove(symbolic.parse(text))
    assert isinstance(outcome, Refutation)
    assert outcome.equation == "a12·b21 must contribute 1 to c11, but the scheme gives -1"


def test_the_proof_is_exact_for_large_coefficients() -> None:
    """Products of these coefficients overflow int64, so the proof has to use Python's integers."""
    big = 1 << 30
    scheme = Scheme("big", 1, 1, 1, exact([[big]]), exact([[big]]), exact([[Fraction(1, big)]]))
    assert isinstance(prove(scheme), Refutation)
    again = replace(scheme, v=exact([[1]]))
    assert isinstance(prove(again), Proof)
    wide = Scheme(
        "wide",
        1,
        1,
        1,
        exact([[big], [big], [1]]),
        exact([[big], [big], [1]]),
        exact([[big + 1], [-(big + 1)], [1]]),
    )
    assert isinstance(prove(wide), Proof)
    assert isinstance(prove(replace(wide, w=exact([[big + 1], [-big], [1]]))), Refutation)


def test_scheme_costs_match_the_literature() -> None:
    strassen, winograd = schemes.named("strassen"), schemes.named("winograd")
    assert scheme_cost(strassen).additions == 18
    assert [fewest_additions(scheme, random.Random(1), 4) for scheme in (strassen, winograd)] == [18, 15]
    # Laderman's by elimination of common sums: 62 (Martensson and Wagner 2025).
    assert fewest_additions(schemes.named("laderman"), random.Random(1), 8) <= 64
    assert fewest_additions(compose.classical(2, 3, 4), random.Random(1), 2) == 2 * 4 * (3 - 1)
    assert (growth(strassen), growth(winograd), growth(compose.classical(2, 2, 2))) == (12, 18, 2)
    assert growth(schemes.named("strassen_4x4x4")) == 144
    assert scheme_cost(strassen).exponent == pytest.approx(np.log2(7))
    assert scheme_cost(compose.classical(2, 3, 4)).exponent == pytest.approx(3)
    assert error_bound(strassen, 2, 1024) > error_bound(strassen, 1, 1024) > error_bound(strassen, 0, 1024)


@given(st.integers(0, 2**32), st.sampled_from(SMALL))
def test_the_error_in_f32_is_within_the_bound(seed: int, name: str) -> None:
    """One level of recursion over a classical f32 product."""
    scheme, rng, block = schemes.named(name), np.random.default_rng(seed), 8
    a = rng.standard_normal((scheme.m * block, scheme.k * block)).astype(np.float32)
    b = rng.standard_normal((scheme.k * block, scheme.n * block)).astype(np.float32)
    c = np.zeros((scheme.m * block, scheme.n * block), dtype=np.float32)

    def combine(row: tuple[Fraction, ...], x: np.ndarray, columns: int) -> np.ndarray:
        total = np.zeros((block, block), dtype=np.float32)
        for index, value in enumerate(row):
            i, j = divmod(index, columns)
            if value:
                total += (
                    np.float32(float(value)) * x[i * block : (i + 1) * block, j * block : (j + 1) * block]
                )
        return total

    for u, v, w in zip(scheme.u, scheme.v, scheme.w, strict=True):
        product = combine(u, a, scheme.k) @ combine(v, b, scheme.n)
        for index, value in enumerate(w):
            i, j = divmod(index, scheme.n)
            c[i * block : (i + 1) * block, j * block : (j + 1) * block] += np.float32(float(value)) * product
    error = np.abs(c - a.astype(np.float64) @ b.astype(np.float64)).max() / (
        np.abs(a).max() * np.abs(b).max()
    )
    assert error <= error_bound(scheme, 1, scheme.k * block)


@pytest.mark.parametrize("name", SMALL)
def test_schemes_round_trip_through_json_and_symbols(name: str) -> None:
    scheme = schemes.named(name)
    assert schemes.from_text(json.dumps(scheme.as_data()), "json") == scheme
    halved = replace(scheme, u=tuple(tuple(x / -2 for x in row) for row in scheme.u))
    assert symbolic.parse(symbolic.write(halved), scheme.name, scheme.source) == halved


def test_two_digit_indices_round_trip_through_symbols() -> None:
    wide = compose.classical(2, 1, 11)
    text = symbolic.write(wide)
    assert "c2_11 = M22" in text
    assert symbolic.parse(text, wide.name, wide.source) == wide
    broken = prove(symbolic.parse(text.replace("c2_11 = M22", "c2_11 = -M22")))
    assert isinstance(broken, Refutation)
    assert broken.equation == "a2_1·b1_11 must contribute 1 to c2_11, but the scheme gives -1"


@pytest.mark.parametrize("text", ["<2,2,2;7> M1", "M1 = a11 b11"])
def test_incomplete_text_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        symbolic.parse(text)


def test_different_notations_give_the_same_scheme() -> None:
    plain = symbolic.parse("c11 = a11 b11 + a12 b21; c12 = a11 b12 + a12 b22")
    for text in (
        "⟨1,2,2;4⟩\nC₁₁ = A₁₁·B₁₁ + A₁₂·B₂₁\nC₁₂ = A₁₁·B₁₂ + A₁₂·B₂₂",
        "c[1,1] = a[1,1] * b[1,1] + a[1,2]*b[2,1]\nc[1,2] = a[1,1]*b[1,2]\n   + a[1,2]*b[2,2]  # continued",
        "c00 = a00 b00 + a01 b10; c01 = a00 b01 + a01 b11",
        "```\n- c_{11} := a_{11}b_{11} + a_{1,2}b_{2,1}\n- c_{12} := a_{11}b_{12} + a_{12}b_{22}\n```",
        "\\begin{align*}\nM_{1} &= A_{11} \\cdot B_{11} \\\\\nM_2 &= \\left(A_{12}\\right) B_{21} \\\\\n"
        "C_{11} &= M_1 + M_{2}\\\\\nC_{12} &= A_{11} B_{12} + A_{1,2} \\times B_{2,2}\n\\end{align*}",
        "The products:\n- **M1** = a11 * b11\n- **M2** = a12 * b21\n"
        "and the sums:\n1. c11 = M1 + M2\n2. c12 = a11*b12 + a12*b22",
        "P = 2(a11)(b11/2); c11 = P − (−a12)×b21; X = a11*b12; Y = a12*b22; c12 = (X + Y)*1",
    ):
        assert prove(symbolic.parse(text)) == with_scheme(prove(plain), symbolic.parse(text)), text


def with_scheme(outcome: Proof | Refutation, scheme: Scheme) -> Proof | Refutation:
    return replace(outcome, scheme=scheme)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("M1 = (a11 + b11) a12", "line 1: .*cannot be added"),
        ("M1 = b11 a11", "line 1: blocks do not commute"),
        ("M1 = a11 b11\nM2 = M1 a11", "line 2: .*not bilinear"),
        ("M1 = a11 b11\nM1 = a11 b11", "line 2: M1 is defined a second time"),
        ("c11 = M1 + M2", "line 1: M1 is used before it is defined"),
        ("c11 = a11", "line 1: c11 must be a sum of block products"),
        ("a11 = 1", "line 1: a11 is an input block"),
        ("M1 = (a11 b11", r'line 1: "\)" is expected'),
        ("M1 = a11 * * b11", "line 1: a number, a block"),
        ("M1 = a11 b11 ?", "line 1: cannot read"),
        ("M1 = a11 b11 / 0", "line 1: only division"),
        ("first compute the products", "line 1: .*name = expression"),
        ("c11 = a11 b11; c12 = a11 b12; c22 = a22 b22", "c21 is never"),
        ("⟨1,1,1;2⟩\nc11 = a11 b11", "header says 2"),
        ("⟨1,1,1;1⟩\nc11 = a12 b21", "line 2: a12 is outside k = 1"),
        ("c11 = " + "(" * 200 + "a11", "line 1:"),
        ("", "found no products"),
    ],
)
def test_errors_in_symbolic_text_name_the_line(text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        symbolic.parse(text)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="abcM=+-*/()[]{}_,;:.0123456789 \n⟨⟩#₁²½", max_size=80))
def test_any_text_gives_a_scheme_or_a_user_error(text: str) -> None:
    try:
        scheme = symbolic.parse(text)
    except UserError:
        return
    assert isinstance(prove(scheme), Proof | Refutation)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"m": 1, "k": 1, "n": 1, "u": [[1]], "v": [[1]], "w": [[0.5]]}, "w, row 1: '0.5' is not an exact"),
        ({"m": 1, "k": 1, "n": 1, "u": [[1]], "v": [[1]], "w": [[1, 1]]}, "row 1 of w has 2 coefficients"),
        ({"m": 1, "k": 1, "n": 1, "u": [[1]], "v": [[1], [1]], "w": [[1]]}, "v has 2 rows"),
        ({"m": 0, "k": 1, "n": 1, "u": [[]], "v": [[1]], "w": [[]]}, "dimensions must be"),
        ({"m": 1, "k": 1, "n": True, "u": [[1]], "v": [[1]], "w": [[1]]}, "n must be an integer"),
        ({"m": 1, "k": 1, "n": 1, "u": [["1/0"]], "v": [[1]], "w": [[1]]}, "not an exact"),
        ({"m": 1, "k": 1, "n": 1, "u": [["1e99999999"]], "v": [[1]], "w": [[1]]}, "not an exact"),
        ({"m": 1, "k": 1, "n": 1, "u": [[1 << 40]], "v": [[1]], "w": [[1]]}, "over 32 bits"),
        ({"m": 1, "k": 1, "n": 1, "u": [1], "v": [[1]], "w": [[1]]}, "list of rows"),
        ({"kronecker": ["strassen", "no such"]}, "no scheme is called 'no such'"),
        ({"kronecker": []}, "list of names"),
        ({"kronecker": ["strassen"] * 5}, "dimensions must be"),
        ({"sum": ["strassen"] * 100_000, "axis": "k"}, "dimensions must be"),
        ({"rotate": "classical_99x99x99"}, "dimensions must be"),
        ({"rotate": {"rotate": {"texts": 1}}}, "unknown key 'texts'"),
        (nested_rotations(20), "more than 8 nested compositions"),
        ({"sum": ["strassen"], "axis": "z"}, "axis"),
        ({"text": "x", "rotate": "strassen"}, "exactly one"),
        ({"texts": "x"}, "unknown key 'texts'"),
    ],
)
def test_bad_tables_are_user_errors(table: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        schemes.from_data(table)


def test_files_are_read_and_errors_name_the_file(tmp_path: Path) -> None:
    good = tmp_path / "mine.txt"
    good.write_text("c11 = a11 b11")
    assert schemes.from_file(good).name == "mine"
    (tmp_path / "broken.json").write_text("[" * 100_000)
    for name in ("missing.toml", "broken.json"):
        with pytest.raises(UserError, match=name.split(".")[0]):
            schemes.from_file(tmp_path / name)
