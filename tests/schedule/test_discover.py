"""Discovery: formats and routes, the walker, lifting, files, and the command as a person uses it."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compile.crates import walker_binary
from harness.errors import HarnessFaultError, UserError
from harness.schedule.bilinear import compose, schemes
from harness.schedule.bilinear.scheme import Proof, Refutation, Scheme, holds_modulo_2, prove
from harness.schedule.discover import cyclic, lifting
from harness.schedule.discover.__main__ import main
from harness.schedule.discover.formats import Format, extended, reordered, route
from harness.schedule.discover.found import Discovery, Ring, known, load, ring_of
from harness.schedule.discover.lifting import lift
from harness.schedule.discover.lines import CYCLIC, cyclic_from_line, cyclic_to_line, from_line, to_line
from harness.schedule.discover.walker import FlipCount, Walker
from harness.schedule.model import Bilinear, Schedule
from harness.schedule.recursive import render_recursion

SHIPPED = ("strassen", "winograd", "hopcroft_kerr_2x3x3", "laderman", "strassen_2x2x5")
SMALL = st.builds(Format, *[st.integers(2, 4)] * 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("3x3", "is not a format; the form is MxKxN"),
        ("3x3x3.5", "is not a format"),
        ("1x4x4", "every extent must be 2 or more"),
        ("9x9x9", "too large for the search"),
        ("2x8x9", "too large for the search"),
    ],
)
def test_a_format_that_cannot_be_searched_is_one_line(
    text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([text]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert told in said
    assert said.count("\n") == 1


@given(SMALL)
def test_a_route_leads_from_2x2x2_to_the_format_one_slice_at_a_time(wanted: Format) -> None:
    steps = route(wanted)
    assert steps[0] == (2, 2, 2)
    assert steps[-1] == tuple(sorted(wanted))
    for before, after in itertools.pairwise(steps):
        assert sum(after) == sum(before) + 1


@given(SMALL, st.randoms())
def test_schemes_stay_valid_in_every_order_and_with_a_slice_more(form: Format, rng: random.Random) -> None:
    scheme = compose.classical(*form)
    shuffled = Format(*rng.sample(list(form), 3))
    assert isinstance(prove(reordered(scheme, shuffled)), Proof)
    larger = Format(*sorted((form.m, form.k, form.n + 1)))
    grown = extended(scheme, larger)
    assert isinstance(prove(grown), Proof)
    assert (grown.m, grown.k, grown.n) == larger
    with pytest.raises(ValueError, match="other extents"):
        reordered(scheme, Format(7, 7, 7))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_scheme_is_the_same_modulo_2_after_writing_and_reading_its_line(name: str) -> None:
    scheme = schemes.named(name)
    form = Format(scheme.m, scheme.k, scheme.n)
    binary = from_line(to_line(scheme), form, "again")
    assert holds_modulo_2(binary)
    assert to_line(binary) == to_line(scheme)
    with pytest.raises(ValueError, match="more bits"):
        from_line("ffffffffff,1,1", form, "wide")


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("by", ["signs", "hensel"])
def test_what_holds_modulo_2_is_lifted_and_proved(
    name: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = schemes.named(name)
    binary = from_line(to_line(scheme), Format(scheme.m, scheme.k, scheme.n), "binary")
    assert ring_of(binary) in (Ring.Z2, Ring.TERNARY)
    if by == "hensel":
        monkeypatch.setattr(lifting, "_by_signs", lambda *_: None)
    lifted = lift(binary, random.Random(1))
    assert lifted is not None
    assert isinstance(prove(lifted), Proof)
    assert to_line(lifted) == to_line(scheme)
    if by == "signs":
        assert ring_of(lifted) is Ring.TERNARY


@pytest.mark.parametrize("by", ["signs", "hensel"])
def test_a_cyclic_scheme_is_lifted_to_a_cyclic_one(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = cyclic.start(Format(3, 3, 3), 2)
    if by == "hensel":
        monkeypatch.setattr(lifting, "_by_signs", lambda *_: None)
    lifted = lift(binary, random.Random(1))
    assert lifted is not None
    assert isinstance(prove(lifted), Proof)
    assert cyclic_to_line(lifted) == cyclic_to_line(binary)
    monkeypatch.setattr(lifting, "_cycles", lambda factors: None)
    assert lift(binary, random.Random(1)) is not None


def test_a_wrong_scheme_is_neither_lifted_nor_of_any_ring() -> None:
    right = compose.classical(2, 2, 2)
    wrong = Scheme("wrong", 2, 2, 2, right.u[:7], right.v[:7], right.w[:7])
    assert not holds_modulo_2(wrong)
    assert ring_of(wrong) is None
    assert lift(wrong, random.Random(1)) is None


def test_a_half_is_found_from_its_residue() -> None:
    assert lifting._fraction(pow(3, -1, 1024) * 5 % 1024, 1024) == Fraction(5, 3)
    assert lifting._fraction(77, 1024) is None


@given(st.integers(2, 5), st.integers(1, 5))
def test_a_cyclic_search_starts_from_the_classical_algorithm_with_so_many_cubes(n: int, cubes: int) -> None:
    form, cubes = Format(n, n, n), min(cubes, n)
    scheme = cyclic.start(form, cubes)
    assert holds_modulo_2(scheme)
    rows = [row.split(",") for row in cyclic_to_line(scheme).split(";")]
    assert sum(len(set(row)) == 1 for row in rows) == cubes
    assert scheme.rank == cubes + 3 * (len(rows) - cubes)
    assert to_line(cyclic_from_line(cyclic_to_line(scheme), form, "again")).count(";") == scheme.rank - 1


@pytest.mark.parametrize(
    ("n", "target", "counts"), [(5, 93, [3]), (5, 92, [2, 5]), (3, None, [1, 2, 3]), (2, 6, [1, 2])]
)
def test_the_number_of_cubes_is_one_with_which_the_target_can_be_reached(
    n: int, target: int | None, counts: list[int]
) -> None:
    assert cyclic.cube_counts(Format(n, n, n), target) == counts


def test_a_scheme_without_the_symmetry_has_no_cyclic_line() -> None:
    scheme = schemes.named("laderman")
    with pytest.raises(ValueError, match=r"laderman ⟨3,3,3;23⟩ is not cyclic"):
        cyclic_to_line(scheme)


@pytest.fixture(scope="module")
def walker() -> Path:
    return walker_binary(lambda line: None)


def test_the_walker_reports_schemes_that_hold_modulo_2_and_its_speed(walker: Path) -> None:
    found: list[Scheme] = []
    flips = 0
    with Walker(walker, [compose.classical(2, 2, 2)], Format(2, 2, 2), seed=1, threads=1) as walking:
        for news in walking.news(float("inf")):
            if isinstance(news, FlipCount):
                flips = news.flips
            else:
                found.append(news)
                if news.rank == 7 and flips > 0:
                    break
    assert min(scheme.rank for scheme in found) == 7
    assert all(holds_modulo_2(scheme) for scheme in found)
    assert flips > 0


@pytest.mark.parametrize("text", ["", "1,2", "zz,1,1", ";".join(["1,1,1"] * 65)])
def test_the_walker_refuses_what_is_no_scheme(walker: Path, text: str) -> None:
    arguments = [str(walker), "4", "8", "1", "1", "10", "10", "2", "1"]
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("roundtable-walker: ")


def test_a_walker_that_ends_is_the_harness_fault(walker: Path) -> None:
    false = shutil.which("false")
    assert false is not None
    start = [compose.classical(2, 2, 2)]
    with (
        Walker(Path(false), start, Format(2, 2, 2), seed=1, threads=1) as walking,
        pytest.raises(HarnessFaultError, match="the walker ended"),
    ):
        list(walking.news(float("inf")))


def search(folder: Path, *arguments: str) -> int:
    return main([*arguments, "--results", str(folder), "--threads", "1"])


def test_seven_products_are_found_proved_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path, "2x2x2", "--target", "7") == 0
    said = capsys.readouterr().out
    assert "7 products instead of 8" in said
    assert "proof: all 64 Brent equations hold in exact arithmetic" in said
    found = load(tmp_path / "found_2x2x2_7.json")
    assert isinstance(prove(found.scheme), Proof)
    assert found.scheme.rank == 7
    data = json.loads((tmp_path / "found_2x2x2_7.json").read_text())
    assert (data["rank"], data["version"], data["seed"]) == (7, 1, 1)
    assert data["flips"] > 0
    assert data["additions"]["shared"] <= data["additions"]["plain"]


def test_the_next_search_goes_on_from_the_files_and_keeps_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path, "2x2x2", "--target", "7") == 0
    before = (tmp_path / "found_2x2x2_7.json").read_bytes()
    capsys.readouterr()
    assert search(tmp_path, "3x2x2", "--target", "11", "--seconds", "30") == 0
    said = capsys.readouterr().out
    assert "3x2x2: 11 products instead of 12" in said
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"found_2x2x2_7.json", "found_2x2x3_11.json", "found_3x2x2_11.json"}
    assert load(tmp_path / "found_2x2x2_7.json").scheme.rank == 7
    assert json.loads(before)["rank"] == 7


@pytest.mark.slow
def test_23_products_for_3x3x3_are_found_from_the_standard_algorithm(tmp_path: Path) -> None:
    assert search(tmp_path, "3x3x3", "--target", "23", "--seconds", "100") == 0
    (best, *_) = known(tmp_path, Format(3, 3, 3))
    assert best.scheme.rank == 23
    assert best.ring in (Ring.TERNARY, Ring.INTEGERS, Ring.RATIONALS)


def test_a_search_modulo_2_tells_what_it_finds_and_after_how_many_flips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path, "2x2x2", "--field", "z2", "--target", "7") == 0
    assert "2x2x2: rank 7 (z2) after" in capsys.readouterr().out
    assert json.loads((tmp_path / "found_2x2x2_7_z2.json").read_text())["flips"] > 0


def test_a_scheme_modulo_2_says_so_and_never_reaches_a_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strassen = schemes.named("strassen")
    binary = from_line(to_line(strassen), Format(2, 2, 2), "binary")
    path = Discovery(binary, Ring.Z2, 1, 0.0, 0).save(tmp_path)
    assert path.name == "found_2x2x2_7_z2.json"
    assert json.loads(path.read_text())["proof"] == "all 64 Brent equations hold modulo 2"
    monkeypatch.setattr(schemes, "FOUND", tmp_path)
    schemes.named.cache_clear()
    bilinear = Bilinear(scheme="found_2x2x2_7_z2", inner="packed")
    schedule = Schedule(family="bilinear", isa="portable", bilinear=bilinear)
    with pytest.raises(UserError, match=r"must contribute .* to c\d\d, but the scheme gives"):
        render_recursion(schedule, "modulo 2")
    schemes.named.cache_clear()


def test_a_discovered_scheme_is_rendered_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Discovery(schemes.named("winograd"), Ring.TERNARY, 1, 0.0, 0).save(tmp_path)
    monkeypatch.setattr(schemes, "FOUND", tmp_path)
    schemes.named.cache_clear()
    bilinear = Bilinear(scheme="found_2x2x2_7", inner="packed")
    source = render_recursion(Schedule(family="bilinear", isa="portable", bilinear=bilinear), "found here")
    assert "found_2x2x2_7 ⟨2,2,2;7⟩" in source
    schemes.named.cache_clear()


BROKEN = {
    "cut off": ('{"version": 1, "scheme": {"m": 2', "not valid JSON"),
    "floats": (
        '{"m": 1, "k": 1, "n": 1, "u": [[1.0]], "v": [[1]], "w": [[1]]}',
        "is not an exact coefficient",
    ),
    "wrong sizes": (
        '{"m": 2, "k": 1, "n": 1, "u": [[1]], "v": [[1]], "w": [[1]]}',
        "has 1 coefficients, not 2",
    ),
    "refuted": (
        '{"m": 1, "k": 1, "n": 1, "u": [[1]], "v": [[1]], "w": [[0]]}',
        "a11·b11 must contribute 1 to c11, but the scheme gives 0",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_start_that_is_no_scheme_is_one_line(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, told = BROKEN[kind]
    (tmp_path / "start.json").write_text(text)
    assert search(tmp_path, "2x2x2", "--from", str(tmp_path / "start.json")) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_a_start_of_another_format_or_version_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Discovery(schemes.named("strassen"), Ring.TERNARY, 1, 0.0, 0).save(tmp_path / "other")
    assert search(tmp_path, "2x2x3", "--from", str(path)) == 2
    assert "is no scheme of 2x2x3" in capsys.readouterr().err
    path.write_text(path.read_text().replace('"version": 1', '"version": 9'))
    assert search(tmp_path, "2x2x2", "--from", str(path)) == 2
    assert "version 9; this program reads version 1" in capsys.readouterr().err


def test_a_cyclic_search_finds_laderman_s_rank_and_its_schemes_are_cyclic(
    walker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    form = Format(3, 3, 3)
    starts = [cyclic.start(form, 2)]
    with Walker(walker, starts, form, seed=1, threads=1, notation=CYCLIC) as walking:
        for news in walking.news(float("inf")):
            if isinstance(news, Scheme):
                assert holds_modulo_2(news)
                assert cyclic_to_line(news).count(";") == (news.rank - 2) // 3 + 1
                if news.rank == 23:
                    break
    assert search(tmp_path, "3x3x3", "--symmetry", "cyclic", "--target", "23", "--seconds", "60") == 0
    assert "3x3x3: 23 products instead of 27" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"found_3x3x3_23.json"}


def test_a_cyclic_search_refuses_other_formats_and_starts_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path, "3x3x4", "--symmetry", "cyclic") == 2
    said = capsys.readouterr().err
    assert "3x3x4 is not square; A, B and C change places, so they need the same extents" in said
    path = Discovery(schemes.named("laderman"), Ring.TERNARY, 1, 0.0, 0).save(tmp_path)
    assert search(tmp_path, "3x3x3", "--symmetry", "cyclic", "--from", str(path)) == 2
    said = capsys.readouterr().err
    assert "is not cyclic, so the search with --symmetry cannot start from it" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--seconds", "0"], ["--threads", "0"]])
def test_limits_of_nothing_are_refused(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["2x2x2", "--results", str(tmp_path), *arguments]) == 2
    assert "more than 0 is needed" in capsys.readouterr().err


def test_a_refutation_modulo_2_only_is_not_a_proof() -> None:
    binary = from_line(to_line(schemes.named("strassen")), Format(2, 2, 2), "binary")
    assert isinstance(prove(binary), Refutation)
