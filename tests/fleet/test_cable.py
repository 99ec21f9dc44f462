"""A pulled cable, for real: a worker in a network namespace of its own, and its link goes down while it judges.

Needs root and `ip` (Debian: apt install iproute2); skipped elsewhere. About a minute, most of it Ray's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.candidate import Candidate, Manifest
from harness.fleet import dealer as dealers
from harness.fleet.address import ClusterAddress
from harness.fleet.dealer import Dealer
from harness.fleet.judging import facts
from harness.fleet.ticket_log import LOG, TicketLog
from harness.fleet.wire import Conditions
from harness.pipeline import SharedTools
from harness.settings import Profile
from harness.verdict import Accepted, Inconclusive
from tests.conftest import ROWS, shared_tools_in
from tests.fleet.test_cluster import below, command_of, free_port, serving, stopped

# Addresses of the range for tests of networks (RFC 2544), which nobody routes.
HERE, THERE = "198.18.251.1", "198.18.251.2"
# Seconds that a job may take at least, in place of LEAST_LIMIT_S; three times the median counts here, too.
LEAST_S = 15.0
# Seconds within which the dealer notices that a limit is over: it may be waiting for an answer of the head.
LATE_S = 15.0


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Cable:
    """A namespace and the two ends of a pair of devices; `near` is the end on this side."""

    space: str
    near: str

    def pull(self) -> None:
        ip("link", "set", self.near, "down")


@pytest.fixture
def cable() -> Iterator[Cable]:
    """The link between this machine's network and a namespace."""
    if not shutil.which("ip") or os.geteuid() != 0:
        pytest.skip("a network namespace needs root and iproute2")
    made = Cable(f"roundtable-{os.getpid()}", f"rt{os.getpid()}a")
    far = f"rt{os.getpid()}b"
    try:
        ip("netns", "add", made.space)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces are not allowed here: {error.stderr.strip()}")
    try:
        ip("link", "add", made.near, "type", "veth", "peer", "name", far, "netns", made.space)
        ip("addr", "add", f"{HERE}/30", "dev", made.near)
        ip("link", "set", made.near, "up")
        inside = ("-n", made.space)
        ip(*inside, "addr", "add", f"{THERE}/30", "dev", far)
        ip(*inside, "link", "set", far, "up")
        ip(*inside, "link", "set", "lo", "up")
        yield made
    finally:
        # With its last process gone, a namespace takes its devices along.
        ip("netns", "del", made.space)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(find_spec("ray") is None, reason="needs: pip install 'matmul-round-table[fleet]'")
def test_a_pulled_cable_is_noticed_and_its_job_is_judged_by_another_machine(
    cable: Cable, cluster_token: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.fleet.ray_port import RayWorkers

    monkeypatch.setattr(dealers, "LEAST_LIMIT_S", LEAST_S)
    shared: SharedTools = shared_tools_in(
        tmp_path / "here", suite="64x64x64", profile=Profile.QUICK, clock_budget_s=1.0
    )
    here, token = facts(shared), cluster_token
    port, client = free_port(), free_port()
    common = ("--token", str(token))
    ports = ("--port", str(port), "--client-port", str(client))
    head = serving("then:", "head", *ports, *common, "--address", HERE)
    inside = ("ip", "netns", "exec", cable.space)
    started = [head]
    try:
        there = serving("joined", f"{HERE}:{port}", *common, "--address", THERE, before=inside)
        started.append(there)
        said: list[tuple[float, str]] = []
        workers = RayWorkers(ClusterAddress(HERE, client), token, here, print)
        assert len(workers.machines()) == 2
        log = TicketLog(tmp_path, here.version)
        dealer = Dealer(
            workers,
            shared.machine,
            Conditions.of(shared.settings),
            log,
            lambda line: said.append((time.monotonic(), line)),
        )
        first = Candidate("first", tmp_path, ROWS, Manifest())
        kernels = [replace(first, name=f"k{n}", source=f"{ROWS}// {n}") for n in range(5)]
        try:
            # One for each worker, from which it gets its limit.
            dealer.deal(kernels[:2])
            for one in kernels[:2]:
                dealer.outcomes(one.name)
            dealer.deal(kernels[2:])
            _until_judging(there, dealer)
            limit_s = max(dealer._limit_s(worker) for worker in dealer._seconds)
            pulled_s = time.monotonic()
            cable.pull()
            found = {one.name: dealer.outcomes(one.name) for one in kernels}
        finally:
            dealer.close()
    finally:
        stopped(started)
    lost = [(at - pulled_s, line) for at, line in said if "it is judged again" in line]
    assert lost, said
    print(
        f"noticed {lost[0][0]:.0f} s after the cable was pulled; the limit was {limit_s:.0f} s: {lost[0][1]}"
    )
    assert 0 < lost[0][0] < limit_s + LATE_S, "noticed too late"
    for outcomes in found.values():
        (outcome,) = outcomes.values()
        assert isinstance(outcome.decoded, Accepted | Inconclusive)
        assert outcome.seconds > 0, "it was not judged: " + str(outcome.decoded)
    assert (tmp_path / LOG).read_text().count('"what": "outcome"') == len(kernels)


def _until_judging(worker: subprocess.Popen[str], dealer: Dealer) -> None:
    deadline = time.monotonic() + 60
    while not any("roundtable-host" in command_of(pid) for pid in below(worker.pid)):
        assert time.monotonic() < deadline, "nothing is judged on the worker"
        time.sleep(0.05)
        dealer._step()
