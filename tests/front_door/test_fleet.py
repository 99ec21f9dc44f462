"""`pytest --generate N --workers ADDRESS` as users call it: processes of this machine, a kill, a resumed run."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.candidate import load
from harness.fleet import token_file
from tests.front_door.test_generate import QUICK, lines_of, start, wait_for

WORKERS = f"local:{min(2, len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 1)}"


def log_of(project: pytest.Pytester) -> Path:
    (log,) = (project.path / "results" / "local").glob("*/fleet.jsonl")
    return log


@pytest.mark.slow
def test_a_generation_is_judged_side_by_side_and_timed_one_at_a_time(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess(
        *QUICK,
        "--generate",
        "2",
        "--population",
        "2",
        "--seed",
        "7",
        "--workers",
        WORKERS,
        "--verdicts",
        "v.jsonl",
    )
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=28)
    result.stdout.fnmatch_lines(["workers: * process(es) judge correctness side by side; one clock"])
    folders = sorted((project.path / "candidates").glob("gen-*"))
    assert [load(one).manifest.generation for one in folders] == [1, 1, 2, 2]
    assert len({load(one).source for one in folders}) == 4
    assert [line["verdict"] for line in lines_of(project.path / "v.jsonl")] == ["Accepted"] * 4
    parents = {load(one).manifest.parent for one in folders[2:]}
    assert parents & {one.name for one in folders[:2]}, "the second generation builds on the first"
    entries = lines_of(log_of(project))
    assert [entry["what"] for entry in entries].count("outcome") == 4
    assert {entry["key"][2] for entry in entries} == {"correctness"}
    # Every ticket is on disk before its outcome, and the same seed gives the same kernels in any order of arrival.
    first = {entry["ticket"] for entry in entries if entry["what"] == "ticket"}
    assert {entry["outcome"]["ticket"] for entry in entries if entry["what"] == "outcome"} <= first


@pytest.mark.slow
def test_after_a_kill_the_run_goes_on_with_what_the_workers_had_found(project: pytest.Pytester) -> None:
    arguments = ("--generate", "1", "--population", "3", "--seed", "9", "--workers", WORKERS)
    process = start(project, *arguments)
    try:
        wait_for(lambda: list(project.path.glob("results/local/*/fleet.jsonl")), "log")
        wait_for(lambda: '"what": "outcome"' in log_of(project).read_text(), "outcome")
        os.killpg(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    before = [entry["key"][0] for entry in lines_of(log_of(project)) if entry["what"] == "outcome"]
    result = project.runpytest_subprocess(*QUICK, *arguments, "--resume")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=21)
    outcomes = [entry["key"][0] for entry in lines_of(log_of(project)) if entry["what"] == "outcome"]
    assert len(outcomes) == len(set(outcomes)) == 3, "no correctness was judged twice"
    assert before == outcomes[: len(before)]


def test_an_address_without_a_cluster_is_one_line(project: pytest.Pytester, tmp_path: Path) -> None:
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'matmul-round-table[fleet]'")
    token = token_file.make(tmp_path / "token")
    result = project.runpytest_subprocess(
        "--generate", "1", "--workers", "ray://127.0.0.1:1", "--fleet-token", str(token)
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str() + result.stdout.str()
    assert "nobody answers there (Connection refused)" in text
    assert "Traceback" not in text
