"""The deadline of an order: it moves while the machine gives the worker no core, or does not run this process."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.judge.worker import procfs

# The deadline moves to at most this many times the limit; then nothing can be said about the kernel here and now.
MOST_TIMES = 10.0


class Deadline:
    """`limit_s` seconds from now: of CPU time while the worker is ready to run, of wall time while it sleeps.

    What it got less of than the time that passed is what other processes had of its core. It is read from the worker's
    CPU time and from the states of its threads, at every glance: the system counts a wait for a core only when it ends,
    which on a machine with forty busy processes takes longer than the limit. Threads that wait for each other use CPU
    time, so that they gain none. `cpu_ns` reads the worker's CPU time so far, in nanoseconds.
    """

    def __init__(self, pid: int, limit_s: float, cpu_ns: Callable[[], int]) -> None:
        self.stalled_s = 0.0
        self._pid, self._limit_s, self._cpu_ns = pid, limit_s, cpu_ns
        self._end = time.monotonic() + limit_s
        self._owed_s = 0.0
        # The last glance: seconds now, seconds in which this process did not run, and the worker's CPU nanoseconds.
        self._last: tuple[float, float, int] | None = None

    def left_s(self) -> float:
        """Seconds until the deadline as it stands; negative after it."""
        return self._end + self.stalled_s + min(self._owed_s, self._most_s) - time.monotonic()

    def glance(self) -> None:
        """Move the deadline by what the worker is owed since the last glance. The first one is not at the start, where
        it would delay the order.
        """
        now = time.monotonic(), self.stalled_s, self._cpu_ns()
        if self._last is not None and procfs.is_ready(self._pid):
            passed_s = now[0] - self._last[0] - (now[1] - self._last[1])
            self._owed_s += max(passed_s - (now[2] - self._last[2]) / 1e9, 0.0)
        self._last = now

    @property
    def starved_s(self) -> float:
        """Seconds without a core if they exceed the largest extension of the deadline, else 0."""
        return self._owed_s if self._owed_s > self._most_s else 0.0

    @property
    def _most_s(self) -> float:
        return (MOST_TIMES - 1) * self._limit_s
