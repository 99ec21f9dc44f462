"""The gate as users call it: `pytest candidates` judges and times real candidates."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROWS, WRONG, add_candidate

# Small and quick: these tests are about the procedure, not the figures.
QUICK = ("--suite", "48x48x48", "--clock-budget", "2", "--profile", "quick", "-p", "no:cacheprovider")
SHORT_CONTROL = ("-p", "tests.front_door.short_control")
# For tests that are not about timings, and for those of what follows the judging gates.
SETTLED = ("-p", "tests.front_door.settled_clock")
TRUSTED = ("-p", "tests.front_door.trusting_judge")
UNJUDGED = (*TRUSTED, *SETTLED)


def judge(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess(*QUICK, *SHORT_CONTROL, *arguments)


def verdicts(path: Path) -> dict[str, dict[str, Any]]:
    return {line["candidate"]: line for line in map(json.loads, path.read_text().splitlines())}


@pytest.mark.slow
def test_an_honest_kernel_is_accepted_and_recorded(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As users call it: with every plugin that is installed, the real judge and the whole A/A control."""
    monkeypatch.delenv("PYTEST_ADDOPTS")
    add_candidate(project, "lone")
    result = project.runpytest_subprocess(
        *QUICK, "candidates/lone", "--verdicts", "out/v.jsonl", "--junitxml", "junit.xml", "-v"
    )
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=7)
    line = verdicts(project.path / "out" / "v.jsonl")["lone"]
    assert (line["verdict"], line["gate"], line["tier"], line["threads"]) == ("Accepted", None, "unsafe", "1")
    assert line["ratio_low"] <= line["ratio_to_blas"] <= line["ratio_high"]
    assert line["gflops"] > 0
    assert line["time_ms"] > 0
    assert line["replay"] == "pytest candidates/lone"
    records = list((project.path / "results" / "local" / "records").glob("*.jsonl"))
    assert json.loads(records[0].read_text())["per_shape"][0]["shape"] == "48x48x48"
    properties = {
        p.get("name"): p.get("value") for p in ElementTree.parse(project.path / "junit.xml").iter("property")
    }
    assert properties["verdict"] == "Accepted"
    assert float(properties["ratio_to_blas"] or 0) > 0
    result.stdout.fnmatch_lines(["*#*run*ratio to BLAS*", "*1*lone*accepted, unsafe*", "A/A control*"])
    result.stdout.fnmatch_lines(
        ["lone, against *, thread class 1, hot data:", "*shape*ratio to BLAS*minima*"]
    )


def test_a_wrong_kernel_fails_with_its_counterexample_and_a_replay_that_repeats_it(
    project: pytest.Pytester,
) -> None:
    add_candidate(project, "diagonal", WRONG)
    result = judge(project, "candidates/diagonal", "--verdicts", "v.jsonl")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=3, failed=1, skipped=3)
    line = verdicts(project.path / "v.jsonl")["diagonal"]
    assert (line["verdict"], line["gate"]) == ("Wrong", "shapes")
    assert line["shape"]
    assert line["seed"] is not None
    assert "--case" in line["replay"]
    again = judge(project, *line["replay"].split()[1:])
    assert again.ret == pytest.ExitCode.TESTS_FAILED
    again.stdout.fnmatch_lines([f"*{line['reason'][:60].replace('[', '?')}*"])


def test_a_replayed_case_passes_once_the_kernel_is_fixed(project: pytest.Pytester) -> None:
    add_candidate(project, "mended")
    result = judge(project, "candidates/mended", "--case", "3x4x5:17:exact", "-rs")
    result.assert_outcomes(passed=4, skipped=3)
    assert result.ret == pytest.ExitCode.OK


def test_a_malformed_case_is_explained_at_the_front_door(project: pytest.Pytester) -> None:
    add_candidate(project, "lone")
    result = judge(project, "candidates/lone", "--case", "whatever")
    assert result.ret != pytest.ExitCode.OK
    assert "is not a case; the form is SHAPE:SEED:ORACLE" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


