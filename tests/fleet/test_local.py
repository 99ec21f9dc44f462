"""Judging processes of this machine: real jobs, deaths, cancellation, and nobody left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.candidate import Candidate, Manifest
from harness.errors import HarnessFaultError
from harness.fleet.inspections import adopted
from harness.fleet.judging import facts
from harness.fleet.local import LocalWorkers
from harness.fleet.port import Arrived, Lost, Report
from harness.fleet.wire import Conditions, Job, JobStage, WorkerFacts
from harness.pipeline import SharedTools
from harness.settings import Profile
from harness.verdict import Gate, Inconclusive, Wrong
from tests.conftest import ROOT, ROWS, WRONG, shared_tools_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SharedTools:
    return shared_tools_in(tmp_path_factory.mktemp("here"), suite="64x64x64", profile=Profile.QUICK)


@pytest.fixture(scope="module")
def here(shared: SharedTools) -> WorkerFacts:
    return facts(shared)


@pytest.fixture(scope="module")
def port(here: WorkerFacts) -> Iterator[LocalWorkers]:
    opened = LocalWorkers(min(2, os.cpu_count() or 1), here, print)
    yield opened
    opened.close()


def job(shared: SharedTools, source: str, ticket: str) -> Job:
    return Job(
        ticket=ticket,
        candidate="kernel",
        source=source,
        manifest={},
        stage=JobStage.CORRECTNESS,
        conditions=Conditions.of(shared.settings),
        attempt=1,
        fingerprint=shared.machine.fingerprint,
    )


def next_report(port: LocalWorkers, limit_s: float = 120) -> Report:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if found := port.done(1.0):
            assert len(found) == 1
            return found[0]
    raise AssertionError(f"no report within {limit_s} s")


def test_processes_judge_right_and_wrong_kernels_and_the_session_goes_on_from_there(
    port: LocalWorkers, shared: SharedTools, tmp_path: Path
) -> None:
    worker = port.machines()[-1].id
    port.submit(job(shared, ROWS, "right"), worker)
    right = next_report(port)
    assert isinstance(right, Arrived)
    assert right.outcome.verdict is None
    assert [one.gate for one in right.outcome.passed] == list(Gate)[:-1]
    candidate = Candidate("kernel", tmp_path, ROWS, Manifest())
    inspection = adopted(candidate, shared, right.outcome)
    assert list(inspection.passed) == list(Gate)[:-1]
    assert inspection.passed[Gate.VALUES].notes["calls"] == right.outcome.passed[4].notes["calls"]
    assert inspection.rejection is None
    assert inspection.library is not None, "the clock needs the library"

    port.submit(job(shared, WRONG, "wrong"), worker)
    wrong = next_report(port)
    assert isinstance(wrong, Arrived)
    found = adopted(replace(candidate, source=WRONG), shared, wrong.outcome)
    assert isinstance(found.verdict, Wrong)
    assert found.case is not None
    assert found.case.startswith(str(found.verdict.at.shape))


def test_what_a_worker_did_not_decide_is_judged_here_from_the_beginning(
    shared: SharedTools, tmp_path: Path
) -> None:
    from harness.fleet.wire import unfinished

    outcome = unfinished(job(shared, ROWS, "t"), "its worker is gone")
    assert isinstance(outcome.decoded, Inconclusive)
    inspection = adopted(Candidate("kernel", tmp_path, ROWS, Manifest()), shared, outcome)
    assert inspection.verdict is None
    assert not inspection.passed


def test_a_killed_process_loses_its_job_and_is_replaced(port: LocalWorkers, shared: SharedTools) -> None:
    worker = port.machines()[0].id
    port.submit(job(shared, ROWS + "// killed", "killed"), worker)
    process = next(one for one in port._alive if one.id == worker)
    os.kill(process.popen.pid, signal.SIGKILL)
    report = next_report(port, 20)
    assert isinstance(report, Lost)
    assert report.ticket == "killed"
    deadline = time.monotonic() + 60
    while worker in (ids := {one.id for one in port.machines()}) or len(ids) < len(port._alive):
        assert time.monotonic() < deadline, "no new process"
        time.sleep(0.1)


def test_a_cancelled_job_ends_with_its_process(port: LocalWorkers, shared: SharedTools) -> None:
    deadline = time.monotonic() + 60
    while not port.machines():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    worker = port.machines()[0].id
    port.submit(job(shared, ROWS + "// cancelled", "cancelled"), worker)
    pid = next(one for one in port._alive if one.id == worker).popen.pid
    port.cancel("cancelled")
    assert not Path(f"/proc/{pid}").exists()
    assert port.done(0.5) == []


def test_a_worker_of_another_version_is_told_and_left_out(here: WorkerFacts) -> None:
    said: list[str] = []
    other = here.model_copy(update={"version": "ffffffffffff"})
    with pytest.raises(HarnessFaultError, match="do not start"):
        LocalWorkers(1, other, said.append)
    assert any("version" in line for line in said)


def test_a_process_ends_with_the_session_that_started_it() -> None:
    """Its input ends with the session, also when that is killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.fleet", "judge"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert b'"version"' in process.stdout.readline()
    process.stdin.close()
    assert process.wait(10) == 0


def test_a_line_that_is_no_job_ends_the_process_with_a_reason() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness.fleet", "judge"],
        input="{}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode in (0, 3), "the end of the input may be noticed first"
    assert "Traceback" not in done.stderr


def test_judges_of_one_machine_share_its_cores_and_see_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import machine
    from harness.fleet.judging import JobJudge

    eight = replace(machine.read(), cores=tuple(range(8)))
    monkeypatch.setattr(machine, "read", lambda: eight)
    judges = [JobJudge(lambda line: None, place=place, places=2) for place in (0, 1)]
    assert [judge._share for judge in judges] == [4, 4]
    # A kernel of one thread is pinned to the last core, oracles beside it to those before.
    pinned = [set(judge._machine.cores[-judge._share :]) for judge in judges]
    assert pinned == [{4, 5, 6, 7}, {0, 1, 2, 3}]
    assert all(set(judge._machine.cores) == set(range(8)) for judge in judges)
    assert {judge._machine.fingerprint for judge in judges} == {eight.fingerprint}
