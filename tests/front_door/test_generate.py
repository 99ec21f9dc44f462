"""`pytest --generate N` as users call it: evolve, judge, remember, resume; interrupted, contended, disk not
writable.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.candidate import load
from tests.front_door.test_gate import SETTLED, SHORT_CONTROL, TRUSTED, UNJUDGED

# Whole sessions, or timings.
pytestmark = pytest.mark.slow

QUICK = (
    "--suite",
    "64x64x64",
    # A duel of the two best kernels gets six times the budget.
    "--clock-budget",
    "0.5",
    "--profile",
    "quick",
    "-p",
    "no:cacheprovider",
    *SHORT_CONTROL,
    "--shortlist",
    "1",
)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def start(project: pytest.Pytester, *arguments: str) -> subprocess.Popen[str]:
    # Shells start background processes with SIGINT ignored, and children inherit that: restore the default.
    restore = "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-c", restore + "sys.exit(pytest.main())", *QUICK, *arguments]
    return subprocess.Popen(
        command,
        cwd=project.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Any, what: str, limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {limit_s} s"
        time.sleep(0.05)


def hosts_below(session: int) -> list[int]:
    """Living processes of this session (workers have sessions of their own; their parent is in ours)."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and (int(fields[3]) == session or int(fields[1]) == session):
            found.append(int(entry.name))
    return found


@pytest.mark.together
def test_a_run_for_safe_rust_leaves_a_safe_kernel_and_runs_no_test_of_the_project(
    project: pytest.Pytester,
) -> None:
    (project.path / "tests").mkdir()
    (project.path / "tests" / "test_own.py").write_text("def test_own():\n    raise SystemExit('ran')\n")
    result = project.runpytest_subprocess(*QUICK, *SETTLED, "--generate", "1", "--tier", "safe")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=7)
    (folder,) = (project.path / "candidates").glob("gen-*")
    assert load(folder).manifest.tier == "safe"
    assert "unsafe" not in (folder / "kernel.rs").read_text(encoding="utf-8")