EXPECTED = {
    "at_its_gate": ('expect = "rejected"\ngate = "shapes"\n', WRONG),
    "at_any_gate": ('expect = "rejected"\n', WRONG),
}
NOT_EXPECTED = {
    "at_another_gate": ('expect = "rejected"\ngate = "values"\n', WRONG),
    "passes_its_gate": ('expect = "rejected"\ngate = "shapes"\n', ROWS),
    "passes_every_gate": ('expect = "rejected"\n', ROWS),
}


@pytest.mark.slow
@pytest.mark.together
def test_an_exhibit_is_a_strict_expected_failure(project: pytest.Pytester) -> None:
    for name, (manifest, source) in EXPECTED.items():
        add_candidate(project, f"expected/{name}", source, manifest)
    for name, (manifest, source) in NOT_EXPECTED.items():
        add_candidate(project, f"not/{name}", source, manifest)
    result = judge(project, "candidates/expected", *SETTLED)
    assert result.ret == pytest.ExitCode.OK
    outcomes = result.parseoutcomes()
    assert (outcomes.get("xfailed", 0), outcomes.get("failed", 0)) == (2, 0)
    result = judge(project, "candidates/not", "-rf", *SETTLED)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    outcomes = result.parseoutcomes()
    assert (outcomes.get("xfailed", 0), outcomes.get("failed", 0)) == (0, 3)
    for name in NOT_EXPECTED:
        result.stdout.fnmatch_lines([f"FAILED candidates/not/{name}/kernel.rs::*"])


def test_selecting_a_late_gate_runs_all_gates_before_it(project: pytest.Pytester) -> None:
    add_candidate(project, "diagonal", WRONG)
    result = judge(project, "candidates/diagonal/kernel.rs::clock")
    result.assert_outcomes(failed=1)
    assert "wrong at" in result.stdout.str()


@pytest.mark.slow
def test_judging_and_timing_can_be_two_separate_runs(project: pytest.Pytester) -> None:
    add_candidate(project, "lone")
    first = judge(project, "candidates", "-m", "not perf", "--verdicts", "first.jsonl")
    first.assert_outcomes(passed=6, deselected=1)
    line = verdicts(project.path / "first.jsonl")["lone"]
    assert (line["verdict"], line["gate"]) == ("Inconclusive", "clock")
    second = judge(project, "candidates", "-m", "perf", "--verdicts", "second.jsonl")
    second.assert_outcomes(passed=1, deselected=6)
    assert verdicts(project.path / "second.jsonl")["lone"]["verdict"] == "Accepted"


