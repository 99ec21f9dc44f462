"""Kernels of sgemm at the front door: judged, timed in layouts, evolved, and kept apart from those of matmul."""

from __future__ import annotations

import json

import pytest

from harness.candidate import load
from harness.operation.operations import OperationName
from tests.conftest import add_candidate
from tests.front_door.test_gate import SETTLED, SHORT_CONTROL
from tests.operation.kernels import SAFE

QUICK = ("--clock-budget", "0.5", "--profile", "quick", "-p", "no:cacheprovider", *SHORT_CONTROL)
FORMS = "48x48x48:nt,40x48x56:tn+*0.5/41/60/64"
MANIFEST = 'operation = "sgemm"\ntier = "safe"\n'


@pytest.mark.slow
def test_a_kernel_of_sgemm_is_judged_and_timed_in_layouts(project: pytest.Pytester) -> None:
    add_candidate(project, "lone", SAFE, MANIFEST)
    result = project.runpytest_subprocess(
        *QUICK, "--suite", FORMS, "candidates", "--verdicts", "v.jsonl", "-v"
    )
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(
        ["*lone*accepted, sgemm, safe*", "*48x48x48:nt *", "*40x48x56:tn+*0.5/41/60/64 *"]
    )
    line = json.loads((project.path / "v.jsonl").read_text())
    assert line["operation"] == "sgemm"
    assert line["shape"] in FORMS
    (records,) = (project.path / "results" / "local" / "records").glob("*.jsonl")
    assert [one["shape"] for one in json.loads(records.read_text())["per_shape"]] == FORMS.split(",")


@pytest.mark.parametrize("arguments", [("--generate", "1"), ("candidates",)])
def test_a_suite_with_layouts_needs_kernels_of_sgemm(
    project: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    add_candidate(project, "lone")
    result = project.runpytest_subprocess(*QUICK, "--suite", FORMS, *arguments)
    assert result.ret != pytest.ExitCode.OK
    text = result.stdout.str() + result.stderr.str()
    assert "48x48x48:nt has a layout, and matmul multiplies row-major matrices only" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--operation", "dgemm"), "invalid choice: 'dgemm'"),
        (("--suite", "48:nx"), "a layout is nn, nt, tn or tt"),
        (("--suite", "48:nt*3"), "power of two"),
    ],
)
def test_a_bad_operation_or_layout_is_one_line(
    project: pytest.Pytester, arguments: tuple[str, ...], words: str
) -> None:
    result = project.runpytest_subprocess(*QUICK, "--generate", "1", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert words in text
    assert "Traceback" not in text


@pytest.mark.slow
@pytest.mark.together
def test_an_evolution_of_sgemm_remembers_kernels_that_matmul_does_not_see(project: pytest.Pytester) -> None:
    quick = (*QUICK, *SETTLED, "--suite", "48x48x48", "--shortlist", "1", "--seed", "7")
    result = project.runpytest_subprocess(*quick, "--generate", "2", "--operation", "sgemm")
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    result.assert_outcomes(passed=14)
    first, second = (load(folder).manifest for folder in sorted((project.path / "candidates").glob("gen-*")))
    assert first.operation is second.operation is OperationName.SGEMM
    assert second.parents == [first.run and f"gen-{first.run}-001"]
    other = project.runpytest_subprocess(*quick, "--generate", "1")
    assert other.ret == pytest.ExitCode.OK, other.stdout.str()
    newest = load(sorted((project.path / "candidates").glob("gen-*"))[-1]).manifest
    assert (newest.operation, newest.parents) == (OperationName.MATMUL, []), (
        "a kernel of sgemm became a parent"
    )
