"""Straight-line programs: they multiply matrices, and have as many additions as is said."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.schedule.bilinear import compose, schemes, symbolic
from harness.schedule.bilinear.additions import _fewest, fewest_additions
from harness.schedule.bilinear.linear_program import LinearProgram
from harness.schedule.bilinear.scheme import Factor, Proof, exact, prove
from harness.schedule.bilinear.straight_line import additions_in, straight_line

SMALL = [name for name in schemes.available() if schemes.named(name).rank <= 27]


@dataclass
class Counted:
    """A number that counts its additions and subtractions; blocks do not commute, so numbers are 2 x 2 matrices."""

    value: np.ndarray
    sums: list[int]

    def __add__(self, other: Counted) -> Counted:
        self.sums[0] += 1
        return Counted(self.value + other.value, self.sums)

    def __sub__(self, other: Counted) -> Counted:
        self.sums[0] += 1
        return Counted(self.value - other.value, self.sums)

    def __neg__(self) -> Counted:
        return Counted(-self.value, self.sums)

    def __mul__(self, other: Counted) -> Counted:
        return Counted(self.value @ other.value, self.sums)


def executed(program: str, m: int, k: int, n: int, rng: np.random.Generator) -> int:
    """Runs the assignments as Python on random integers, checks C = A·B, and returns the additions that were made."""
    a = rng.integers(-1000, 1000, (m, k, 2, 2))
    b = rng.integers(-1000, 1000, (k, n, 2, 2))
    sums = [0]
    names = {f"a{i + 1}{p + 1}": Counted(a[i, p], sums) for i in range(m) for p in range(k)}
    names |= {f"b{p + 1}{j + 1}": Counted(b[p, j], sums) for p in range(k) for j in range(n)}
    for line in program.splitlines()[1:]:
        assert re.fullmatch(r"\w+ = -?\w+( [-+*] \w+)*", line), line
        exec(line, {}, names)
    for i in range(m):
        for j in range(n):
            wanted = sum(a[i, p] @ b[p, j] for p in range(k))
            assert (names[f"c{i + 1}{j + 1}"].value == wanted).all()
    return sums[0]


@given(st.sampled_from(SMALL), st.integers(0, 1 << 32))
def test_a_program_multiplies_with_as_many_additions_as_is_said(name: str, seed: int) -> None:
    scheme = schemes.named(name)
    program = straight_line(scheme, random.Random(seed), 1)
    made = executed(program, scheme.m, scheme.k, scheme.n, np.random.default_rng(seed))
    assert made == additions_in(program) == fewest_additions(scheme, random.Random(seed), 1)
    assert program.count("*") == scheme.rank
    read = symbolic.parse(program)
    assert isinstance(prove(read), Proof)
    assert read.rank == scheme.rank


def map_of(program: LinearProgram) -> list[list[Fraction]]:
    """The matrix of the program, a row per output."""
    values = [[Fraction(int(i == j)) for j in range(program.inputs)] for i in range(program.inputs)]
    for step in program.steps:
        values.append(
            [sum((x * values[at][j] for x, at in step), Fraction(0)) for j in range(program.inputs)]
        )
    zero = [Fraction(0)] * program.inputs
    return [zero if one is None else [one[0] * x for x in values[one[1]]] for one in program.outputs]


coefficients = st.sampled_from([0, 0, 0, 1, -1, 2, Fraction(1, 2)])
matrices = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda size: st.lists(
        st.lists(coefficients, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
    )
)


@given(matrices, st.integers(0, 1 << 32))
def test_a_program_and_its_transpose_compute_the_map_and_its_transpose(
    matrix: list[list[Fraction]], seed: int
) -> None:
    rows: Factor = exact(matrix)
    program = _fewest(rows, random.Random(seed), 1)
    turned = program.transposed()
    assert map_of(program) == [list(row) for row in rows]
    assert map_of(turned) == [list(column) for column in zip(*rows, strict=True)]
    assert map_of(program.positive()) == map_of(program)
    inputs = sum(any(column) for column in zip(*rows, strict=True))
    outputs = sum(any(row) for row in rows)
    assert turned.additions == program.additions + outputs - inputs


def test_winograds_variant_is_written_with_fifteen_additions() -> None:
    program = straight_line(schemes.named("winograd"), random.Random(1), 8)
    assert additions_in(program) == 15
    assert program.startswith("⟨2,2,2;7⟩\n")


@pytest.mark.parametrize(("text", "signs"), [("x = -a + b - c", 2), ("c11 = M1", 0), ("⟨2,2,2;7⟩", 0)])
def test_a_leading_minus_is_no_addition(text: str, signs: int) -> None:
    assert additions_in(text) == signs


def test_a_product_that_is_zero_has_no_program() -> None:
    scheme = compose.classical(2, 2, 2)
    zero = exact([[0] * 4])
    padded = type(scheme)("padded", 2, 2, 2, scheme.u + zero, scheme.v + zero, scheme.w + zero)
    with pytest.raises(ValueError, match="a product too many"):
        straight_line(padded, random.Random(1), 1)