@pytest.mark.slow
@pytest.mark.together
def test_xdist_workers_report_to_one_table(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    add_candidate(project, "lone")
    add_candidate(project, "diagonal", WRONG)
    result = judge(
        project, "candidates", "-n", "2", "--dist", "loadfile", "-m", "not perf", "--verdicts", "v.jsonl"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    found = verdicts(project.path / "v.jsonl")
    assert {name: line["verdict"] for name, line in found.items()} == {
        "lone": "Inconclusive",
        "diagonal": "Wrong",
    }


@pytest.mark.slow
@pytest.mark.together
def test_broken_folders_do_not_keep_others_from_being_judged(project: pytest.Pytester) -> None:
    add_candidate(project, "good")
    add_candidate(project, "unknown_key", manifest="colour = 'red'\n")
    add_candidate(project, "huge", "/" * (2 << 20))
    (add_candidate(project, "binary") / "kernel.rs").write_bytes(b"\xff\xfe\x00")
    (add_candidate(project, "folder") / "kernel.rs").unlink()
    (project.path / "candidates" / "folder" / "kernel.rs").mkdir()
    (add_candidate(project, "missing", manifest="") / "kernel.rs").unlink()
    (add_candidate(project, "link") / "kernel.rs").unlink()
    good = project.path / "candidates" / "good" / "kernel.rs"
    (project.path / "candidates" / "link" / "kernel.rs").symlink_to(good)
    result = judge(project, "candidates", "--verdicts", "v.jsonl", *UNJUDGED)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    found = verdicts(project.path / "v.jsonl")
    assert found.pop("good")["verdict"] == "Accepted"
    words = {
        "unknown_key": "unknown key 'colour'; allowed:",
        "huge": "larger than 1 MiB",
        "binary": "not UTF-8",
        "folder": "is a folder",
        "missing": "not there",
        "link": "is a symbolic link",
    }
    assert set(found) == set(words)
    for name, line in found.items():
        assert (line["verdict"], line["gate"]) == ("PolicyViolation", "policy")
        assert words[name] in line["reason"]
    assert "Traceback" not in result.stdout.str()


@pytest.mark.slow
@pytest.mark.together
def test_min_ratio_fails_when_the_whole_interval_is_below(project: pytest.Pytester) -> None:
    add_candidate(project, "lone")
    result = judge(project, "candidates", "--min-ratio", "50", *UNJUDGED)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "is below min_ratio 50" in result.stdout.str()
    (project.path / "candidates" / "lone" / "candidate.toml").write_text("min_ratio = 50\n")
    assert judge(project, "candidates", *UNJUDGED).ret == pytest.ExitCode.TESTS_FAILED
    (project.path / "candidates" / "lone" / "candidate.toml").write_text("min_ratio = 0.001\n")
    assert judge(project, "candidates", *UNJUDGED).ret == pytest.ExitCode.OK


@pytest.mark.slow
@pytest.mark.together
def test_saved_timings_are_compared_on_intervals(project: pytest.Pytester) -> None:
    add_candidate(project, "lone")

    def timed(*arguments: str) -> pytest.RunResult:
        return judge(project, *UNJUDGED, *arguments)

    missing = timed("candidates", "--compare", "base")
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    assert "--compare base: no such save" in missing.stderr.str() + missing.stdout.str()
    assert timed("candidates", "--save", "base").ret == pytest.ExitCode.OK
    same = timed("candidates", "--compare", "latest", "--max-regress", "90")
    assert same.ret == pytest.ExitCode.OK
    assert "then," in same.stdout.str()
    saved = project.path / "results" / "local" / "saved" / "base.json"
    content = json.loads(saved.read_text())
    for key in ("ratio", "low", "high"):
        content["timings"]["lone"][key] *= 1000
    saved.write_text(json.dumps(content))
    slower = timed("candidates", "--compare", "base", "--max-regress", "5")
    assert slower.ret == pytest.ExitCode.TESTS_FAILED
    assert "regressed by more than 5 %" in slower.stdout.str()
    content["timings"]["lone"]["machine"] = "another"
    saved.write_text(json.dumps(content))
    add_candidate(project, "new", ROWS + "// another\n")
    other = timed("candidates", "--compare", "base", "--max-regress", "5")
    assert other.ret == pytest.ExitCode.TESTS_FAILED
    other.stdout.fnmatch_lines(
        [
            "lone: cannot be compared (machine was another*",
            "new: cannot be compared (not among those of 'base')",
            "--compare base: 2 of 2 timing(s) could not be compared (machine was another*); --max-regress decided "
            "nothing; to allow that: --uncompared allow",
        ]
    )
    allowed = timed("candidates/new", "--compare", "base", "--max-regress", "5", "--uncompared", "allow")
    assert allowed.ret == pytest.ExitCode.OK
    allowed.stdout.fnmatch_lines(["--compare base: 1 of 1 timing(s) could not be compared*decided nothing"])


@pytest.mark.slow
@pytest.mark.together
def test_an_undecided_min_ratio_is_reported(project: pytest.Pytester) -> None:
    """A ratio inside of the interval does not fail."""
    add_candidate(project, "lone")
    judge(project, "candidates", "--verdicts", "v.jsonl", *UNJUDGED)
    line = verdicts(project.path / "v.jsonl")["lone"]
    middle = f"{line['ratio_to_blas']:.4f}"
    again = judge(project, "candidates", "--min-ratio", middle, "--verdicts", "v.jsonl", *UNJUDGED)
    now = verdicts(project.path / "v.jsonl")["lone"]
    assert now["ratio_low"] < float(middle) <= now["ratio_high"]
    assert "neither confirmed nor failed" in again.stdout.str()
    assert again.ret == pytest.ExitCode.OK


@pytest.mark.slow
@pytest.mark.together
def test_a_claim_is_compared_with_todays_measurement(project: pytest.Pytester) -> None:
    claim = "[claim]\nmachine = 'elsewhere'\nratio = 0.5\nratio_low = 0.4\nratio_high = 0.6\n"
    add_candidate(project, "claimed", manifest=claim)
    result = judge(project, "candidates/claimed", *UNJUDGED)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*claimed: claimed 0.500*today*cannot be compared (machine was elsewhere*"])


def test_github_gets_annotations_and_a_summary(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_candidate(project, "diagonal", WRONG)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    result = judge(project, "candidates")
    result.stdout.fnmatch_lines(["::error file=candidates/diagonal/kernel.rs,title=*shapes::wrong at*"])
    assert "| <code>diagonal</code> | Wrong |" in (project.path / "summary.md").read_text()


def test_without_a_toolchain_one_line_says_how_to_get_it(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_candidate(project, "lone")
    empty = project.path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.setenv("HOME", str(empty))
    monkeypatch.setenv("CARGO_HOME", str(empty))
    result = judge(project, "candidates")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str() + result.stdout.str()
    assert "rustup" in text
    assert "Traceback" not in text
    result.assert_outcomes()


FAULTY = """
from harness.compile import tools
from harness.errors import HarnessFaultError
def prepare(say, sandboxed):
    raise HarnessFaultError("building inspector failed: no luck")
tools.prepare = prepare
"""


def test_a_harness_that_cannot_be_built_says_so_in_one_line(project: pytest.Pytester) -> None:
    add_candidate(project, "lone")
    project.makepyfile(faulty=FAULTY)
    result = judge(project, "candidates", "-p", "faulty")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    text = result.stderr.str() + result.stdout.str()
    assert "the harness failed before anything was judged: building inspector failed: no luck" in text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


@pytest.mark.slow
@pytest.mark.together
def test_unsandboxed_results_are_marked(project: pytest.Pytester) -> None:
    add_candidate(project, "lone")
    result = judge(project, "candidates", "--unsandboxed", "--verdicts", "v.jsonl", *SETTLED)
    assert verdicts(project.path / "v.jsonl")["lone"]["sandboxed"] is False
    assert "UNSANDBOXED" in result.stdout.str()
    assert "unsandboxed" in result.stdout.str()


def test_last_failed_and_first_failure_work_as_users_expect(project: pytest.Pytester) -> None:
    add_candidate(project, "a_wrong", WRONG)
    add_candidate(project, "b_good")
    arguments = [argument for argument in QUICK if argument not in ("-p", "no:cacheprovider")]
    stopped = project.runpytest_subprocess(*arguments, "candidates", "-x")
    stopped.assert_outcomes(passed=3, failed=1)
    again = project.runpytest_subprocess(*arguments, "candidates", "--lf")
    again.assert_outcomes(failed=1)


@pytest.mark.slow
@pytest.mark.together
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--suite", "banana"), "'banana' is neither a suite"),
        (("--suite", "banana", "-n", "2"), "'banana' is neither a suite"),
        (("--suite", "99999x99999x99999"), "can be used; choose a smaller shape"),
        (("--baseline", "nowhere.so"), "is not there; name a shared library that exports cblas_sgemm"),
        (("--baseline=pyproject.toml",), "cannot be loaded"),
    ],
)
def test_a_bad_suite_or_baseline_is_reported_before_anything_runs(
    project: pytest.Pytester, arguments: tuple[str, ...], words: str
) -> None:
    add_candidate(project, "lone")
    result = judge(project, "candidates", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert words in text
    assert "Traceback" not in text
    assert "policy" not in text
