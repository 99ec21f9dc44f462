"""A plugin for sessions that are not about timings: the clock gives a fixed score and times nothing.

Use as `-p tests.front_door.settled_clock`. The first kernel has 0.5 times the speed of BLAS, each further one of a
session is 1.3 times as fast as the one before; all intervals are ±5 %, so that no two overlap and no duel is needed.
"""

from __future__ import annotations

from harness.clock import measure
from harness.clock.session import ClockSession
from harness.judge.scheme_levels import CLASSICAL, SchemeLevels
from harness.judge.worker.calls import Program
from harness.shapes import Shape
from harness.verdict import Score, ShapeTiming

FIRST, STEP, WIDE = 0.5, 1.3, 1.05
BASELINE_NS = 1e4

ratios: list[float] = []


def score(
    program: Program, thread_class: str, session: ClockSession, levels: SchemeLevels = CLASSICAL
) -> Score:
    ratios.append(FIRST * STEP ** len(ratios))
    low, high = ratios[-1] / WIDE, ratios[-1] * WIDE

    def timing(shape: Shape) -> ShapeTiming:
        time_ns = BASELINE_NS / ratios[-1]
        return ShapeTiming(
            shape=shape,
            time_ns=time_ns,
            baseline_time_ns=BASELINE_NS,
            min_time_ns=time_ns,
            min_baseline_time_ns=BASELINE_NS,
            ratio=ratios[-1],
            ratio_low=low,
            ratio_high=high,
            gflops=shape.flops / time_ns,
            percent_of_peak=50.0,
            pairs=8,
        )

    return Score(
        ratio=ratios[-1],
        ratio_low=low,
        ratio_high=high,
        per_shape=tuple(map(timing, session.suite)),
        threads=session.threads(thread_class),
        baseline=str(session.baseline),
        aa_low=0.99,
        aa_high=1.01,
    )


measure.score = score