def test_two_generations_leave_candidates_verdicts_a_table_and_a_memory_to_go_on_from(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every plugin that is installed, as users have them."""
    monkeypatch.delenv("PYTEST_ADDOPTS")
    result = project.runpytest_subprocess(*QUICK, "--generate", "2", "--verdicts", "v.jsonl", "--seed", "7")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=14)
    folders = sorted((project.path / "candidates").glob("gen-*"))
    assert len(folders) == 2
    first, second = (load(folder) for folder in folders)
    assert (first.manifest.generation, second.manifest.generation) == (1, 2)
    assert first.source != second.source
    assert [line["verdict"] for line in lines_of(project.path / "v.jsonl")] == ["Accepted", "Accepted"]
    result.stdout.fnmatch_lines(["*#*run*ratio to BLAS*verdict*"])
    page = (project.path / "results" / "local" / "report.html").read_text()
    bars = page.partition('id="bars"')[2].partition("</section>")[0]
    assert page.count('<details class="kernel"') == bars.count('<g class="mark') == 2
    assert all(folder.name in page for folder in folders)
    result.stdout.fnmatch_lines(
        [
            "round table: builtin proposes 2 kernels, each is judged and timed against BLAS; *",
            "page: results/local/report.html",
            "next: pytest candidates/gen-*    # Judge the best kernel again",
            "next: python -m harness.export candidates/gen-* --to FOLDER    # Take it home as a crate",
            "next: pytest --generate 4 *    # Evolve further from what is remembered",
        ]
    )

    again = project.runpytest_subprocess(*QUICK, "--generate", "1", "--seed", "8")
    assert again.ret == pytest.ExitCode.OK
    newest = next(f for f in (project.path / "candidates").glob("gen-*") if f not in folders)
    manifest = load(newest).manifest
    assert {manifest.parent, *manifest.parents} & {folder.name for folder in folders}, (
        "nothing was remembered"
    )
    assert load(newest).source not in (first.source, second.source)
    # Reproducing an evolved candidate runs the same gates.
    single = project.runpytest_subprocess(*QUICK, f"candidates/{newest.name}")
    assert single.ret == pytest.ExitCode.OK


@pytest.mark.slow
def test_a_shortlist_is_timed_in_the_sandbox_and_its_fastest_is_judged(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess(*QUICK[:-1], "3", "--generate", "2", "--seed", "7", *TRUSTED)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    told = r"proposer: generation {}, proposal 1: 3 schedules timed briefly in *s: *, *, *"
    result.stdout.fnmatch_lines([told.format(1), told.format(2)])
    (run,) = (project.path / "results" / "local").glob("*/journal.jsonl")
    contents = [line["message"]["content"] for line in lines_of(run) if "message" in line]
    screened = [content["screened"] for content in contents if content["kind"] == "proposed"]
    assert [len(found) for found in screened] == [2, 2]
    assert all(0.05 < one["ratio"] < 20 for found in screened for one in found)
    assert len(list((project.path / "candidates").glob("gen-*"))) == 2


@pytest.mark.slow
def test_elongated_shapes_are_tuned_region_by_region_in_one_kernel(project: pytest.Pytester) -> None:
    suite = ("--suite", "8x1024x1024,1024x8x1024,256x256x256")
    arguments = (*suite, "--shortlist", "2", "--generate", "2", "--seed", "7", *TRUSTED)
    result = project.runpytest_subprocess(*QUICK, *arguments)
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    (run,) = (project.path / "results" / "local").glob("*/journal.jsonl")
    contents = [line["message"]["content"] for line in lines_of(run) if "message" in line]
    screened = [one for content in contents if content["kind"] == "proposed" for one in content["screened"]]
    assert [one["shapes"] for one in screened] == [["8x1024x1024"], ["1024x8x1024"]]
    for folder in (project.path / "candidates").glob("gen-*"):
        source = (folder / "kernel.rs").read_text(encoding="utf-8")
        assert all(f"mod {path} {{" in source for path in ("few_rows", "shallow", "general"))
        schedule = (load(folder).manifest.proposal or {})["schedule"]
        assert [path["region"] for path in schedule["paths"]] == ["few_rows", "shallow"]
    page = (project.path / "results" / "local" / "report.html").read_text()
    assert "few_rows" in page
    again = project.runpytest_subprocess(
        *QUICK, *suite, "--replay", str(run.parent / "transcript.jsonl"), *TRUSTED
    )
    assert again.ret == pytest.ExitCode.OK, again.stdout.str()


@pytest.mark.together
def test_the_same_seed_from_an_empty_memory_writes_the_same_first_kernel(project: pytest.Pytester) -> None:
    sources = []
    for memory in ("one", "two"):
        before = set((project.path / "candidates").glob("gen-*"))
        arguments = ("--generate", "1", "--seed", "3", "--memory", memory)
        result = project.runpytest_subprocess(*QUICK, *UNJUDGED, *arguments)
        assert result.ret == pytest.ExitCode.OK
        new = set((project.path / "candidates").glob("gen-*")) - before
        sources.append(load(new.pop()).source)
    strip = ["\n".join(line for line in source.splitlines() if "gen-" not in line) for source in sources]
    assert strip[0] == strip[1]


@pytest.mark.together
def test_ctrl_c_before_the_first_verdict_leaves_a_page_of_the_run(project: pytest.Pytester) -> None:
    process = start(project, "--generate", "2", "--seed", "5")
    candidates = project.path / "candidates"
    try:
        wait_for(lambda: any(candidates.glob("gen-*/kernel.rs")), "candidate")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "Traceback" not in output
    assert "not finished" in (project.path / "results" / "local" / "report.html").read_text()


@pytest.mark.together
def test_ctrl_c_loses_nothing_and_resume_continues(project: pytest.Pytester) -> None:
    process = start(project, "--generate", "3", "--seed", "5", *SETTLED)
    records = project.path / "results" / "local" / "records"
    try:
        wait_for(lambda: records.exists() and any(records.iterdir()), "verdict")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "Traceback" not in output
    assert "to go on: pytest --generate 3 --resume" in output
    wait_for(lambda: not hosts_below(process.pid), "end of all workers", 60)
    page = project.path / "results" / "local" / "report.html"
    assert "not finished" in page.read_text()
    done = sorted((project.path / "candidates").glob("gen-*"))
    assert 1 <= len(done) <= 3
    resumed = project.runpytest_subprocess(*QUICK, *UNJUDGED, "--generate", "3", "--resume")
    assert resumed.ret == pytest.ExitCode.OK
    assert "continuing run" in resumed.stdout.str()
    folders = sorted((project.path / "candidates").glob("gen-*"))
    assert len(folders) == 3
    assert {f.name.rpartition("-")[0] for f in folders} == {done[0].name.rpartition("-")[0]}
    assert page.read_text().count('<details class="kernel"') == 3, "the kernels before the interruption, too"


@pytest.mark.together
def test_a_second_ctrl_c_ends_at_once_without_a_traceback(project: pytest.Pytester) -> None:
    process = start(project, "--generate", "3")
    try:
        wait_for(lambda: list((project.path / "candidates").glob("gen-*")), "candidate")
        for _ in range(40):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
            if process.poll() is not None:
                break
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "Traceback" not in output
    wait_for(lambda: not hosts_below(process.pid), "end of all workers", 60)


@pytest.mark.together
def test_a_killed_run_leaves_no_process_and_the_next_one_works(project: pytest.Pytester) -> None:
    process = start(project, "--generate", "3")
    wait_for(lambda: list((project.path / "candidates").glob("gen-*")), "candidate")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    wait_for(lambda: not hosts_below(process.pid), "end of all workers", 60)
    for folder in (project.path / "candidates").glob("gen-*"):
        assert load(folder).source
    after = project.runpytest_subprocess(*QUICK, *UNJUDGED, "--generate", "1")
    assert after.ret == pytest.ExitCode.OK


@pytest.mark.together
def test_a_second_run_at_the_same_time_is_refused(project: pytest.Pytester) -> None:
    process = start(project, "--generate", "2")
    try:
        wait_for(lambda: list((project.path / "candidates").glob("gen-*")), "candidate")
        second = project.runpytest_subprocess(*QUICK, "--generate", "1")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert second.ret == pytest.ExitCode.USAGE_ERROR
    text = second.stdout.str() + second.stderr.str()
    assert "another pytest --generate is running" in text
    assert "Traceback" not in text


@pytest.mark.together
def test_an_unwritable_results_folder_is_one_clear_line(project: pytest.Pytester) -> None:
    (project.path / "results").write_text("a file where a folder should be")
    result = project.runpytest_subprocess(*QUICK, "--generate", "1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert "results" in text
    assert "Traceback" not in text
    assert not list((project.path / "candidates").glob("gen-*"))
