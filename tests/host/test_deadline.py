"""The deadline of an order on a machine with more work than cores, with a clock and a worker that are made up."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from harness.judge.worker import deadline, procfs
from harness.judge.worker.deadline import MOST_TIMES, Deadline

LIMIT_S, GLANCE_S = 4.0, 0.05


@dataclass
class Machine:
    """Gives a worker that is ready to run `share` of its core. What schedstat says about a wait, it says afterwards."""

    share: float
    ready: bool = True
    now_s: float = 100.0
    used_ns: float = 0.0

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.used_ns += seconds * self.share * 1e9 if self.ready else 0.0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(1.0)
    monkeypatch.setattr(deadline.time, "monotonic", lambda: made.now_s)
    monkeypatch.setattr(procfs, "is_ready", lambda pid: made.ready)
    return made


def until_late(machine: Machine, stall_s: float = 0.0) -> tuple[float, Deadline]:
    """Seconds until the deadline has passed; in the first of them this process does not run for `stall_s`."""
    found = Deadline(1, LIMIT_S, lambda: int(machine.used_ns))
    began_s = machine.now_s
    found.glance()
    if stall_s:
        machine.pass_s(stall_s)
        found.stalled_s = stall_s
    while found.left_s() > 0:
        machine.pass_s(GLANCE_S)
        found.glance()
    return machine.now_s - began_s, found


def test_a_worker_with_a_core_of_its_own_has_the_limit(machine: Machine) -> None:
    seconds, found = until_late(machine)
    assert seconds == pytest.approx(LIMIT_S, abs=2 * GLANCE_S)
    assert found.starved_s == 0


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_on_a_busy_machine_the_limit_is_of_cpu_time(machine: Machine, share: float) -> None:
    machine.share = share
    seconds, found = until_late(machine)
    assert seconds == pytest.approx(LIMIT_S / share, rel=0.05)
    assert machine.used_ns / 1e9 == pytest.approx(LIMIT_S, rel=0.05)
    assert found.starved_s == 0


def test_a_worker_that_never_gets_a_core_says_nothing_about_the_kernel(machine: Machine) -> None:
    """Forty busy processes: the worker waits in one piece for longer than the limit."""
    machine.share = 0.0
    seconds, found = until_late(machine)
    assert seconds == pytest.approx(MOST_TIMES * LIMIT_S, rel=0.05)
    assert found.starved_s > 0


def test_a_worker_that_sleeps_is_late_at_the_limit(machine: Machine) -> None:
    machine.ready = False
    seconds, found = until_late(machine)
    assert seconds == pytest.approx(LIMIT_S, abs=2 * GLANCE_S)
    assert found.starved_s == 0


def test_threads_on_several_cores_gain_nothing(machine: Machine) -> None:
    machine.share = 2.0
    seconds, _ = until_late(machine)
    assert seconds == pytest.approx(LIMIT_S, abs=2 * GLANCE_S)


def test_time_in_which_this_process_did_not_run_counts_once(machine: Machine) -> None:
    machine.share = 0.0
    machine.ready = False
    seconds, _ = until_late(machine, stall_s=3.0)
    assert seconds == pytest.approx(LIMIT_S + 3.0, abs=2 * GLANCE_S)
