"""Paired measurement: fresh process pairs, blocks of alternating turns, until intervals are narrow or time is up.

Knows nothing of processes and clocks: the caller opens each ProcessPair, so that the same code is tested on
simulated noise and used on real workers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np

from harness.clock.statistics import Best, Groups, RatioInterval, geometric_mean, interval
from harness.shapes import Shape
from harness.verdict import Rejection

# Seconds. A candidate's turn longer than this is counted, not discarded as warm-up: naive code takes 10 s at 1024³.
SLOW_TURN_S = 0.25
# Pairs at the start of a block that do not count, because drawing and verifying left the caches in another
# state.
WARM_UP = 1
# Minimum number of processes with clean pairs before disturbed pairs are dropped.
CLEAN_PROCESSES = 4
# Ratio to BLAS. When the whole interval is below it, the kernel is far slower than BLAS in any case.
CLEARLY_SLOW = 0.5
# Half-width of the interval, as a fraction, at which a shape of such a kernel is done.
SLOW_TARGET = 0.05
# Number of processes after which it may be done.
SLOW_PROCESSES = 4


class Side(StrEnum):
    """The two sides of a race."""

    CANDIDATE = "candidate"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Turn:
    """One timed batch of `products`, and whether the machine left it undisturbed (judged without looking at
    its time). A turn during which this process did not run is `void`.

    `error` is the relative error of the outputs where it was measured (`harness.clock.data.RealData.relative_error`).
    """

    batch_ns: float
    products: int
    clean: bool
    void: bool = False
    error: float | None = None

    @property
    def time_ns(self) -> float:
        """Nanoseconds per product."""
        return self.batch_ns / self.products


@dataclass(frozen=True, slots=True)
class Pair:
    """Two neighbouring turns, one per side: nanoseconds per product, and seconds of the longer turn.

    `clean` means that neither turn was disturbed. The relative errors are those of the turns, where measured.
    """

    process: int
    time_ns: float
    baseline_ns: float
    longest_s: float
    clean: bool
    error: float | None = None
    baseline_error: float | None = None

    @property
    def log_ratio(self) -> float:
        """log(t_blas / t_candidate)."""
        return math.log(self.baseline_ns / self.time_ns)


class ProcessPair(Protocol):
    """A candidate's process and a baseline's, both fresh, on the same cores; only one runs at a time."""

    def block(self, shape: Shape, sides: Sequence[Side], warm: int) -> list[Turn] | Rejection:
        """Run turns back to back: each with new inputs, each a timed batch of products.

        The first `warm` turns of each side use integers, exact to the bit; the others use reals. Every output is
        verified outside of the timed regions.
        """
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure. Counts are fixed before the candidate runs; only the end depends on the measurements.

    target: half-width of the interval, as a fraction, at which a shape is done. pairs: counted pairs per shape and
    process pair. insets: bytes between the beginning of a 64-byte line and that of each matrix, where not 0.
    """

    shapes: tuple[Shape, ...]
    budget_s: float
    target: float = 0.01
    pairs: int = 2
    min_processes: int = 8
    max_processes: int = 60
    # With more than one thread, threads wait for each other at barriers; see Samples.groups.
    threads: int = 1
    insets: Mapping[Shape, int] = field(default_factory=dict)


