"""`--against`: an accepted kernel is timed against another one, in the same session."""

from __future__ import annotations

import json

import pytest

from tests.conftest import NAIVE, ROWS, WRONG, add_candidate
from tests.front_door.test_gate import SHORT_CONTROL, TRUSTED

# A duel gets six times the budget: 1.5 s, for kernels that differ by a factor of two or more.
QUICK = ("--suite", "96x96x96", "--clock-budget", "0.25", "--profile", "quick", "-p", "no:cacheprovider")


def judge(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess(*QUICK, *SHORT_CONTROL, *arguments)


@pytest.mark.slow
def test_the_faster_of_two_candidates_wins_in_either_role(project: pytest.Pytester) -> None:
    add_candidate(project, "loops", NAIVE)
    add_candidate(project, "rows", ROWS)
    result = judge(project, "candidates/rows", "--against", "loops", "--verdicts", "v.jsonl")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["judging loops, the rival*", "rows against loops: *x [[]*, *], faster (*"])
    line = json.loads((project.path / "v.jsonl").read_text())
    assert line["rival"] == "loops"
    assert 1 < line["rival_low"] <= line["rival_ratio"] <= line["rival_high"]

    result = judge(project, "candidates/loops", "--against", "candidates/rows", "-q", *TRUSTED)
    result.stdout.fnmatch_lines(["loops against rows: 0.*, slower (*", "*slower at 96x96x96 (0.*"])


@pytest.mark.slow
def test_a_crate_and_a_library_can_be_rivals(project: pytest.Pytester) -> None:
    from harness.clock import baseline

    add_candidate(project, "rows", ROWS)
    blas = str(baseline.find(None).path)
    result = judge(project, "candidates/rows", "--against", blas, *TRUSTED)
    result.stdout.fnmatch_lines(["rows against OpenBLAS *: 0.*, slower (*"])
    result = judge(project, "candidates/rows", "--against", "matrixmultiply", *TRUSTED)
    result.stdout.fnmatch_lines(["rows against matrixmultiply *: *x [[]*"])


def test_a_rival_that_is_not_there_is_a_usage_error(project: pytest.Pytester) -> None:
    add_candidate(project, "rows", ROWS)
    result = judge(project, "candidates/rows", "--against", "columns")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--against columns: no such thing; name a candidate*"])


def test_a_rival_that_is_rejected_is_a_usage_error(project: pytest.Pytester) -> None:
    add_candidate(project, "rows", ROWS)
    add_candidate(project, "diagonal", WRONG)
    result = judge(project, "candidates/rows", "--against", "diagonal")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--against diagonal: rejected at shapes: wrong at *"])
