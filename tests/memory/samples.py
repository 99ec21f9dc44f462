"""Accepted verdicts and machines, shared by the tests of the memory."""

from __future__ import annotations

from dataclasses import replace

from harness.machine import Machine
from harness.shapes import Shape
from harness.verdict import Accepted, Score, ShapeTiming

ZEN = Machine("Zen", "x86_64", "Linux", ("avx", "avx2", "fma"), 32 << 10, 512 << 10, 8 << 20, (0, 1))
LAKE = replace(ZEN, cpu="Lake", isa=("avx", "avx2", "fma", "avx512f", "avx512vl"))


def accepted(ratio: float, width: float = 0.02, threads: int = 1) -> Accepted:
    """A verdict with one timed shape; `width` is half the interval."""
    low, high = ratio - width, ratio + width
    timing = ShapeTiming(
        Shape(64, 64, 64), 1e6, 1e6 * ratio, 9e5, 9e5 * ratio, ratio, low, high, 12.5, 40.0, 9
    )
    return Accepted(Score(ratio, low, high, (timing,), threads, "OpenBLAS", 0.99, 1.01), "safe")
