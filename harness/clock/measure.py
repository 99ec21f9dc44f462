"""The clock gate: from a checked library to a Score that holds, or a rejection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from harness.clock.pairs import SLOW_TURN_S, Plan, Samples
from harness.clock.session import ClockSession
from harness.clock.statistics import Interval
from harness.judge.calls import Program
from harness.judge.lab import Numerics
from harness.shapes import Shape
from harness.verdict import At, Gate, Inconclusive, Rejection, Score, ShapeTiming, TooFast

__all__ = ["ClockSession", "score"]

# Shares of the budget for the first measurement and for its confirmation.
MAIN_SHARE, CONFIRM_SHARE = 0.6, 0.25
# Above this, on any shape, a result is suspicious: measured again in full, every element of every output compared.
SUSPICIOUS = 1.1
# A verdict needs to know the ratio to ±25 %: half of what lies between a textbook blocking (0.5) and BLAS (1.0).
MAX_HALF_WIDTH = math.log(1.25)
# Unless the whole interval is below this: however wide, it says that the kernel is nowhere near BLAS.
CLEARLY_SLOW = 0.5


def score(
    program: Program, thread_class: str, session: ClockSession, numerics: Numerics = "componentwise"
) -> Score | Rejection:
    """Time `program` against the session's baseline over the session's suite.

    `thread_class` is "1" or "all"; `numerics` "normwise" gives a Strassen-like kernel data with room for its sums.
    Waits for the clock's lock. Raises HarnessFaultError when the harness, the sandbox or the baseline fails.
    """
    threads = session.threads(thread_class)
    with session.alone():
        control = session.control(threads)
        plan = Plan(session.suite, MAIN_SHARE * session.settings.clock_budget_s)
        samples = session.race(plan, program, threads, numerics)
        if not isinstance(samples, Samples):
            return samples
        impossible = _too_fast(samples, session, threads)
        if impossible is not None:
            return impossible
        return _confirmed(samples, program, session, threads, numerics, control)


def _too_fast(samples: Samples, session: ClockSession, threads: int) -> TooFast | None:
    """The first shape below the floor; the peak is measured once more before anybody is accused."""
    for again in (False, True):
        peak = session.peak(again)
        offence = None
        for shape in samples.plan.shapes:
            # Far beyond any cache (virtual machines understate theirs) the data must come from memory.
            moved = session.batching(shape, threads).count * (shape.input_bytes + shape.output_bytes)
            floor_ns = peak.floor_ns(shape, threads, moved if moved > 8 * session.machine.l3_bytes else 0)
            time_ns = float(np.median([pair.time_ns for pair in samples.pairs[shape]]))
            if not time_ns >= floor_ns:
                offence = TooFast(time_ns, floor_ns, At(Gate.CLOCK, shape))
                break
        if offence is None:
            return None
    return offence


def _confirmed(
    samples: Samples,
    program: Program,
    session: ClockSession,
    threads: int,
    numerics: Numerics,
    control: Interval,
) -> Score | Rejection:
    """The score after a second measurement with fresh seeds and processes, in full for suspicious shapes."""
    rng = np.random.default_rng(session.seed())
    budget_s = CONFIRM_SHARE * session.settings.clock_budget_s
    suspicious: list[Shape] = []
    usual: list[Shape] = []
    for shape in samples.plan.shapes:
        if float(np.median([pair.time_ns for pair in samples.pairs[shape]])) / 1e9 > SLOW_TURN_S:
            continue  # took seconds: no luck makes that fast, and a second look would cost as long again
        (suspicious if samples.interval(shape, rng).ratio > SUSPICIOUS else usual).append(shape)
    spread = 0.0
    for shapes, full in ((suspicious, True), (usual, False)):
        if not shapes:
            continue
        share = len(shapes) / (len(suspicious) + len(usual))
        plan = Plan(tuple(shapes), share * budget_s, min_processes=3, max_processes=3)
        if full:
            plan = replace(samples.plan, shapes=tuple(shapes), budget_s=samples.plan.budget_s * share)
        again = session.race(plan, program, threads, numerics, full=full)
        if not isinstance(again, Samples):
            return again
        impossible = _too_fast(again, session, threads)
        if impossible is not None:
            return impossible
        spread = max(spread, _disagreement(samples, again, rng))
        samples = _joined(samples, again)
    return _settled(samples, session, threads, control, spread)


def _disagreement(first: Samples, second: Samples, rng: np.random.Generator) -> float:
    """How far apart two measurements are beyond their intervals, as a log; 0.0 when they agree."""
    shapes = second.plan.shapes
    one = Samples(replace(first.plan, shapes=shapes), {shape: first.pairs[shape] for shape in shapes}).mean(rng)
    two = second.mean(rng)
    return max(0.0, abs(one.centre - two.centre) - one.half_width - two.half_width)


def _joined(first: Samples, second: Samples) -> Samples:
    """The pairs of both, the second's processes renumbered behind the first's."""
    offset = 1 + max(pair.process for pairs in first.pairs.values() for pair in pairs)
    more = {
        shape: [replace(pair, process=pair.process + offset) for pair in pairs] for shape, pairs in second.pairs.items()
    }
    return Samples(first.plan, {shape: pairs + more.get(shape, []) for shape, pairs in first.pairs.items()})


def _settled(
    samples: Samples, session: ClockSession, threads: int, control: Interval, spread: float
) -> Score | Inconclusive:
    """The score, or Inconclusive when it is known too badly; the clock's bias and two runs' disagreement widen it."""
    rng = np.random.default_rng(session.seed())
    doubt = control.bias + spread
    mean = samples.mean(rng).widened(doubt)
    if mean.half_width > MAX_HALF_WIDTH and not mean.high < CLEARLY_SLOW:
        return Inconclusive(
            f"after {session.settings.clock_budget_s:.0f} s the ratio to BLAS is only known to lie in "
            f"[{mean.low:.2f}, {mean.high:.2f}] (A/A control [{control.low:.2f}, {control.high:.2f}]); "
            "repeat on a quieter machine or raise --clock-budget"
        )
    peak_gflops = session.peak().gflops(threads)
    found = {shape: samples.interval(shape, rng).widened(doubt) for shape in samples.plan.shapes}
    return Score(
        ratio=mean.ratio,
        ratio_low=mean.low,
        ratio_high=mean.high,
        per_shape=_per_shape(samples, found, peak_gflops),
        threads=threads,
        baseline=str(session.baseline),
        aa_low=control.low,
        aa_high=control.high,
    )


def _per_shape(samples: Samples, found: Mapping[Shape, Interval], peak_gflops: float) -> tuple[ShapeTiming, ...]:
    timings = []
    for shape, interval in found.items():
        kept = samples.kept(shape)
        time_ns = float(np.median([pair.time_ns for pair in kept]))
        timings.append(
            ShapeTiming(
                shape=shape,
                time_ns=time_ns,
                baseline_time_ns=float(np.median([pair.baseline_ns for pair in kept])),
                min_time_ns=min(pair.time_ns for pair in kept),
                ratio=interval.ratio,
                ratio_low=interval.low,
                ratio_high=interval.high,
                gflops=shape.flops / time_ns,
                percent_of_peak=100 * shape.flops / time_ns / peak_gflops,
                pairs=len(kept),
            )
        )
    return tuple(timings)
