"""Runs the oracles of a gate side by side, in several runners, each with a worker on a core of its own.

The outcome is that of running them one after the other: the objection of the first oracle in order that has one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from typing import TypeAlias

from harness.judge.kernel_runner import Abandoned, KernelRunner
from harness.judge.oracles.oracle import Oracle
from harness.judge.search import FailedCheck

FirstFailure: TypeAlias = Callable[[KernelRunner, Oracle], FailedCheck | None]


def first_objection(
    runner: KernelRunner, oracles: Sequence[Oracle], first_failure: FirstFailure
) -> tuple[Oracle, FailedCheck] | None:
    """The objection of the first of `oracles` that has one, or None.

    `runner` works in this thread. There is one more runner for each of `Examination.other_launches`; what they did is
    added to the counts of `runner`. An oracle that comes after one with an objection is abandoned in the middle of
    a call. Raises whatever an oracle raises.
    """
    board = _Board(oracles, first_failure)
    launches = runner.examination.other_launches[: len(oracles) - 1]
    with ExitStack() as stack:
        stack.enter_context(_one_blas_thread() if launches else nullcontext())
        others = [
            stack.enter_context(KernelRunner(replace(runner.examination, launch=launch), runner.gate))
            for launch in launches
        ]
        _work(board, [runner, *others])
        for other in others:
            runner.add(other)
    if board.found is None:
        return None
    # The abandoned call may be the last one of this runner.
    runner.close()
    runner.abandoned = False
    return oracles[board.found[0]], board.found[1]


def _work(board: _Board, runners: Sequence[KernelRunner]) -> None:
    """Work off the board with all runners; when one raises, the others are abandoned."""
    if len(runners) == 1:
        return board.work(runners[0])
    with ThreadPoolExecutor(len(runners) - 1, thread_name_prefix="oracles") as pool:
        futures = [pool.submit(board.work, runner) for runner in runners[1:]]
        try:
            board.work(runners[0])
            for future in futures:
                future.result()
        except BaseException:
            board.stop()
            raise
    return None


class _Board:
    """Hands out the oracles in order and keeps the first objection. Shared by all runners."""

    def __init__(self, oracles: Sequence[Oracle], first_failure: FirstFailure) -> None:
        self.found: tuple[int, FailedCheck] | None = None
        self._oracles, self._first_failure = oracles, first_failure
        self._lock = threading.Lock()
        self._taken = 0
        self._busy: dict[int, KernelRunner] = {}

    def work(self, runner: KernelRunner) -> None:
        """Take oracles and run them with `runner`, until none is left or one has an objection."""
        try:
            while (index := self._take(runner)) is not None:
                failure = self._first_failure(runner, self._oracles[index])
                self._finished(index, failure)
        except Abandoned:
            return
        except BaseException:
            self.stop()
            raise
        finally:
            # The system ends a worker together with the thread that started it.
            if threading.current_thread() is not threading.main_thread():
                runner.close()

    def stop(self) -> None:
        """Hand out nothing more, and abandon what runs."""
        with self._lock:
            self._taken = len(self._oracles)
            for runner in self._busy.values():
                runner.abandon()

    def _take(self, runner: KernelRunner) -> int | None:
        with self._lock:
            if self.found is not None or self._taken == len(self._oracles):
                return None
            index, self._taken = self._taken, self._taken + 1
            self._busy[index] = runner
            return index

    def _finished(self, index: int, failure: FailedCheck | None) -> None:
        with self._lock:
            # It is gone already when the runner was abandoned but had no further call to make.
            self._busy.pop(index, None)
            if failure is None or (self.found is not None and self.found[0] < index):
                return
            self.found = index, failure
            for later in [at for at in self._busy if at > index]:
                self._busy.pop(later).abandon()


def _one_blas_thread() -> AbstractContextManager[object]:
    """Keep numpy's BLAS on one thread, because the other runners have the other cores."""
    import threadpoolctl  # type: ignore[import-untyped]

    limits: AbstractContextManager[object] = threadpoolctl.threadpool_limits(1)
    return limits
