"""The deadline of an order: it moves while the machine gives the worker no core, or does not run this process."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.judge.worker import procfs

# Waits shorter than this share of the limit are no reason to move the deadline.
LEAST_SHARE = 0.1
# The deadline moves to at most this many times the limit; then nothing can be said about the kernel here and now.
MOST_TIMES = 10.0


class Deadline:
    """`limit_s` seconds of wall time from now, plus the time in which the worker was ready to run but had no core.

    A worker is owed that time only while its CPU time is below the limit: threads that wait for each other use all of
    it. `cpu_ns` reads the worker's CPU time so far, in nanoseconds.
    """

    def __init__(self, pid: int, limit_s: float, cpu_ns: Callable[[], int]) -> None:
        self.stalled_s = 0.0
        self._pid, self._limit_s, self._cpu_ns = pid, limit_s, cpu_ns
        self._end = time.monotonic() + limit_s
        self._moved_s = 0.0
        self._start: tuple[int, dict[str, int]] | None = None

    def left_s(self) -> float:
        """Seconds until the deadline as it stands; negative after it."""
        return self._end + self.stalled_s + self._moved_s - time.monotonic()

    def glance(self) -> None:
        """Read where the worker's CPU time and waits stand. Not read at the start, where it would delay the order."""
        if self._start is None:
            self._start = (self._cpu_ns(), procfs.waits(self._pid))

    def move(self) -> bool:
        """Move the deadline by what the worker is owed; returns False when it is owed nothing, or too much."""
        if self._start is None or self.starved_s:
            return False
        used_ns, waits = self._start
        waited_s = procfs.longest_wait_ns(waits, procfs.waits(self._pid)) / 1e9 - self._moved_s
        owed_s = min(waited_s, self._limit_s - (self._cpu_ns() - used_ns) / 1e9)
        if owed_s <= LEAST_SHARE * self._limit_s:
            return False
        self._moved_s += owed_s
        return not self.starved_s

    @property
    def starved_s(self) -> float:
        """Seconds without a core if they exceed the largest extension of the deadline, else 0."""
        return self._moved_s if self._moved_s > (MOST_TIMES - 1) * self._limit_s else 0.0
