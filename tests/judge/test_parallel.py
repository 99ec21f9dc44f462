"""Oracles that run side by side: the verdict is that of running them one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from harness.errors import HarnessFaultError
from harness.judge.examination import Examination
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles.oracle import Oracle
from harness.judge.parallel import first_objection
from harness.judge.search import FailedCheck
from harness.judge.strategies import no_fixed_shapes
from harness.judge.worker.calls import Ran, Slot
from harness.shapes import Shape
from harness.verdict import At, Crash, Gate, Rejection
from tests.judge.fakes import FakeWorker, examination_around, examination_for, honest, launching

SHAPE = Shape(4, 4, 4)


def oracle(name: str) -> Oracle:
    return Oracle(name, Gate.VALUES, lambda runner, shape, seed: None, no_fixed_shapes)


def failed(name: str) -> FailedCheck:
    return FailedCheck(SHAPE, 0, Crash(11, At(Gate.VALUES, SHAPE, 0), name))


def two_runners() -> Examination:
    return examination_for(honest, other_launches=[launching(lambda: honest)])


def test_all_oracles_run_once_and_their_counts_are_added() -> None:
    names = [f"oracle-{number}" for number in range(12)]
    ran: list[str] = []

    def first_failure(runner: KernelRunner, oracle: Oracle) -> None:
        runner.product(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32), seed=0)
        runner.checks += 1
        ran.append(oracle.name)

    with KernelRunner(two_runners(), Gate.VALUES) as runner:
        assert first_objection(runner, [oracle(name) for name in names], first_failure) is None
        assert (runner.checks, runner.calls) == (12, 12)
    assert sorted(ran) == sorted(names)


def test_the_first_oracle_in_order_counts_although_a_later_one_objects_sooner() -> None:
    later_has_objected = threading.Event()

    def first_failure(runner: KernelRunner, oracle: Oracle) -> FailedCheck:
        if oracle.name == "second":
            later_has_objected.set()
        else:
            assert later_has_objected.wait(10)
        return failed(oracle.name)

    with KernelRunner(two_runners(), Gate.VALUES) as runner:
        found = first_objection(runner, [oracle("first"), oracle("second")], first_failure)
    assert found is not None
    assert found[0].name == "first"


class Endless(FakeWorker):
    """A call lasts until the worker is killed."""

    def run(self, slots: Sequence[Slot], *, at: At, limit_s: float, **_: object) -> Ran | Rejection:
        assert self.killed.wait(10), "not killed"
        return Crash(9, at, "killed")


@contextmanager
def endless(_: Sequence[Shape]) -> Iterator[FakeWorker]:
    yield Endless(honest)


def while_a_later_call_is_endless(runner: KernelRunner, oracle: Oracle, begun: threading.Event) -> None:
    """Returns for the early oracle, once the late one is in the middle of its call."""
    if oracle.name == "late":
        begun.set()
        one = np.ones((4, 4), np.float32)
        runner.product(one, one, 0)
        pytest.fail("the endless call returned")
    assert begun.wait(10)


EARLY_AND_LATE = [oracle("early"), oracle("late")]


def test_a_call_that_no_longer_matters_is_abandoned() -> None:
    begun = threading.Event()

    def first_failure(runner: KernelRunner, oracle: Oracle) -> FailedCheck:
        while_a_later_call_is_endless(runner, oracle, begun)
        return failed(oracle.name)

    with KernelRunner(examination_around(endless, other_launches=[endless]), Gate.VALUES) as runner:
        found = first_objection(runner, EARLY_AND_LATE, first_failure)
        assert not runner.abandoned
    assert found is not None
    assert found[0].name == "early"


def test_an_abandoned_oracle_may_still_come_to_its_end() -> None:
    begun = threading.Event()

    def first_failure(runner: KernelRunner, oracle: Oracle) -> FailedCheck:
        if oracle.name == "late":
            begun.set()
            while not runner.abandoned:
                time.sleep(0.001)
        assert begun.wait(10)
        return failed(oracle.name)

    with KernelRunner(two_runners(), Gate.VALUES) as runner:
        found = first_objection(runner, EARLY_AND_LATE, first_failure)
    assert found is not None
    assert found[0].name == "early"


def test_what_an_oracle_raises_ends_all_runners() -> None:
    begun = threading.Event()

    def first_failure(runner: KernelRunner, oracle: Oracle) -> FailedCheck:
        while_a_later_call_is_endless(runner, oracle, begun)
        raise HarnessFaultError("no more memory")

    with (
        KernelRunner(examination_around(endless, other_launches=[endless]), Gate.VALUES) as runner,
        pytest.raises(HarnessFaultError, match="no more memory"),
    ):
        first_objection(runner, EARLY_AND_LATE, first_failure)