@dataclass(slots=True)
class Samples:
    """All pairs so far, by shape, and the estimates derived from them."""

    plan: Plan
    pairs: dict[Shape, list[Pair]] = field(default_factory=dict)

    def used_pairs(self, shape: Shape) -> list[Pair]:
        """The undisturbed pairs if they come from enough processes; otherwise all pairs, which gives a wider interval.

        A disturbance costs both sides about the same time, which moves the ratio towards 1. On a machine that is never
        quiet, clean pairs are too rare to rely on them alone.
        """
        every = self.pairs[shape]
        clean = [pair for pair in every if pair.clean]
        processes = len({pair.process for pair in every})
        enough = len({pair.process for pair in clean}) >= min(CLEAN_PROCESSES, processes)
        return clean if enough else every

    def best_ns(self, shape: Shape) -> dict[int, tuple[float, float]]:
        """Nanoseconds of the candidate's and the baseline's best turn in each process."""
        turns: dict[int, list[Pair]] = {}
        for pair in self.pairs[shape]:
            turns.setdefault(pair.process, []).append(pair)
        return {
            process: (min(pair.time_ns for pair in pairs), min(pair.baseline_ns for pair in pairs))
            for process, pairs in turns.items()
        }

    def typical_ns(self, shape: Shape) -> tuple[float, float]:
        """Nanoseconds per product for display, candidate and baseline: medians, or with several threads the best."""
        if self.plan.threads > 1:
            ours, theirs = zip(*self.best_ns(shape).values(), strict=True)
            return min(ours), min(theirs)
        used = self.used_pairs(shape)
        return float(np.median([pair.time_ns for pair in used])), float(
            np.median([pair.baseline_ns for pair in used])
        )

    def errors(self, shape: Shape) -> tuple[float | None, float | None]:
        """Median relative errors of the candidate and the baseline; None where none was measured."""
        ours = [pair.error for pair in self.pairs[shape] if pair.error is not None]
        theirs = [pair.baseline_error for pair in self.pairs[shape] if pair.baseline_error is not None]
        return (
            float(np.median(ours)) if ours else None,
            float(np.median(theirs)) if theirs else None,
        )

    @property
    def mostly_disturbed(self) -> bool:
        """Whether fewer than half of all pairs were undisturbed."""
        every = [pair.clean for pairs in self.pairs.values() for pair in pairs]
        return 2 * sum(every) < len(every)

    def groups(self, shape: Shape) -> Groups | Best:
        """The samples of the interval: log-ratios of the used pairs by process; with several threads, the best turns.

        Threads wait for each other, so a few milliseconds of other load on one core stretch a whole turn several times
        over, on either side, and on a busy machine most turns are stretched. Noise only adds time (Chen and Revels
        2016), so the best of equally many turns of each side is compared.
        """
        if self.plan.threads > 1:
            return Best(self.best_ns(shape))
        grouped: dict[int, list[float]] = {}
        for pair in self.used_pairs(shape):
            grouped.setdefault(pair.process, []).append(pair.log_ratio)
        return grouped

    def interval(self, shape: Shape, rng: np.random.Generator) -> RatioInterval:
        """The interval of one shape's log-ratio."""
        return interval(self.groups(shape), rng)

    def mean(self, rng: np.random.Generator) -> RatioInterval:
        """The interval of the geometric mean over the suite."""
        return geometric_mean([self.groups(shape) for shape in self.plan.shapes], rng)


