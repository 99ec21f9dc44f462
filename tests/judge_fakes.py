"""A worker that is a Python function: kernels for the tests of the oracles, honest and wrong, without a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from harness.judge.calls import F32, Placement, Ran, Slot
from harness.judge.lab import Lab, Launch
from harness.shapes import Shape
from harness.verdict import At, Crash, Rejection

# Writes C (m×n) from A (m×k) and B (k×n).
Kernel = Callable[[F32, F32, F32], None]


@dataclass
class FakeWorker:
    """Runs a Python kernel on arrays; an exception is a crash. `fp_env_restored` and the rest can be set by tests."""

    kernel: Kernel
    ran: dict[str, int | bool] = field(default_factory=dict)
    dead: bool = False

    def slots(self, shapes: Sequence[Shape], placement: Placement) -> list[Slot]:
        return [
            Slot(
                shape,
                np.zeros((shape.m, shape.k), np.float32),
                np.zeros((shape.k, shape.n), np.float32),
                np.zeros((shape.m, shape.n), np.float32),
            )
            for shape in shapes
        ]

    def run(self, slots: Sequence[Slot], at: At, limit_s: float) -> Ran | Rejection:
        assert not self.dead, "a dead worker was used again"
        for slot in slots:
            try:
                with np.errstate(all="ignore"):
                    self.kernel(slot.a, slot.b, slot.c)
            except IndexError:
                self.dead = True
                return Crash(11, at, "over-run")
        facts = {"elapsed_ns": 1000, "cpu_ns": 1000, "threads": 1, "running_threads": 0}
        return Ran(**(facts | {"involuntary_switches": 0, "steal_ns": 0, "fp_env_restored": True} | self.ran))  # type: ignore[arg-type]


def launching(kernel: Callable[[], Kernel]) -> Launch:
    """Every fresh worker gets a fresh kernel: what it remembers ends with the process."""

    @contextmanager
    def launch(_: Sequence[Shape]) -> Iterator[FakeWorker]:
        yield FakeWorker(kernel())

    return launch


def lab_for(kernel: Kernel, **settings: object) -> Lab:
    """A laboratory around a kernel without memory."""
    return Lab(launch=launching(lambda: kernel), seed=20250101, time_limit_s=lambda _: 5.0, **settings)  # type: ignore[arg-type]


def naive(a: F32, b: F32, c: F32) -> None:
    """p outermost, so that each element sums in order of p in f32, as the textbook loop does."""
    c[...] = 0
    for p in range(a.shape[1]):
        c += np.outer(a[:, p], b[p])
