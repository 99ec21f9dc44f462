"""Which candidates a command line names: each is judged once, and each verdict is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.front_door.reporting import distinct
from harness.records import saved_name
from tests.conftest import NAIVE, add_candidate
from tests.report.test_report import verdict_report

# The gate `policy` is enough to see who is judged. The flag replaces the entry point of an installed package: outside
# of the checkout, no conftest.py loads the plugin.
POLICY = (
    "-k",
    "policy",
    "-p",
    "no:cacheprovider",
    "-p",
    "harness.front_door.plugin",
    "--verdicts",
    "v.jsonl",
)
REFUSED = 'include!("x");\n' + NAIVE


def elsewhere(tmp_path: Path, *places: str) -> list[str]:
    """Folders of wrong kernels outside of the checkout; returns their paths."""
    for place in places:
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "kernel.rs").write_text(REFUSED)
    return [str(tmp_path / place) for place in places]


def judged(project: pytest.Pytester, *arguments: str) -> tuple[pytest.RunResult, list[str]]:
    """The result, and the paths in --verdicts."""
    result = project.runpytest_subprocess(*POLICY, *arguments)
    lines = (project.path / "v.jsonl").read_text(encoding="utf-8").splitlines()
    return result, sorted(json.loads(line)["path"] for line in lines)


@pytest.mark.parametrize("configuration", [[], ["-c", "pyproject.toml"], ["-n", "2"]])
def test_candidates_of_one_name_outside_of_the_checkout_have_a_verdict_each(
    project: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory, configuration: list[str]
) -> None:
    folders = elsewhere(tmp_path_factory.mktemp("outside"), "a/x", "b/x", "b/c/x")
    add_candidate(project, "x", REFUSED)
    result, paths = judged(project, *configuration, *folders, "candidates/x")
    result.assert_outcomes(failed=4)
    assert paths == sorted([*folders, "candidates/x"])
    table = result.stdout.str().partition("ratio to BLAS")[2]
    for path in paths:
        assert f"\n  -  {path} " in table
        assert f"replay: pytest {path}\n" in table


def test_a_single_candidate_outside_of_the_checkout_is_shown_by_its_name(
    project: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder,) = elsewhere(tmp_path_factory.mktemp("outside"), "a/x")
    result, paths = judged(project, folder)
    assert paths == [folder]
    result.stdout.fnmatch_lines(["  -  x  *REJECTED: PolicyViolation (policy)"])


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["candidates/x", "candidates/x"], "candidates/x"),
        (["candidates/x/kernel.rs", "candidates/x/kernel.rs"], "candidates/x"),
        (["candidates", "candidates/x", "candidates/../candidates/x/kernel.rs"], "candidates/x"),
        (["link", "candidates/x"], "candidates/x"),
        (["all", "candidates"], "candidates/x"),
        ([], "candidates/x"),
        (["link"], "link"),
        (["--keep-duplicates", "candidates/x", "candidates/x"], "candidates/x"),
    ],
)
def test_a_candidate_named_twice_is_judged_once(
    project: pytest.Pytester, arguments: list[str], path: str
) -> None:
    folder = add_candidate(project, "x", REFUSED)
    (project.path / "link").symlink_to(folder)
    (project.path / "all").symlink_to(folder.parent)
    result, paths = judged(project, *arguments)
    result.assert_outcomes(failed=1)
    assert paths == [path]
    assert ("judged once" in result.stdout.str()) == (
        arguments in ([], ["link", "candidates/x"], ["all", "candidates"])
    )


def test_a_replay_command_can_be_pasted_into_a_shell(project: pytest.Pytester) -> None:
    add_candidate(project, "a b; rm", REFUSED)
    result, _ = judged(project, "candidates")
    result.stdout.fnmatch_lines(["    replay: pytest 'candidates/a b; rm'"])


def test_only_equal_names_are_replaced_by_paths() -> None:
    same, other = verdict_report("x"), verdict_report("y")
    shown = distinct([same, verdict_report("x", 1.0, path="/tmp/x"), other])
    assert [verdict.record.candidate for verdict in shown] == ["candidates/x", "/tmp/x", "y"]


def test_timings_are_saved_under_names_that_differ() -> None:
    assert saved_name("x", "candidates/x") == "x"
    assert saved_name("x", "/tmp/a/x") == "/tmp/a/x"
    assert saved_name("x", "candidates/more/x") == "candidates/more/x"
    assert saved_name("faer", "reference/yardsticks/faer/src") == "faer"