class _Race:
    """One measurement in progress; see `race`."""

    def __init__(self, plan: Plan, now_s: Callable[[], float], seed: int) -> None:
        self.plan = plan
        self.now_s = now_s
        self.began_s = now_s()
        self.order = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        self.samples = Samples(plan, {shape: [] for shape in plan.shapes})
        self.cost_s: dict[Shape, float] = {}
        # Pairs per block: warm-up pairs, counted pairs.
        self.length: dict[Shape, tuple[int, int]] = {}
        self.rate_s_per_flop = 0.0

    def left_s(self) -> float:
        return self.plan.budget_s - (self.now_s() - self.began_s)

    def due(self, process: int) -> list[Shape]:
        """The shapes of the next round, in random order: those with a wide interval that the budget still allows."""
        wanting = [shape for shape in self.plan.shapes if not self.done(shape, process)]
        if process == 0:
            # Small shapes first: they show whether a large one is so slow that it must be postponed.
            return sorted(wanting, key=lambda shape: shape.flops)
        affordable, spent = [], 0.0
        for shape in sorted(wanting, key=lambda shape: self.cost_s.get(shape, math.inf)):
            spent += self.cost_s.get(shape, math.inf)
            if spent <= self.left_s():
                affordable.append(shape)
        self.order.shuffle(affordable)
        return affordable

    def done(self, shape: Shape, processes: int) -> bool:
        """Whether the interval of a shape is narrow enough; for a kernel clearly below 0.5 × BLAS a wider interval
        suffices.
        """
        enough = min(SLOW_PROCESSES, self.plan.min_processes)
        if processes < enough or not self.samples.pairs[shape]:
            return False
        found = self.samples.interval(shape, self.rng)
        if found.high < CLEARLY_SLOW and found.half_width <= SLOW_TARGET:
            return True
        return processes >= self.plan.min_processes and found.half_width <= self.plan.target

    def round(self, pair: ProcessPair, process: int, shapes: Sequence[Shape]) -> Rejection | None:
        """Measure `shapes` in one process pair; a rejection ends the race."""
        for shape in shapes:
            if process == 0 and self.postponed(shape):
                continue
            outcome = self.measure(pair, process, shape)
            if outcome is not None:
                return outcome
        return None

    def postponed(self, shape: Shape) -> bool:
        return shape != self.plan.shapes[0] and self.rate_s_per_flop * shape.flops > SLOW_TURN_S

    def measure(self, pair: ProcessPair, process: int, shape: Shape) -> Rejection | None:
        """One block of alternating turns. The first pair is a warm-up that looks like all others to the kernel.

        The first block of a shape has one pair and shows what the shape costs. For a slow candidate that pair counts;
        where drawing the data takes long, it is the warm-up.
        """
        began_s = self.now_s()
        order = self.order.sample(list(Side), 2)
        warm, counted = self.length.get(shape, (0, 0))
        if shape not in self.length:
            trial = self.block(pair, process, shape, order, 0)
            if not isinstance(trial, list):
                return trial
            self.rate_s_per_flop = trial[0].time_ns / 1e9 / max(shape.flops, 1)
            self.cost_s[shape] = self.now_s() - began_s
            if trial[0].longest_s > SLOW_TURN_S:
                self.length[shape] = (0, 1)
                self.samples.pairs[shape] += trial
                return None
            dear = self.cost_s[shape] > SLOW_TURN_S
            self.length[shape] = (WARM_UP, 1 if dear else self.plan.pairs)
            warm, counted = (0, 1) if dear else self.length[shape]
        pairs = self.block(pair, process, shape, order * (warm + counted), warm)
        if not isinstance(pairs, list):
            return pairs
        self.samples.pairs[shape] += pairs[warm:]
        self.cost_s[shape] = self.now_s() - began_s
        return None

    def block(
        self, pair: ProcessPair, process: int, shape: Shape, sides: Sequence[Side], warm: int
    ) -> list[Pair] | Rejection:
        turns = pair.block(shape, sides, warm)
        if not isinstance(turns, list):
            return turns
        pairs = []
        for at in range(0, len(turns), 2):
            ours_at, theirs_at = (at, at + 1) if sides[at] is Side.CANDIDATE else (at + 1, at)
            ours, theirs = turns[ours_at], turns[theirs_at]
            longest_s = max(ours.batch_ns, theirs.batch_ns) / 1e9
            clean = ours.clean and theirs.clean
            pairs.append(
                Pair(process, ours.time_ns, theirs.time_ns, longest_s, clean, ours.error, theirs.error)
            )
        return pairs


def race(
    plan: Plan,
    open_pair: Callable[[int], AbstractContextManager[ProcessPair]],
    now_s: Callable[[], float],
    seed: int,
) -> Samples | Rejection:
    """Measure every shape of `plan` in fresh process pairs until all intervals are narrow or the budget is spent.

    `open_pair(process)` starts process pair number `process`; `now_s` is a monotonic clock in seconds. Every shape is
    measured at least once; the worker's own time limit ends endless calls.
    """
    going = _Race(plan, now_s, seed)
    for process in range(plan.max_processes):
        shapes = going.due(process)
        if not shapes:
            break
        with open_pair(process) as pair:
            rejection = going.round(pair, process, shapes)
        if rejection is not None:
            return rejection
    rejection = _stragglers(going, open_pair)
    return rejection if rejection is not None else going.samples


def _stragglers(
    going: _Race, open_pair: Callable[[int], AbstractContextManager[ProcessPair]]
) -> Rejection | None:
    """Measure the shapes that were too slow for the common rounds: once each, and again while the budget lasts."""
    late = [shape for shape in going.plan.shapes if not going.samples.pairs[shape]]
    for again in range(going.plan.min_processes):
        shapes = [s for s in late if again == 0 or going.cost_s[s] <= going.left_s()]
        if not shapes:
            break
        process = going.plan.max_processes + again
        with open_pair(process) as pair:
            for shape in shapes:
                rejection = going.measure(pair, process, shape)
                if rejection is not None:
                    return rejection
    return None
