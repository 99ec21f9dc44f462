"""The clock gate: from a checked library to a Score that holds, or a rejection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.clock.floor import Peak
from harness.clock.pairs import SLOW_TURN_S, Plan, Samples
from harness.clock.session import ClockSession
from harness.clock.statistics import RatioInterval
from harness.clock.suites import SUITES
from harness.judge.examination import Numerics
from harness.judge.worker.calls import Program
from harness.shapes import Shape
from harness.verdict import At, Gate, Inconclusive, Rejection, Score, ShapeTiming, TooFast

__all__ = ["ClockSession", "score"]

# Shares of the budget: the first measurement, its confirmation, and the confirmation of what is suspicious.
MAIN_SHARE, CONFIRM_SHARE, SUSPICIOUS_SHARE = 0.6, 0.25, 0.4
# Above this, on any shape, a result is suspicious: measured again in full, every element of every output compared.
SUSPICIOUS = 1.1
# A verdict should know the ratio to ±25 %, half of what lies between a textbook blocking (0.5) and BLAS (1.0): for less
# the budget is spent a second time.
WANTED_HALF_WIDTH = math.log(1.25)
# Some kernels are bistable (the luck of a process's pages decides), and some machines never rest. Their wide interval
# is told as it is, the memory ranks by its lower end, and gates decide on the whole of it; only what is not known
# within a factor of two says nothing.
MAX_HALF_WIDTH = math.log(2.0)
# Unless the whole interval is below this: however wide, it says that the kernel is nowhere near BLAS.
CLEARLY_SLOW = 0.5
# So much longer, as a log, a baseline may take in a race than before it without a question being asked.
STRETCHED = math.log(1.15)
# When most pairs are disturbed, verdicts of one kernel differ by more than the processes of one verdict tell: the load
# changes between them and moves every ratio towards 1 (2 to 3 % of spread were seen at a load of 7 on 2 cores).
BUSY_HALF_WIDTH = 0.05


@dataclass(frozen=True, slots=True)
class _Trial:
    """One kernel before the clock, and the control that goes with it."""

    program: Program
    session: ClockSession
    threads: int
    numerics: Numerics
    control: RatioInterval

    @property
    def budget_s(self) -> float:
        """Seconds for this kernel: what was chosen, and in proportion more for suites longer than the default one."""
        longer = len(self.session.suite) / len(SUITES["default"])
        return self.session.settings.clock_budget_s * max(1.0, longer)

    def race(self, plan: Plan, full: bool = False) -> Samples | Rejection:
        """One measurement in fresh processes with fresh seeds; what is faster than physics is rejected."""
        samples = self.session.race(plan, self.program, self.threads, self.numerics, full)
        if not isinstance(samples, Samples):
            return samples
        return _too_fast(samples, self.session, self.threads) or samples


def score(
    program: Program, thread_class: str, session: ClockSession, numerics: Numerics = "componentwise"
) -> Score | Rejection:
    """Time `program` against the session's baseline over the session's suite.

    `thread_class` is "1" or "all"; `numerics` "normwise" gives a Strassen-like kernel data with room for its sums.
    Waits for the clock's lock. Raises HarnessFaultError when the harness, the sandbox or the baseline fails.
    """
    threads = session.threads(thread_class)
    with session.alone(threads):
        trial = _Trial(program, session, threads, numerics, session.control(threads))
        samples = trial.race(Plan(session.suite, MAIN_SHARE * trial.budget_s))
        if not isinstance(samples, Samples):
            return samples
        return _confirmed(samples, trial)


def _too_fast(samples: Samples, session: ClockSession, threads: int) -> TooFast | None:
    """The first shape below the floor; the peak is measured once more before anybody is accused."""
    offence = _below(samples, session, threads, session.peak())
    return offence and _below(samples, session, threads, session.peak(again=True))


def _below(samples: Samples, session: ClockSession, threads: int, peak: Peak) -> TooFast | None:
    for shape in samples.plan.shapes:
        # Far beyond any cache (virtual machines understate theirs) the data must come from memory.
        moved = session.batching(shape, threads).count * (shape.input_bytes + shape.output_bytes)
        floor_ns = peak.floor_ns(shape, threads, moved if moved > 8 * session.machine.l3_bytes else 0)
        time_ns = float(np.median([pair.time_ns for pair in samples.pairs[shape]]))
        if not time_ns >= floor_ns:
            return TooFast(time_ns, floor_ns, At(Gate.CLOCK, shape))
    return None


def _confirmed(samples: Samples, trial: _Trial) -> Score | Rejection:
    """The score after a second measurement with fresh seeds and processes, in full for suspicious shapes.

    When the ratio is still not known well enough, the first measurement is repeated once: on a busy machine a longer
    verdict is better than none.
    """
    rng = np.random.default_rng(trial.session.seed())
    # What took seconds was no luck, and a second look would cost as long again.
    quick = [shape for shape in samples.plan.shapes if not _slow(samples, shape)]
    suspicious = tuple(shape for shape in quick if samples.interval(shape, rng).ratio > SUSPICIOUS)
    usual = tuple(shape for shape in quick if shape not in suspicious)
    spread = 0.0
    for shapes, full in ((suspicious, True), (usual, False)):
        if not shapes:
            continue
        part_s = trial.budget_s * len(shapes) / len(quick)
        plan = Plan(shapes, CONFIRM_SHARE * part_s, min_processes=3, max_processes=3)
        again = trial.race(Plan(shapes, SUSPICIOUS_SHARE * part_s) if full else plan, full)
        if not isinstance(again, Samples):
            return again
        spread = max(spread, _disagreement(samples, again, rng))
        samples = _joined(samples, again)
    doubt = trial.control.bias + spread + _mean(_stretched(samples, trial))
    if quick and _vaguer(samples.mean(rng).widened(doubt), WANTED_HALF_WIDTH):
        more = trial.race(Plan(tuple(quick), MAIN_SHARE * trial.budget_s))
        if not isinstance(more, Samples):
            return more
        samples = _joined(samples, more)
    return _settled(samples, trial, spread)


def _slow(samples: Samples, shape: Shape) -> bool:
    return float(np.median([pair.time_ns for pair in samples.pairs[shape]])) / 1e9 > SLOW_TURN_S


def _vaguer(mean: RatioInterval, half_width: float) -> bool:
    return mean.half_width > half_width and not mean.high < CLEARLY_SLOW


def _disagreement(first: Samples, second: Samples, rng: np.random.Generator) -> float:
    """How far apart two measurements are beyond their intervals, as a log; 0.0 when they agree."""
    shapes = second.plan.shapes
    one = Samples(replace(first.plan, shapes=shapes), {shape: first.pairs[shape] for shape in shapes}).mean(
        rng
    )
    two = second.mean(rng)
    return max(0.0, abs(one.centre - two.centre) - one.half_width - two.half_width)


def _stretched(samples: Samples, trial: _Trial) -> dict[Shape, float]:
    """With several threads: how much longer, as a log, the baseline's best turn took than it did before the race.

    Threads that wait for one another can be held up in every single turn of a race, and what a kernel seems to gain by
    that says nothing about it.
    """
    if trial.threads == 1:
        return dict.fromkeys(samples.plan.shapes, 0.0)
    known_ns = {s: trial.session.batching(s, trial.threads).baseline_ns for s in samples.plan.shapes}
    best_ns = {s: min(pair.baseline_ns for pair in samples.pairs[s]) for s in samples.plan.shapes}
    return {s: max(0.0, math.log(best_ns[s] / known_ns[s]) - STRETCHED) for s in samples.plan.shapes}


def _mean(doubts: Mapping[Shape, float]) -> float:
    return sum(doubts.values()) / len(doubts)


def _joined(first: Samples, second: Samples) -> Samples:
    """The pairs of both, the second's processes renumbered behind the first's."""
    offset = 1 + max(pair.process for pairs in first.pairs.values() for pair in pairs)
    more = {
        shape: [replace(pair, process=pair.process + offset) for pair in pairs]
        for shape, pairs in second.pairs.items()
    }
    return Samples(first.plan, {shape: pairs + more.get(shape, []) for shape, pairs in first.pairs.items()})


def _settled(samples: Samples, trial: _Trial, spread: float) -> Score | Inconclusive:
    """The score, or Inconclusive when it is known too badly; the clock's bias and two runs' disagreement widen it."""
    session, control = trial.session, trial.control
    rng = np.random.default_rng(session.seed())
    doubt = control.bias + spread
    busy = BUSY_HALF_WIDTH if samples.mostly_disturbed else 0.0
    stretched = _stretched(samples, trial)
    mean = samples.mean(rng).blurred(busy).widened(doubt + _mean(stretched))
    if _vaguer(mean, MAX_HALF_WIDTH):
        return Inconclusive(
            f"after twice the budget of {trial.budget_s:g} s the ratio to BLAS is only known to lie in "
            f"[{mean.low:.2f}, {mean.high:.2f}] (A/A control [{control.low:.2f}, {control.high:.2f}]); "
            "repeat on a quieter machine or raise --clock-budget"
        )
    peak_gflops = _peak_gflops(samples, trial)
    found = {
        shape: samples.interval(shape, rng).blurred(busy).widened(doubt + stretched[shape])
        for shape in samples.plan.shapes
    }
    return Score(
        ratio=mean.ratio,
        ratio_low=mean.low,
        ratio_high=mean.high,
        per_shape=_per_shape(samples, found, peak_gflops),
        threads=trial.threads,
        baseline=str(session.baseline),
        aa_low=control.low,
        aa_high=control.high,
    )


def _peak_gflops(samples: Samples, trial: _Trial) -> float:
    """The machine's peak in the thread class; measured again when something ran faster, since then it was too low."""
    best = max(
        shape.flops / float(np.median([getattr(pair, side) for pair in pairs]))
        for shape, pairs in samples.pairs.items()
        for side in ("time_ns", "baseline_ns")
    )
    peak = trial.session.peak().gflops(trial.threads)
    return peak if peak >= best else trial.session.peak(again=True).gflops(trial.threads)


def _per_shape(
    samples: Samples, found: Mapping[Shape, RatioInterval], peak_gflops: float
) -> tuple[ShapeTiming, ...]:
    timings = []
    for shape, interval in found.items():
        kept = samples.kept(shape)
        time_ns, baseline_ns = samples.typical_ns(shape)
        timings.append(
            ShapeTiming(
                shape=shape,
                time_ns=time_ns,
                baseline_time_ns=baseline_ns,
                min_time_ns=min(pair.time_ns for pair in samples.pairs[shape]),
                min_baseline_time_ns=min(pair.baseline_ns for pair in samples.pairs[shape]),
                ratio=interval.ratio,
                ratio_low=interval.low,
                ratio_high=interval.high,
                gflops=shape.flops / time_ns,
                percent_of_peak=100 * shape.flops / time_ns / peak_gflops,
                pairs=len(kept),
            )
        )
    return tuple(timings)
