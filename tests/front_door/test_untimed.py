"""Kernels that are correct but cannot be timed here: what is shown, what is written, and what a gate decides."""

from __future__ import annotations

import html
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import add_candidate
from tests.front_door.test_gate import QUICK, WRONG

# Replaces the clock by one that never comes to a result, as on a busy machine.
BUSY_CLOCK = """
from harness.clock import measure
from harness.verdict import Inconclusive

def score(program, thread_class, session, numerics="componentwise"):
    return Inconclusive(f"other processes keep class {thread_class} busy")

measure.score = score
"""

# Replaces the judging gates as well: these tests are about what follows them.
TRUSTING_JUDGE = """
from harness.judge import examine
from harness.judge.examination import Examined
from harness.verdict import Gate

examine.shapes = lambda examination: Examined(Gate.SHAPES, {})
examine.values = lambda examination: Examined(Gate.VALUES, {})
examine.conduct = lambda examination: Examined(Gate.CONDUCT, {})
"""

LINE = "correct, but not timed: other processes keep class all busy"


@pytest.fixture
def busy(project: pytest.Pytester) -> pytest.Pytester:
    """A project with one kernel of class all, which passes every gate but cannot be timed."""
    project.makepyfile(busy=BUSY_CLOCK + TRUSTING_JUDGE)
    add_candidate(project, "wide", manifest="threads = 'all'\n")
    return project


def judge(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess(*QUICK, "-p", "busy", *arguments)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_by_default_correctness_alone_passes_with_a_warning(busy: pytest.Pytester) -> None:
    result = judge(busy, "candidates", "--verdicts", "v.jsonl", "--junitxml", "j.xml")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=7, warnings=1)
    result.stdout.fnmatch_lines([f"*<candidates/wide/kernel.rs>:0: UntimedWarning: {LINE}"])
    assert "pub fn matmul" not in result.stdout.str()
    result.stdout.fnmatch_lines(
        [
            "  -  wide  *correct, not timed, unsafe",
            "wide: correct, not timed",
            "    replay: pytest candidates/wide",
            f"thread class all cannot be timed reliably here and now: 1 kernel(s) {LINE}",
        ]
    )
    assert "REJECTED" not in result.stdout.str()
    (line,) = lines_of(busy.path / "v.jsonl")
    assert (line["outcome"], line["verdict"], line["gate"]) == ("correct, not timed", "Inconclusive", "clock")
    assert line["reason"] == LINE
    assert line["ratio_to_blas"] is None
    (record,) = (busy.path / "results" / "local" / "records").glob("*.jsonl")
    assert lines_of(record)[0]["outcome"] == "correct, not timed"
    properties = {
        p.get("name"): p.get("value") for p in ElementTree.parse(busy.path / "j.xml").iter("property")
    }
    assert properties["outcome"] == "correct, not timed"


@pytest.mark.parametrize(
    ("manifest", "arguments", "words"),
    [
        ("", ["--min-ratio", "0.5"], "min_ratio 0.5 cannot be decided"),
        ("min_ratio = 0.25", [], "min_ratio 0.25 cannot be decided"),
        ("", ["--untimed", "fail"], "--untimed fail"),
        ("expect = 'rejected'", [], "expected to be rejected by a gate, which is not decided"),
        (
            "expect = 'rejected'\ngate = 'clock'",
            ["--untimed", "skip"],
            "expected to be rejected by clock, which",
        ),
    ],
)
def test_a_gate_that_needs_the_timing_fails(
    busy: pytest.Pytester, manifest: str, arguments: list[str], words: str
) -> None:
    (busy.path / "candidates" / "wide" / "candidate.toml").write_text(f"threads = 'all'\n{manifest}\n")
    result = judge(busy, "candidates", *arguments)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines([f"{words}*: {LINE}"])
    assert "  -  wide" in result.stdout.str()
    assert "correct, not timed" in result.stdout.str()


@pytest.mark.parametrize("arguments", [[], ["--min-ratio", "0.5"]])
def test_a_session_may_skip_what_cannot_be_timed(busy: pytest.Pytester, arguments: list[str]) -> None:
    result = judge(busy, "candidates", "--untimed", "skip", "-rs", *arguments)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=6, skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*{LINE}"])


