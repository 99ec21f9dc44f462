"""A worker that is a Python function: honest and wrong kernels for the tests of the oracles, without a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import numpy as np

from harness.judge.examination import Examination, LaunchJudgeWorker
from harness.judge.worker.calls import F32, Layout, Placement, Ran, Slot, Surroundings
from harness.operation.forms import CallForm
from harness.shapes import Shape
from harness.verdict import At, Crash, Rejection, Timeout

# Writes C (m×n) from A (m×k) and B (k×n).
Kernel = Callable[[F32, F32, F32], None]


@dataclass
class FakeWorker:
    """Runs a Python kernel: IndexError is a crash, TimeoutError a time-out, `ran` overrides what it reports."""

    kernel: Kernel
    ran: dict[str, int | bool] = field(default_factory=dict)
    idle_ns: int = 0
    dead: bool = False
    killed: Event = field(default_factory=Event)

    def slots(
        self, shapes: Sequence[Shape], placement: Placement, forms: Sequence[CallForm] | None = None
    ) -> list[Slot]:
        def zeros(rows: int, cols: int) -> F32:
            return np.zeros((rows, cols), np.float32)

        assert forms is None, "see sgemm_fakes.py"
        return [Slot(s, zeros(s.m, s.k), zeros(s.k, s.n), zeros(s.m, s.n)) for s in shapes]

    def batch(self, layout: Layout) -> list[Slot]:
        m, k, n = layout.shape
        a = [np.zeros((m, k), np.float32) for _ in range(layout.a_count)]
        b = [np.zeros((k, n), np.float32) for _ in range(layout.b_count)]
        return [Slot(layout.shape, a[i], b[j], np.zeros((m, n), np.float32)) for i, j in layout.pairs]

    def shared(self, shape: Shape, skip: int, form: CallForm | None = None) -> Slot:
        a, c = np.zeros((shape.m, shape.k), np.float32), np.zeros((shape.m, shape.n), np.float32)
        return Slot(shape, a, a.reshape(-1)[skip : skip + shape.k * shape.n].reshape(shape.k, shape.n), c)

    def run(
        self,
        slots: Sequence[Slot],
        *,
        at: At,
        limit_s: float,
        inspect: bool = False,
        surroundings: Surroundings = Surroundings.ONE_BY_ONE,
    ) -> Ran | Rejection:
        assert not self.dead, "a dead worker was used again"
        for slot in slots:
            try:
                with np.errstate(all="ignore"):
                    self.kernel(slot.a, slot.b, slot.c)
            except IndexError:
                self.dead = True
                return Crash(11, at, "over-run")
            except TimeoutError:
                self.dead = True
                return Timeout(limit_s, at)
        facts = {"elapsed_ns": 1000, "cpu_ns": 1000, "threads": 1, "running_threads": 0}
        facts |= {"involuntary_switches": 0, "steal_ns": 0, "fp_env_restored": True} | self.ran
        return Ran(**facts)  # type: ignore[arg-type]

    def idle_cpu_ns(self) -> int:
        return self.idle_ns

    def kill(self) -> None:
        self.killed.set()


def launching(kernel: Callable[[], Kernel], idle_ns: int = 0, **ran: int | bool) -> LaunchJudgeWorker:
    """Every fresh worker gets a fresh kernel, so that the kernel's state ends with the process."""

    @contextmanager
    def launch(_: Sequence[Shape]) -> Iterator[FakeWorker]:
        yield FakeWorker(kernel(), ran, idle_ns)

    return launch


def examination_for(kernel: Kernel, **settings: Any) -> Examination:
    """An examination of a kernel without state."""
    return examination_around(launching(lambda: kernel), **settings)


def examination_around(launch: LaunchJudgeWorker, **settings: Any) -> Examination:
    """An examination with a fixed seed, so that a test is repeatable."""
    return Examination(**{"launch": launch, "seed": 20250101, "time_limit_s": lambda _: 5.0} | settings)


def honest(a: F32, b: F32, c: F32) -> None:
    """The machine's BLAS."""
    np.matmul(a, b, out=c)


def naive(a: F32, b: F32, c: F32) -> None:
    """k is the outermost loop, so that each element is summed in order of k in f32, as in the textbook loop."""
    c[...] = 0
    for p in range(a.shape[1]):
        c += np.outer(a[:, p], b[p])


def strassen(levels: int, smallest: int) -> Kernel:
    """Strassen's scheme with odd rows and columns peeled, `levels` deep, for extents from `smallest` on."""

    def kernel(a: F32, b: F32, c: F32) -> None:
        c[...] = _strassen(a, b, levels, smallest)

    return kernel


def _strassen(a: F32, b: F32, levels: int, smallest: int) -> F32:
    (m, k), n = a.shape, b.shape[1]
    if levels == 0 or min(m, k, n) < max(smallest, 2):
        return a @ b
    h, d, w = m // 2, k // 2, n // 2
    a11, a12, a21, a22 = a[:h, :d], a[:h, d : 2 * d], a[h : 2 * h, :d], a[h : 2 * h, d : 2 * d]
    b11, b12, b21, b22 = b[:d, :w], b[:d, w : 2 * w], b[d : 2 * d, :w], b[d : 2 * d, w : 2 * w]

    def product(x: F32, y: F32) -> F32:
        return _strassen(x, y, levels - 1, smallest)

    m1, m2, m3 = product(a11 + a22, b11 + b22), product(a21 + a22, b11), product(a11, b12 - b22)
    m4, m5 = product(a22, b21 - b11), product(a11 + a12, b22)
    m6, m7 = product(a21 - a11, b11 + b12), product(a12 - a22, b21 + b22)
    c = np.empty((m, n), np.float32)
    c[: 2 * h, : 2 * w] = np.block([[m1 + m4 - m5 + m7, m3 + m5], [m2 + m4, m1 - m2 + m3 + m6]])
    if k % 2:
        c[: 2 * h, : 2 * w] += a[: 2 * h, 2 * d :] @ b[2 * d :, : 2 * w]
    c[2 * h :] = a[2 * h :] @ b
    c[: 2 * h, 2 * w :] = a[: 2 * h] @ b[:, 2 * w :]
    return c
