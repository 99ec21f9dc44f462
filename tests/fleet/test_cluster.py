"""A real cluster on this machine: a head and two workers in processes, one of them declared narrower; one is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness import machine
from harness.candidate import Candidate, Manifest
from harness.errors import UserError
from harness.fleet import token_file
from harness.fleet.address import ClusterAddress
from harness.fleet.dealer import Dealer
from harness.fleet.judging import facts, narrowed
from harness.fleet.port import Lost
from harness.fleet.ticket_log import LOG, TicketLog
from harness.fleet.wire import Conditions, Job, JobStage, WorkerFacts
from harness.pipeline import SharedTools
from harness.schedule.render import render
from harness.schedule.space import space
from harness.settings import Profile
from harness.verdict import Accepted, Gate, Inconclusive
from tests.conftest import ROOT, ROWS, WRONG, shared_tools_in
from tests.operation.kernels import SAFE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(find_spec("ray") is None, reason="needs: pip install 'matmul-round-table[fleet]'"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.skipif(machine.read().vector == "portable", reason="there is no narrower vector unit"),
]
START_S = 120.0


@dataclass
class Cluster:
    where: ClusterAddress
    token: Path
    head: subprocess.Popen[str]
    workers: list[subprocess.Popen[str]]


def free_port() -> int:
    """A free port outside of those that Ray gives to its own processes."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = int(server.getsockname()[1])
        if not 10002 <= port < 20000:
            return port