def test_a_regression_is_undecided_only_for_a_kernel_that_was_saved(busy: pytest.Pytester) -> None:
    saved = busy.path / "results" / "local" / "saved"
    saved.mkdir(parents=True)
    timing = {"ratio": 1.0, "low": 0.9, "high": 1.1, "machine": "", "toolchain": ""}
    timing |= {"baseline": "", "suite": "", "threads": ""}
    compare = ("candidates", "--compare", "main", "--max-regress", "5")
    (saved / "main.json").write_text(json.dumps({"format": 1, "timings": {"wide": timing}}))
    result = judge(busy, *compare)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"--max-regress 5 cannot be decided: {LINE}"])
    (saved / "main.json").write_text(json.dumps({"format": 1, "timings": {"other": timing}}))
    assert judge(busy, *compare).ret == pytest.ExitCode.OK


def test_nothing_is_saved_when_nothing_was_timed(busy: pytest.Pytester) -> None:
    result = judge(busy, "candidates", "--save", "main")
    assert "--save main: no kernel was timed; nothing is saved" in result.stdout.str()
    assert not (busy.path / "results" / "local" / "saved" / "main.json").exists()


def test_each_thread_class_is_told_once_with_a_reason(busy: pytest.Pytester) -> None:
    add_candidate(busy, "wider", manifest="threads = 'all'\n")
    add_candidate(busy, "narrow")
    text = judge(busy, "candidates").stdout.str()
    assert text.count("thread class all cannot be timed reliably here and now: 2 kernel(s)") == 1
    assert text.count("thread class 1 cannot be timed reliably here and now: 1 kernel(s)") == 1


def test_warnings_as_errors_fail_in_one_line(busy: pytest.Pytester) -> None:
    result = judge(busy, "candidates", "-W", "error::UserWarning")
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines([LINE])
    assert "Traceback" not in result.stdout.str()


def test_workers_of_xdist_report_it_too(busy: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    result = judge(busy, "candidates", "-n", "1")
    result.assert_outcomes(passed=7, warnings=1)
    result.stdout.fnmatch_lines(
        [f"thread class all cannot be timed reliably here and now: 1 kernel(s) {LINE}"]
    )


def test_github_gets_a_warning(busy: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(busy.path / "summary.md"))
    result = judge(busy, "candidates")
    result.stdout.fnmatch_lines([f"::warning file=candidates/wide/kernel.rs,title=*::{LINE}"])
    row = f"| <code>wide</code> | correct, not timed |  |  |  | <code>{LINE}</code> |"
    assert row in html.unescape((busy.path / "summary.md").read_text())
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(busy.path))
    again = judge(busy, "candidates")
    assert again.ret == pytest.ExitCode.OK
    again.stdout.fnmatch_lines(["::warning::GITHUB_STEP_SUMMARY *: cannot be written: Is a directory"])


def test_a_wrong_kernel_is_still_rejected(project: pytest.Pytester) -> None:
    project.makepyfile(busy=BUSY_CLOCK)
    add_candidate(project, "diagonal", WRONG)
    result = judge(project, "candidates", "--untimed", "skip")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["  -  diagonal  *REJECTED: Wrong (shapes)"])


@pytest.mark.slow
@pytest.mark.together
def test_an_evolution_that_times_nothing_fails_and_remembers_nothing(project: pytest.Pytester) -> None:
    project.makepyfile(busy=BUSY_CLOCK + TRUSTING_JUDGE)
    result = judge(project, "--generate", "1", "--shortlist", "1", "--seed", "7", "-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*::clock UNTIMED*",
            "tester: gen-*: Inconclusive: correct, but not timed: *",
            "no candidate was accepted; 1 correct, not timed: repeat on a quieter machine",
        ]
    )
    assert "REJECTED" not in result.stdout.str()
    (folder,) = (project.path / "candidates").glob("gen-*")
    assert "claim" not in (folder / "candidate.toml").read_text()


@pytest.mark.parametrize(("selected", "failed"), [("values", 1), ("values or conduct", 1), ("audit", 0)])
def test_an_exhibit_fails_also_when_the_gate_that_must_reject_it_is_not_selected(
    busy: pytest.Pytester, selected: str, failed: int
) -> None:
    manifest = "expect = 'rejected'\ngate = 'shapes'\n"
    (busy.path / "candidates" / "wide" / "candidate.toml").write_text(manifest)
    result = judge(busy, "candidates", "-k", selected)
    assert result.parseoutcomes().get("failed", 0) == failed
    assert ("expected to be rejected by shapes, but it passed" in result.stdout.str()) == bool(failed)


