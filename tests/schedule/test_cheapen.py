"""Fewer additions and coefficients at the same rank: the search, its files, and the command as a person uses it."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compile.crates import walker_binary
from harness.errors import HarnessFaultError, UserError
from harness.schedule.bilinear import compose, schemes, symbolic
from harness.schedule.bilinear.additions import fewest_additions
from harness.schedule.bilinear.scheme import Proof, Scheme, exact, prove
from harness.schedule.bilinear.scheme_cost import growth
from harness.schedule.bilinear.straight_line import additions_in
from harness.schedule.discover.__main__ import main
from harness.schedule.discover.cheapen import (
    Aim,
    CheapeningPlan,
    cheap_starts,
    cheaper,
    is_ternary,
)
from harness.schedule.discover.formats import Format
from harness.schedule.discover.found import Discovery, Ring, known, load, nonzero, ring_of, with_program
from harness.schedule.discover.lines import from_signed_line, to_signed_line
from harness.schedule.discover.search import Search, SearchRequest, Stage
from harness.schedule.recursive import worthwhile
from tests.conftest import ROOT
from tests.schedule.test_orbit import turned

SHIPPED = ("strassen", "strassen_2x2x3", "hopcroft_kerr_2x3x3", "laderman")


@pytest.fixture(scope="module")
def walker() -> Path:
    return walker_binary(lambda line: None)


def plan(aim: Aim, seed: int = 1, walks: int = 4) -> CheapeningPlan:
    return CheapeningPlan(aim, 60.0, seed, 1, walks)


@settings(max_examples=12)
@given(st.sampled_from(SHIPPED), st.sampled_from(Aim), st.integers(0, 1 << 32), st.integers(1, 3))
def test_every_result_is_proved_ternary_of_the_same_rank_and_better_than_the_one_before(
    name: str, aim: Aim, seed: int, walks: int
) -> None:
    start = turned(schemes.named(name), random.Random(seed), 1)
    if not is_ternary(start):
        start = schemes.named(name)
    counts = []
    for found in cheaper(walker_binary(lambda line: None), [start], plan(aim, seed, walks)):
        assert isinstance(prove(found), Proof)
        assert is_ternary(found)
        assert (found.m, found.k, found.n, found.rank) == (start.m, start.k, start.n, start.rank)
        counts.append(nonzero(found))
    assert counts
    if aim is Aim.NONZERO:
        assert counts == sorted(counts, reverse=True)
        assert counts[-1] <= nonzero(start)


@pytest.mark.parametrize(
    ("name", "additions"),
    [
        ("strassen", 15),
        ("strassen_2x2x3", 17),
        ("strassen_2x2x4", 26),
        ("strassen_2x2x5", 28),
        ("hopcroft_kerr_2x3x3", 44),
    ],
)
def test_as_few_additions_as_published_are_found_and_fewer_for_2x3x3(
    walker: Path, name: str, additions: int
) -> None:
    *_, best = cheaper(walker, [schemes.named(name)], plan(Aim.ADDITIONS, walks=20))
    found = with_program(best, 1, 0.0, 20)
    assert found.shared_additions == additions
    assert found.program.count("*") == schemes.named(name).rank
    assert isinstance(prove(symbolic.parse(found.program)), Proof)


def test_the_same_seed_and_number_of_walks_give_the_same_scheme(walker: Path) -> None:
    start = [schemes.named("laderman")]
    first, again, other = (
        to_signed_line([*cheaper(walker, start, plan(Aim.ADDITIONS, seed))][-1]) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


@given(st.sampled_from(SHIPPED))
def test_a_scheme_is_the_same_after_writing_and_reading_its_signed_line(name: str) -> None:
    scheme = schemes.named(name)
    assert from_signed_line(to_signed_line(scheme), scheme) == scheme


@pytest.mark.parametrize("line", ["", "1,0,1,0", "1,1,1,0,1,0", "ff,0,1,0,1,0", "x,0,1,0,1,0"])
def test_what_is_no_signed_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"masks|invalid literal|bits"):
        from_signed_line(line, compose.classical(2, 2, 2))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("additions 2 2 2 1 1 10 1", "1,0,1,0,1,0"),
        ("fewest 2 2 2 1 1 10 1 2000", "1,0,1,0,1,0"),
        ("additions 2 2 2 1 1 10 1 2000", ""),
        ("additions 2 2 2 1 1 10 1 2000", "1,1,1,0,1,0"),
        ("additions 2 2 2 1 1 10 1 2000", "1f,0,1,0,1,0"),
        ("additions 2 2 2 1 1 10 1 2000", ";".join(["1,0,1,0,1,0"] * 65)),
        ("additions 9 9 9 1 1 10 1 2000", "1,0,1,0,1,0"),
        ("additions 1 1 1 1 1 10 1 2000", "1,0,1,0,1,0"),
        ("nonzero 2 2 2 0 1 10 1 2000", "1,0,1,0,1,0"),
        ("nonzero 18446744073709551615 2 2 1 1 10 1 2000", "1,0,1,0,1,0"),
    ],
)
def test_the_program_refuses_bad_words_and_schemes(walker: Path, words: str, text: str) -> None:
    command = [str(walker), "cheapen", *words.split()]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("roundtable-walker: ")


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("scheme 3 3 1,0,1,0,1,0", "a wrong scheme: .*is not a matrix product"),
        ("scheme 3", "the walker said"),
        ("hello", "the walker said"),
    ],
)
def test_what_the_program_says_is_not_trusted(says: str, told: str, tmp_path: Path) -> None:
    liar = tmp_path / "liar"
    liar.write_text(f"#!/bin/sh\necho '{says}'\n")
    liar.chmod(0o755)
    with pytest.raises(HarnessFaultError, match=told):
        list(cheaper(liar, [schemes.named("strassen")], plan(Aim.ADDITIONS)))


def test_a_program_that_fails_is_the_harness_fault() -> None:
    false = shutil.which("false")
    assert false is not None
    with pytest.raises(HarnessFaultError, match="the walker ended"):
        list(cheaper(Path(false), [schemes.named("strassen")], plan(Aim.ADDITIONS)))


def test_only_ternary_schemes_of_the_lowest_rank_are_starts(tmp_path: Path) -> None:
    strassen, winograd = schemes.named("strassen"), schemes.named("winograd")
    heavy = compose.change_basis(
        strassen, exact([[1, 2], [0, 1]]), exact([[1, 0], [0, 1]]), exact([[1, 0], [0, 1]])
    )
    assert not is_ternary(heavy)
    with_program(winograd, 1, 0.0, 1).save(tmp_path)
    given_ones: list[Scheme] = [strassen, heavy, compose.classical(2, 2, 2), strassen]
    starts = cheap_starts(given_ones, Format(2, 2, 2), tmp_path)
    assert len(starts) == 2
    assert {fewest_additions(scheme, random.Random(1), 8) for scheme in starts} == {18, 15}


def search(folder: Path, *arguments: str) -> int:
    return main([*arguments, "--results", str(folder), "--threads", "1"])


def test_the_command_writes_the_cheapest_scheme_with_its_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path, "2x2x3", "--target", "11", "--cheapen", "60", "--walks", "20") == 0
    said = capsys.readouterr().out
    assert "2x2x3: 11 products with 17 additions; error growth" in said
    assert "proof: all 144 Brent equations hold in exact arithmetic" in said
    path = tmp_path / "found_2x2x3_11_cheap.json"
    data = json.loads(path.read_text())
    assert data["additions"]["shared"] == additions_in("\n".join(data["program"])) == 17
    found = load(path)
    assert found.name == path.stem
    assert symbolic.parse(found.program).u == found.scheme.u
    # The scheme with the fewest coefficients stays what it was.
    assert load(tmp_path / "found_2x2x3_11.json").shared_additions == 20
    assert [one.name for one in known(tmp_path, Format(2, 2, 3))] == ["found_2x2x3_11", path.stem]
    # A second search keeps what is better.
    before = path.read_bytes()
    assert search(tmp_path, "2x2x3", "--target", "11", "--cheapen", "60", "--walks", "20") == 0
    assert path.read_bytes() == before


def test_a_start_that_reaches_the_target_is_made_cheaper_without_a_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ROOT / "harness" / "schedule" / "bilinear" / "schemes" / "hopcroft_kerr_2x3x3.toml"
    assert (
        search(tmp_path, "3x2x3", "--target", "15", "--from", str(start), "--cheapen", "60", "--walks", "20")
        == 0
    )
    said = capsys.readouterr().out
    assert "3x2x3: 15 products with 4" in said
    assert not list(tmp_path.glob("found_2x2x2*"))
    assert load(tmp_path / "found_3x2x3_15_cheap.json").scheme.k == 2


def test_ctrl_c_keeps_the_best_that_was_found(tmp_path: Path) -> None:
    # A background job of a shell ignores SIGINT, and its children inherit that.
    code = "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "runpy.run_module('harness.schedule.discover', run_name='__main__')"
    words = ["2x2x2", "--target", "7", "--cheapen", "100", "--results", str(tmp_path)]
    command = [sys.executable, "-c", code, *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert any("15 additions" in line for line in running.stdout)
        running.send_signal(signal.SIGINT)
        _, complaint = running.communicate(timeout=30)
    assert running.returncode == 130
    assert complaint == "interrupted; what was found is kept, and the next call goes on from it\n"
    assert load(tmp_path / "found_2x2x2_7_cheap.json").shared_additions == 15


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--cheapen", "0"], "--cheapen 0: more than 0 is needed"),
        (["--cheapen", "nan"], "more than 0 is needed"),
        (["--cheapen", "5", "--walks", "0"], "--walks 0: more than 0 is needed"),
        (["--walks", "5"], "--walks limits --cheapen SECONDS"),
        (["--cheapen", "5", "--field", "z2"], "leave out --field z2"),
    ],
)
def test_cheapening_of_nothing_is_one_line(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path, "2x2x2", *arguments) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (["c11 = a11 * b11"], "the program computes another scheme|never|outside|found"),
        (["x1 = a11 +"], "line 1"),
        ("c11 = a11 * b11", "program must be a list of lines"),
        ([1], "program must be a list of lines"),
    ],
)
def test_a_file_with_another_program_is_refused(program: object, told: str, tmp_path: Path) -> None:
    path = with_program(schemes.named("winograd"), 1, 0.0, 1).save(tmp_path)
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"program": program}))
    with pytest.raises(UserError, match=told):
        load(path)


def test_a_program_with_one_wrong_sign_is_refused(tmp_path: Path) -> None:
    path = with_program(schemes.named("winograd"), 1, 0.0, 1).save(tmp_path)
    data = json.loads(path.read_text())
    line = next(at for at, one in enumerate(data["program"]) if " - " in one)
    data["program"][line] = data["program"][line].replace(" - ", " + ")
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match="computes another scheme"):
        load(path)


def test_the_tuner_leaves_cheap_schemes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemes, "FOUND", tmp_path)
    schemes.named.cache_clear()
    cheap = with_program(schemes.named("winograd"), 1, 0.0, 1)
    light = replace(cheap, scheme=schemes.named("strassen"), program="")
    cheap.save(tmp_path)
    light.save(tmp_path)
    assert cheap.name in schemes.discovered()
    assert light.name in worthwhile()
    assert cheap.name not in worthwhile()
    schemes.named.cache_clear()


@pytest.mark.parametrize(("name", "changes"), [("winograd", 0), ("strassen", 1), ("strassen", 4)])
def test_a_search_ends_with_the_lightest_scheme_whatever_its_coefficients(
    name: str, changes: int, walker: Path, tmp_path: Path
) -> None:
    heavy = turned(schemes.named(name), random.Random(1), changes)
    assert nonzero(heavy) > 36
    form = Format(2, 2, 2)
    searching = Search(SearchRequest(form, Ring.INTEGERS, 1.0, 1, 1, tmp_path), walker, lambda line: None)
    stage = Stage(form, 7, [], best=Discovery(heavy, ring_of(heavy) or Ring.Z2, 1, 0.0, 0))
    searching._lighten(stage)
    assert stage.best is not None
    assert (nonzero(stage.best.scheme), growth(stage.best.scheme)) == (36, 12)
    assert load(tmp_path / "found_2x2x2_7.json").scheme == replace(
        stage.best.scheme, name="found_2x2x2_7", source="python -m harness.schedule.discover"
    )
