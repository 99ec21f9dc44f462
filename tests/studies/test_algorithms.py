"""The page about discovered algorithms; the searches themselves are tested in tests/schedule/test_discover.py."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.studies.algorithms import GOALS, ReachedRank, main, page
from tests.conftest import ROOT

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
    assert (ROOT / "results" / "algorithms.md").read_text() == page(runs, record["facts"])
    assert {one.form for one in runs} == {form for form, _, _, _ in GOALS}


def test_no_seed_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "0"]) == 2
    assert capsys.readouterr().out == "error: --seeds takes 1 or more\n"