def serving(until: str, *arguments: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """`python -m harness.fleet serve` once it has said `until`; `before` are words before the command."""
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "harness.fleet", "serve", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if until in line:
            return process
    raise AssertionError(f"serve ended: {''.join(said)}")


def stopped(processes: Sequence[subprocess.Popen[str]]) -> None:
    """End what `serving` started, the last one first."""
    for process in reversed(processes):
        process.terminate()
    for process in processes:
        process.communicate(timeout=30)


def below(pid: int) -> set[int]:
    """The living descendants of a process."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents.setdefault(int(parent), []).append(int(entry.name))
    found: set[int] = set()
    open_ = [pid]
    while open_:
        children = parents.get(open_.pop(), [])
        found |= set(children)
        open_ += children
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def cluster(cluster_token: Path) -> Iterator[Cluster]:
    token = cluster_token
    port, client = free_port(), free_port()
    common = ("--token", str(token))
    ports = ("--port", str(port), "--client-port", str(client))
    started = [serving("then:", "head", *ports, *common, "--vector", "portable")]
    try:
        started += [serving("joined", f"127.0.0.1:{port}", *common) for _ in range(2)]
        yield Cluster(ClusterAddress("127.0.0.1", client), token, started[0], started[1:])
        everything = set().union(*(below(one.pid) for one in started))
    finally:
        stopped(started)
    deadline = time.monotonic() + 10
    while left := [pid for pid in everything if is_alive(pid)]:
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SharedTools:
    return shared_tools_in(
        tmp_path_factory.mktemp("here"), suite="64x64x64", profile=Profile.QUICK, clock_budget_s=1.0
    )


@pytest.fixture(scope="module")
def here(shared: SharedTools) -> WorkerFacts:
    return facts(shared)


def test_a_wrong_token_is_one_line_within_seconds(
    cluster: Cluster, here: WorkerFacts, tmp_path: Path
) -> None:
    """In a process of its own, because a process has one connection of Ray at a time, also when it failed."""
    other = token_file.make(tmp_path / "other")
    code = (
        "from pathlib import Path; from harness.fleet.wire import *; from harness.fleet.address import *;"
        "from harness.fleet.ray_port import RayWorkers; from harness.errors import UserError\n"
        "import sys, time, os\n"
        "began = time.monotonic()\n"
        "here = read(WorkerFacts, sys.argv[3])\n"
        "try: RayWorkers(ClusterAddress('127.0.0.1', int(sys.argv[1])), Path(sys.argv[2]), here, print)\n"
        "except UserError as error: print(f'{time.monotonic() - began:.1f} {error}', flush=True)\n"
        "os._exit(0)"
    )
    from harness.fleet import wire

    done = subprocess.run(
        [sys.executable, "-c", code, str(cluster.where.port), str(other), wire.write(here)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    seconds, _, line = done.stdout.strip().partition(" ")
    assert "the head does not let this session in: compare the token files" in line, done.stdout + done.stderr
    # Eight seconds on a quiet machine; Ray's own limit would be thirty for each of three attempts.
    assert float(seconds) < 45


def test_a_worker_of_another_version_is_told_and_left_out(cluster: Cluster, here: WorkerFacts) -> None:
    from harness.fleet.ray_port import RayWorkers

    said: list[str] = []
    with pytest.raises(UserError, match="no machine of this cluster can judge for this session"):
        RayWorkers(
            cluster.where, cluster.token, here.model_copy(update={"version": "ffffffffffff"}), said.append
        )
    assert sum("is left out: it has version" in line for line in said) == 3


def test_kernels_of_sgemm_are_judged_and_timed_in_layouts_on_every_kind_of_machine(
    cluster: Cluster, shared: SharedTools, here: WorkerFacts, tmp_path: Path
) -> None:
    from harness.fleet.ray_port import RayWorkers

    port = RayWorkers(cluster.where, cluster.token, here, print)
    settings = replace(shared.settings, suite="48x48x48:nt,40x48x56:tn+*0.5/41/60/64")
    log = TicketLog(tmp_path, here.version)
    dealer = Dealer(port, shared.machine, Conditions.of(settings), log, print)
    manifest = Manifest.model_validate({"operation": "sgemm", "tier": "safe"})
    right = Candidate("right", tmp_path, SAFE, manifest)
    assert "sum + beta * *at" in SAFE
    wrong = replace(right, name="wrong", source=SAFE.replace("sum + beta * *at", "sum + *at"))
    try:
        dealer.deal([right, wrong])
        found = {one.name: dealer.outcomes(one.name) for one in (right, wrong)}
    finally:
        dealer.close()
    kinds = [shared.machine.fingerprint, narrowed(shared.machine, "portable").fingerprint]
    assert list(found["right"]) == list(found["wrong"]) == kinds
    for outcome in found["right"].values():
        verdict = outcome.decoded
        assert isinstance(verdict, Accepted) or (
            isinstance(verdict, Inconclusive) and verdict.at.gate is Gate.CLOCK
        ), verdict
        if isinstance(verdict, Accepted):
            assert [str(one.shape) for one in verdict.score.per_shape] == settings.suite.split(",")
    assert {type(one.decoded).__name__ for one in found["wrong"].values()} == {"Wrong"}


def test_a_killed_node_loses_nothing_and_every_kind_of_machine_judges(
    cluster: Cluster, shared: SharedTools, here: WorkerFacts, tmp_path: Path
) -> None:
    from harness.fleet.ray_port import RayWorkers

    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        print(line)

    port = RayWorkers(cluster.where, cluster.token, here, say)
    narrow = narrowed(shared.machine, "portable")
    workers = port.machines()
    assert sorted(one.kind for one in workers) == sorted(
        [narrow.fingerprint] + 2 * [shared.machine.fingerprint]
    )
    log = TicketLog(tmp_path, here.version)
    dealer = Dealer(port, shared.machine, Conditions.of(shared.settings), log, say)
    fast = render(space(shared.machine, 1, family="packed").base, "portable")
    kernel = Candidate("right", tmp_path, fast, Manifest())
    kernels = [
        kernel,
        replace(kernel, name="wrong", source=WRONG),
        replace(kernel, name="second", source=f"{fast}// second"),
    ]
    try:
        dealer.deal(kernels)
        deadline = time.monotonic() + START_S
        victim = cluster.workers[1]
        family = below(victim.pid)
        # One of the two equal workers is killed as soon as its judge has a kernel's process.
        while not any("roundtable-host" in command_of(pid) for pid in family):
            assert time.monotonic() < deadline, "nothing is judged on the worker"
            time.sleep(0.05)
            family = below(victim.pid)
            dealer._step()
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        found = {one.name: dealer.outcomes(one.name) for one in kernels}
    finally:
        dealer.close()
    for name in ("right", "second"):
        assert list(found[name]) == [shared.machine.fingerprint, narrow.fingerprint]
        decoded = [one.decoded for one in found[name].values()]
        assert all(isinstance(one, Accepted | Inconclusive) for one in decoded), decoded
    assert {type(one.decoded).__name__ for one in found["wrong"].values()} == {"Wrong"}
    assert any("is lost" in line or "judged again" in line for line in said), said
    assert not [pid for pid in family if is_alive(pid)], "a kernel survived its node"
    assert (tmp_path / LOG).read_text().count('"what": "outcome"') == 6


def test_without_the_head_no_worker_is_left_and_jobs_are_reported_as_lost(
    cluster: Cluster, here: WorkerFacts, shared: SharedTools
) -> None:
    from harness.fleet.ray_port import RayWorkers

    port = RayWorkers(cluster.where, cluster.token, here, print)
    worker = port.machines()[0]
    job = Job(
        ticket="t",
        candidate="kernel",
        source=ROWS,
        manifest={},
        stage=JobStage.WHOLE,
        conditions=Conditions.of(shared.settings),
        attempt=1,
        fingerprint=worker.kind,
    )
    port.submit(job, worker.id)
    for pid in below(cluster.head.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + START_S
    reports = port.done(1.0)
    while port.machines() or not reports:
        assert time.monotonic() < deadline, "the loss of the head goes unnoticed"
        reports += port.done(1.0)
    assert [(type(one), one.ticket) for one in reports] == [(Lost, "t")]
    port.close()


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
