"""The clock gate: times a checked kernel and returns a confirmed Score, or a rejection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.clock.elsewhere import over_the_suite, secret_shapes
from harness.clock.floor import Peak
from harness.clock.pairs import CLEARLY_SLOW, SLOW_TURN_S, Plan, Samples
from harness.clock.rehearsal import rehearse
from harness.clock.session import LOOSEST_CONTROL, ClockSession
from harness.clock.statistics import RatioInterval
from harness.judge.scheme_levels import CLASSICAL, SchemeLevels
from harness.judge.worker.calls import Program
from harness.shapes import Shape
from harness.verdict import At, Elsewhere, Gate, Inconclusive, Rejection, Score, ShapeTiming, TooFast

__all__ = ["ClockSession", "score"]

# Shares of the time budget: the first measurement, its confirmation, and the confirmation of suspicious shapes.
MAIN_SHARE, CONFIRM_SHARE, SUSPICIOUS_SHARE, ELSEWHERE_SHARE = 0.6, 0.25, 0.4, 0.2
# Pairs of processes that every shape should get; the time of a pair (data, verification) over that of its two turns.
LARGE_PAIRS, AROUND_TURNS = 5, 2.5
# A ratio above this on any shape is suspicious: it is measured again, and every element of every output is
# compared.
SUSPICIOUS = 1.1
# Wanted half-width of the ratio's interval, as a log: ±25 %, half of the distance between a textbook blocking
# (0.5) and BLAS (1.0). With a wider interval the budget is spent a second time.
WANTED_HALF_WIDTH = math.log(1.25)
# Largest half-width, as a log, that still gives a Score. Some kernels are bistable (it depends on a process's
# pages), and some machines are never quiet. Their wide interval is reported unchanged; the memory ranks by its
# lower end, and gates decide on the whole interval. What is below CLEARLY_SLOW as a whole may be wider still.
MAX_HALF_WIDTH = math.log(2.0)
# Half-width of the A/A control on a quiet machine, as a log; what is beyond it blurs every ratio of the session.
USUAL_CONTROL = 0.02
# Measurements of the peak before a kernel that is faster is rejected.
PEAK_TRIES = 3
# Tolerated baseline slowdown (log ratio); any excess widens the interval.
STRETCHED = math.log(1.15)
# Half-width added in quadrature when most pairs are disturbed. Then the load changes between verdicts and moves
# every ratio towards 1, which the processes of one verdict cannot show (2 to 3 % spread at a load of 7 on 2
# cores).
BUSY_HALF_WIDTH = 0.05

UNDECLARED = "; a scheme with fewer products than Strassen's is declared as [scheme] in candidate.toml"


@dataclass(frozen=True, slots=True)
class _Trial:
    """One kernel being measured, and the A/A control of its thread class."""

    program: Program
    session: ClockSession
    threads: int
    levels: SchemeLevels
    control: RatioInterval

    @property
    def suite(self) -> tuple[Shape, ...]:
        """The timed shapes of the kernel's operation."""
        return self.session.suite_of(self.program)

    @property
    def budget_s(self) -> float:
        """Time budget in seconds: the chosen one, increased in proportion for suites longer than the default, and for
        large shapes to what LARGE_PAIRS pairs of every shape take at the peak.
        """
        budget_s = self.session.settings.clock_budget_s
        return max(self.session.for_suite(budget_s, self.suite), self.large_s)

    @property
    def large_s(self) -> float:
        """See `budget_s`; a fraction of a second for the default suite."""
        peak = self.session.peak()
        pairs_s = sum(peak.pair_s(shape, self.threads) for shape in self.suite)
        return LARGE_PAIRS * AROUND_TURNS * pairs_s / MAIN_SHARE

    def race(self, plan: Plan, full: bool = False) -> Samples | Rejection:
        """One measurement in fresh processes with fresh seeds; rejects a time below the floor."""
        samples = self.session.race(plan, self.program, self.threads, self.levels, full)
        if not isinstance(samples, Samples):
            return samples
        return _too_fast(samples, self) or samples


