"""The Oracle type: one check, the shapes it runs at, and its properties."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from harness.judge.examination import Examination
from harness.judge.kernel_runner import KernelRunner
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

Check: TypeAlias = Callable[[KernelRunner, Shape, int], Counterexample | None]
BatchCheck: TypeAlias = Callable[
    [KernelRunner, Sequence[tuple[Shape, int]]], tuple[Shape, int, Counterexample] | None
]


class AppliesTo(StrEnum):
    """The kernels that an oracle holds for, by how they sum."""

    EVERY_KERNEL = "every kernel"
    # Kernels that add m·n·k products; a fast bilinear scheme (Strassen) may fail such an oracle.
    CLASSICAL = "classical kernels"
    # Kernels that were recognised as a fast bilinear scheme.
    FAST_SCHEME = "fast schemes"


@dataclass(frozen=True, slots=True)
class Oracle:
    """One way to detect a wrong kernel.

    name: as in `--case SHAPE:SEED:NAME`.
    check: runs the kernel on data of a seed at a shape; returns the first wrong element, or None.
    plan: the shapes to check, in order. Unused when `searched`.
    applies_to: the kernels it holds for.
    smallest: the least extent that the data needs.
    batch: checks many small cases of one placement in one round trip; returns the first wrong one.
    elongated: at its shapes, out-of-memory is forgiven, and a time-out if the kernel pads to a square.
    patience_s: seconds of kernel time after which the remaining shapes are skipped.
    shrinkable: whether a failure is shrunk to a smaller shape before it is reported.
    searched: hypothesis draws and shrinks the shapes.
    counts_padding: a shape with few rows and columns counts as a scheme's shape if the square around it shows one,
        because NaN and infinity meet the zeros of the padding.
    reports_remarks: misconduct noted during earlier calls is reported together with this oracle.
    alone: it compares CPU time with wall time, so that nothing may run beside it.
    needs_forms: it is for kernels that are called with strides, alpha and beta.
    """

    name: str
    gate: Gate
    check: Check
    plan: Callable[[Examination], Iterator[Shape]]
    applies_to: AppliesTo = AppliesTo.EVERY_KERNEL
    smallest: int = 0
    batch: BatchCheck | None = None
    elongated: bool = False
    patience_s: float = float("inf")
    shrinkable: bool = True
    searched: bool = False
    counts_padding: bool = False
    reports_remarks: bool = False
    alone: bool = False
    needs_forms: bool = False