@pytest.mark.slow
@pytest.mark.together
def test_every_judging_gate_runs_before_a_kernel_is_called_correct(project: pytest.Pytester) -> None:
    project.makepyfile(busy=BUSY_CLOCK)
    add_candidate(project, "lone")
    result = judge(project, "candidates/lone/kernel.rs::clock", "--verdicts", "v.jsonl")
    result.assert_outcomes(passed=1, warnings=1)
    assert lines_of(project.path / "v.jsonl")[0]["outcome"] == "correct, not timed"


@pytest.mark.parametrize(
    ("selection", "outcome"),
    [("not perf", "correct, not timed"), ("not perf and not slow", "correct, not timed")],
)
def test_a_session_without_the_clock_calls_its_kernels_correct(
    busy: pytest.Pytester, selection: str, outcome: str
) -> None:
    judge(busy, "candidates", "-m", selection, "--verdicts", "v.jsonl")
    assert lines_of(busy.path / "v.jsonl")[0]["outcome"] == outcome


@pytest.mark.parametrize(("asked", "told"), [([], False), (["--min-ratio", "0.5"], True)])
def test_a_gate_on_timings_without_the_clock_is_not_passed_silently(
    busy: pytest.Pytester, asked: list[str], told: bool
) -> None:
    result = judge(busy, "candidates", "-m", "not perf", *asked)
    assert result.ret == pytest.ExitCode.OK
    line = "--min-ratio: not decided for 1 candidate(s), whose gate clock was not selected"
    assert (line in result.stdout.str()) == told


def test_a_session_that_ends_before_the_judging_gates_does_not(busy: pytest.Pytester) -> None:
    judge(busy, "candidates", "-k", "policy or shapes", "--verdicts", "v.jsonl")
    (line,) = lines_of(busy.path / "v.jsonl")
    assert (line["outcome"], line["reason"]) == (
        "not judged to the end",
        "passed up to shapes; the later gates were not selected",
    )


# Replaces one gate by a judge whose calls get no core, as on a machine that others keep busy.
BUSY_JUDGE = """
from harness.judge import examine
from harness.judge.examination import Examined
from harness.verdict import At, Gate, Inconclusive

examine.shapes = lambda examination: Examined(Gate.SHAPES, {})
examine.values = lambda examination: Inconclusive("the machine is too busy", At(Gate.VALUES))
"""
UNJUDGED = "not judged to the end: the machine is too busy"


@pytest.fixture
def unjudged(project: pytest.Pytester) -> pytest.Pytester:
    """A project with one kernel that no gate rejects, on a machine too busy to judge its values."""
    project.makepyfile(busy=BUSY_JUDGE)
    add_candidate(project, "lone")
    return project


@pytest.mark.parametrize("untimed", ["auto", "skip", "fail"])
def test_what_was_not_judged_to_the_end_fails_without_an_objection(
    unjudged: pytest.Pytester, untimed: str
) -> None:
    result = judge(unjudged, "candidates", "--verdicts", "v.jsonl", "--untimed", untimed)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=4, failed=1, skipped=2)
    result.stdout.fnmatch_lines([f"lone: {UNJUDGED}"])
    assert "  -  lone" in result.stdout.str()
    assert "NOT JUDGED: Inconclusive (values)" in result.stdout.str()
    assert "rejected" not in result.stdout.str().lower()
    assert "correct, not timed" not in result.stdout.str()
    (line,) = lines_of(unjudged.path / "v.jsonl")
    assert (line["verdict"], line["gate"], line["reason"]) == ("Inconclusive", "values", UNJUDGED)
    assert line["outcome"] == "not judged to the end"


def test_a_known_bad_kernel_is_not_rejected_by_a_busy_machine(unjudged: pytest.Pytester) -> None:
    manifest = "expect = 'rejected'\ngate = 'values'\n"
    (unjudged.path / "candidates" / "lone" / "candidate.toml").write_text(manifest)
    result = judge(unjudged, "candidates")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"*{UNJUDGED}*"])


@pytest.mark.slow
@pytest.mark.together
def test_an_evolution_remembers_nothing_that_was_not_judged_to_the_end(unjudged: pytest.Pytester) -> None:
    result = judge(unjudged, "--generate", "1", "--shortlist", "1", "--seed", "7", "-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*::conduct SKIPPED (not judged *",
            f"tester: gen-*: Inconclusive: {UNJUDGED}",
            "no candidate was accepted; 1 not judged to the end: repeat on a quieter machine",
        ]
    )
    assert "rejected" not in result.stdout.str().lower()
