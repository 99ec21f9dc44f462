"""The page about discovered algorithms; the searches themselves are tested in tests/schedule/test_discover.py."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.compile.crates import walker_binary
from harness.errors import UserError
from harness.schedule.bilinear import schemes
from harness.schedule.bilinear.straight_line import straight_line
from harness.schedule.discover.formats import parse
from harness.schedule.discover.found import Ring
from harness.studies.algorithms import GOALS, ReachedRank, main, page
from harness.studies.cheap_schemes import CheapRun, cheapened, cost_of, keep_programs
from tests.conftest import ROOT
from tests.schedule.test_straight_line import executed

FIRST = ReachedRank("2x2x2", "integers", 7, 1, 7, "ternary", 0.5, 1e7, 3, 2, 36, 18, 18, 12.0)
SECOND = replace(FIRST, seed=2, rank=8, seconds=1.5, tried=1, lifted=1)


def cells(text: str, form: str) -> list[str]:
    (row,) = (line for line in text.splitlines() if line.startswith(f"| {form} "))
    return [cell.strip() for cell in row.split("|")[1:-1]]


def test_the_page_says_how_many_runs_reach_the_lowest_rank_and_how_many_schemes_lift() -> None:
    found = cells(page([FIRST, SECOND], {}), "2x2x2")
    assert found[:5] == ["2x2x2", "ternary", "7", "7 (1 of 2)", "1.0 (1.5)"]
    assert found[6] == "3 of 4"


def test_the_committed_page_matches_its_record() -> None:
    record = json.loads((ROOT / "results" / "algorithms.json").read_text())
    runs = [ReachedRank(**one) for one in record["runs"]]
    cheap = [CheapRun(**one) for one in record["cheap runs"]]
    text = page(runs, record["facts"], cheap, record["about cheap runs"])
    assert (ROOT / "results" / "algorithms.md").read_text() == text
    assert {one.form for one in runs} == {goal.form for goal in GOALS}


WINOGRAD = straight_line(schemes.named("winograd"), random.Random(1), 8)
CHEAP = CheapRun("2x2x2", 1, 7, 4, 0.5, 0.25, 10.0, 15, 42, 18.0, WINOGRAD)


def test_the_page_has_the_fewest_additions_of_the_lowest_rank_and_the_difference_from_the_published() -> None:
    runs = [CHEAP, replace(CHEAP, seed=2, additions=17), replace(CHEAP, seed=3, rank=8, additions=4)]
    found = cells(page([FIRST], {}, runs, {"seconds for each run": 10}), "2x2x2:7")
    assert found == ["2x2x2:7", "2 of 3", "15 (16)", "15", "0", "0.2", "42", "18"]
    assert cells(page([FIRST], {}, [replace(CHEAP, rank=8)]), "2x2x2:8")[3:5] == ["", ""]


def test_a_program_is_kept_until_there_is_one_with_fewer_additions(tmp_path: Path) -> None:
    strassen = straight_line(schemes.named("strassen"), random.Random(1), 8)
    path = tmp_path / "2x2x2_7.txt"
    for run, wanted in ((replace(CHEAP, additions=18, program=strassen), 18), (CHEAP, 15), (CHEAP, 15)):
        keep_programs([run], tmp_path)
        assert cost_of(path)[0] == wanted
    keep_programs([replace(CHEAP, additions=18, program=strassen)], tmp_path)
    assert cost_of(path) == (15, 18.0)
    keep_programs([replace(CHEAP, rank=8)], tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    keep_programs([replace(CHEAP, rank=6)], tmp_path)
    assert [kept.name for kept in tmp_path.iterdir()] == ["2x2x2_6.txt"]
    path.write_text(WINOGRAD.replace(" + ", " - ", 1))
    with pytest.raises(UserError, match="is not a matrix product"):
        cost_of(path)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "results" / "additions").glob("*.txt")), ids=lambda path: path.stem
)
def test_every_committed_program_multiplies_with_the_additions_of_the_page(path: Path) -> None:
    """The program runs as it stands, on integers; every addition that it makes is counted."""
    form, _, rank = path.stem.partition("_")
    text = path.read_text()
    shape = parse(form)
    made = executed(text, *shape, np.random.default_rng(1))
    additions, growth = cost_of(path)
    assert made == additions
    assert text.count("*") == int(rank)
    row = cells((ROOT / "results" / "algorithms.md").read_text(), f"{form}:{rank}")
    assert (row[2].split()[0], row[7]) == (str(made), f"{growth:g}")


def test_a_cheap_run_starts_from_schemes_that_were_found(tmp_path: Path) -> None:
    goal = ("2x2x2", Ring.INTEGERS, 7, 20)
    run = cheapened(goal, 1, 1, tmp_path, walker_binary(lambda line: None), 60.0, walks=10)
    assert run is not None
    assert (run.rank, run.additions, run.coefficients) == (7, 15, 42)
    assert executed(run.program, 2, 2, 2, np.random.default_rng(1)) == 15


@pytest.mark.parametrize("arguments", [["--cheapen", "0"], ["--cheap-seeds", "0"]])
def test_limits_of_nothing_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().out.count("\n") == 1


def test_no_seed_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "0"]) == 2
    assert capsys.readouterr().out == "error: --seeds and --cheap-seeds take 1 or more\n"