def score(
    program: Program, thread_class: str, session: ClockSession, levels: SchemeLevels = CLASSICAL
) -> Score | Rejection:
    """Time `program` against the session's baseline over the session's suite.

    `thread_class` is "1" or "all". Where `levels` has a fast scheme, the kernel gets data with room for its sums, and
    may be faster than the peak by as many products as it saves. Waits for the clock's lock. Raises HarnessFaultError
    when the harness, the sandbox or the baseline fails.
    """
    threads, suite = session.threads(thread_class), session.suite_of(program)
    with session.alone(threads):
        control = session.control(threads)
        if control.half_width > LOOSEST_CONTROL:
            return Inconclusive(
                f"{session.baseline} against itself gives [{control.low:.2f}, {control.high:.2f}]: timings with "
                f"{threads} thread(s) are not reliable on this machine now; repeat on a quieter machine"
            )
        layouts = [session.batching(shape, threads).layout for shape in suite]
        stale = rehearse(session.launch(threads), program, layouts, session.seed(), levels)
        if stale is not None:
            return stale
        trial = _Trial(program, session, threads, levels, control)
        samples = trial.race(Plan(suite, MAIN_SHARE * trial.budget_s))
        if not isinstance(samples, Samples):
            return samples
        result = _confirmed(samples, trial)
        if not isinstance(result, Score):
            return result
        installed = session.installed_ratio(threads, suite)
        if installed is not None:
            result = replace(result, installed_ratio=result.ratio / installed)
        return _with_elsewhere(result, trial)


def _with_elsewhere(score: Score, trial: _Trial) -> Score | Rejection:
    """The score with the ratio at secret shapes; a rejection when an output there is wrong."""
    rng = np.random.default_rng(trial.session.seed())
    places = secret_shapes(trial.suite, rng)
    shapes = tuple(place.shape for place in places)
    budget_s = ELSEWHERE_SHARE * max(trial.session.settings.clock_budget_s, trial.large_s)
    trial = replace(trial, levels=trial.levels.asked_at(shapes))
    insets = {place.shape: place.inset for place in places}
    samples = trial.race(Plan(shapes, budget_s, min_processes=3, max_processes=6, insets=insets))
    if not isinstance(samples, Samples):
        return samples
    busy = BUSY_HALF_WIDTH if samples.mostly_disturbed else 0.0
    secret = samples.mean(rng).blurred(busy).widened(trial.control.bias)
    timed = {one.shape: _interval(one) for one in score.per_shape}
    mean = over_the_suite(_interval(score), timed, secret, places)
    return replace(score, elsewhere=Elsewhere(mean.ratio, mean.low, mean.high, shapes))


def _interval(timing: Score | ShapeTiming) -> RatioInterval:
    low, high = math.log(timing.ratio_low), math.log(timing.ratio_high)
    return RatioInterval(math.log(timing.ratio), (high - low) / 2)


def _too_fast(samples: Samples, trial: _Trial) -> TooFast | None:
    """The first shape below the floor; the peak is measured again before the kernel is rejected."""
    offence = _below(samples, trial, trial.session.peak())
    for _ in range(PEAK_TRIES):
        offence = offence and _below(samples, trial, trial.session.peak(again=True))
    return offence


def _below(samples: Samples, trial: _Trial, peak: Peak) -> TooFast | None:
    session, threads = trial.session, trial.threads
    for shape in samples.plan.shapes:
        # Far beyond any cache size (virtual machines under-report theirs), the data must come from memory.
        moved = session.batching(shape, threads).count * (shape.input_bytes + shape.output_bytes)
        cold_bytes = moved if moved > 8 * session.machine.l3_bytes else 0
        floor_ns = peak.floor_ns(shape, threads, cold_bytes, trial.levels.saving(shape))
        time_ns = float(np.median([pair.time_ns for pair in samples.pairs[shape]]))
        if not time_ns >= floor_ns:
            undeclared = trial.levels.at(shape) and trial.levels.declared is None
            return TooFast(time_ns, floor_ns, At(Gate.CLOCK, shape), UNDECLARED if undeclared else "")
    return None


def _confirmed(samples: Samples, trial: _Trial) -> Score | Rejection:
    """The score after a second measurement with fresh seeds and processes, in full for suspicious shapes.

    When the interval is still too wide, the first measurement is repeated once: on a busy machine a longer verdict is
    better than none.
    """
    rng = np.random.default_rng(trial.session.seed())
    # A turn that takes seconds is no outlier, and confirming it would take as long again.
    quick = [shape for shape in samples.plan.shapes if not _slow(samples, shape)]
    found = {shape: samples.interval(shape, rng) for shape in quick}
    suspicious = tuple(shape for shape in quick if found[shape].ratio > SUSPICIOUS)
    # What is clearly slow makes no claim that needs a second measurement.
    slow = {shape for shape in quick if found[shape].high < CLEARLY_SLOW}
    usual = tuple(shape for shape in quick if shape not in suspicious and shape not in slow)
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
    """The distance of two measurements beyond their intervals, as a log; 0.0 when they agree."""
    shapes = second.plan.shapes
    one = Samples(replace(first.plan, shapes=shapes), {shape: first.pairs[shape] for shape in shapes}).mean(
        rng
    )
    two = second.mean(rng)
    return max(0.0, abs(one.centre - two.centre) - one.half_width - two.half_width)


def _stretched(samples: Samples, trial: _Trial) -> dict[Shape, float]:
    """Slowdown of the baseline's best turn during the race, as a log; 0.0 with one thread.

    Threads that wait for each other can be delayed in every single turn of a race, and then a kernel's gain over the
    baseline means nothing.
    """
    if trial.threads == 1:
        return dict.fromkeys(samples.plan.shapes, 0.0)
    known_ns = {s: trial.session.batching(s, trial.threads).baseline_ns for s in samples.plan.shapes}
    best_ns = {s: min(pair.baseline_ns for pair in samples.pairs[s]) for s in samples.plan.shapes}
    return {s: max(0.0, math.log(best_ns[s] / known_ns[s]) - STRETCHED) for s in samples.plan.shapes}


def _mean(doubts: Mapping[Shape, float]) -> float:
    return sum(doubts.values()) / len(doubts)


def _joined(first: Samples, second: Samples) -> Samples:
    """The pairs of both measurements, with the second's processes numbered after the first's."""
    offset = 1 + max(pair.process for pairs in first.pairs.values() for pair in pairs)
    more = {
        shape: [replace(pair, process=pair.process + offset) for pair in pairs]
        for shape, pairs in second.pairs.items()
    }
    return Samples(first.plan, {shape: pairs + more.get(shape, []) for shape, pairs in first.pairs.items()})


def _settled(samples: Samples, trial: _Trial, spread: float) -> Score | Inconclusive:
    """The score, or Inconclusive when the interval is too wide; the clock's bias and a disagreement of both runs widen
    it.
    """
    session, control = trial.session, trial.control
    rng = np.random.default_rng(session.seed())
    doubt = control.bias + spread
    # If the A/A control could measure equal programs only to ±x, every other ratio of the session is at least that
    # uncertain.
    busy = max(BUSY_HALF_WIDTH if samples.mostly_disturbed else 0.0, control.half_width - USUAL_CONTROL)
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
    if len(found) == 1:
        found = dict.fromkeys(found, mean)
    return Score(
        ratio=mean.ratio,
        ratio_low=mean.low,
        ratio_high=mean.high,
        per_shape=_per_shape(samples, found, peak_gflops),
        threads=trial.threads,
        baseline=str(session.baseline),
        aa_low=control.low,
        aa_high=control.high,
        ceilings=session.peak().ceilings(trial.threads),
    )


def _peak_gflops(samples: Samples, trial: _Trial) -> float:
    """The machine's peak for the thread class; measured again when a kernel ran faster, because then it was too low."""
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
        time_ns, baseline_ns = samples.typical_ns(shape)
        error, baseline_error = samples.errors(shape)
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
                pairs=len(samples.used_pairs(shape)),
                error=error,
                baseline_error=baseline_error,
            )
        )
    return tuple(timings)
