"""Paired measurement: fresh process pairs, blocks of alternating turns, until intervals are narrow or time is up.

Knows nothing of processes and clocks: the caller opens each ProcessPair, so that the same code is tested on
simulated noise and used on real workers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np

from harness.clock.statistics import Best, Groups, RatioInterval, geometric_mean, interval
from harness.shapes import Shape
from harness.verdict import Rejection

# A candidate's turn longer than this is not thrown away as a warm-up: naive code takes 10 s at 1024³.
SLOW_TURN_S = 0.25


# Pairs at the beginning of a block that do not count: they find the caches as drawing and verifying left them.
WARM_UP = 1
# From so many processes undisturbed pairs are enough to leave the others out.
CLEAN_PROCESSES = 4


class Side(StrEnum):
    """Who has the turn."""

    CANDIDATE = "candidate"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Turn:
    """One timed batch of `products`, and whether the machine left it undisturbed (never judged by value)."""

    batch_ns: float
    products: int
    clean: bool

    @property
    def time_ns(self) -> float:
        """Nanoseconds per product."""
        return self.batch_ns / self.products


@dataclass(frozen=True, slots=True)
class Pair:
    """Two neighbouring turns, one of each side: nanoseconds per product, seconds of the longer turn.

    `clean` when neither was disturbed.
    """

    process: int
    time_ns: float
    baseline_ns: float
    longest_s: float
    clean: bool

    @property
    def log_ratio(self) -> float:
        """log(t_blas / t_candidate)."""
        return math.log(self.baseline_ns / self.time_ns)


class ProcessPair(Protocol):
    """A candidate's process and a baseline's, both fresh, on the same cores; only one runs at a time."""

    def block(self, shape: Shape, sides: Sequence[Side], warm: int) -> list[Turn] | Rejection:
        """One turn after the other, as closely as can be: each with new inputs, each a timed batch of products.

        The first `warm` turns of each side are on integers, exact to the bit, the others on reals. Every output is
        verified, outside the timed regions.
        """
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure. Counts are fixed before the candidate runs; only the end depends on what is seen.

    target: half-width, as a fraction, at which a shape is done. `pairs`: pairs per shape and process pair that count.
    """

    shapes: tuple[Shape, ...]
    budget_s: float
    target: float = 0.01
    pairs: int = 2
    min_processes: int = 8
    max_processes: int = 60
    # More than one: threads that wait for each other at barriers, see Samples.groups.
    threads: int = 1


@dataclass(slots=True)
class Samples:
    """All pairs seen so far, by shape, and what follows from them."""

    plan: Plan
    pairs: dict[Shape, list[Pair]] = field(default_factory=dict)

    def kept(self, shape: Shape) -> list[Pair]:
        """The undisturbed pairs when they come from enough processes; else all, and a wider interval.

        A disturbance costs both sides about the same time, which moves the ratio towards 1. But on a machine that is
        never quiet "clean" pairs are rare; to insist on them would mean to measure nothing.
        """
        every = self.pairs[shape]
        clean = [pair for pair in every if pair.clean]
        processes = len({pair.process for pair in every})
        enough = len({pair.process for pair in clean}) >= min(CLEAN_PROCESSES, processes)
        return clean if enough else every

    def best_ns(self, shape: Shape) -> dict[int, tuple[float, float]]:
        """Nanoseconds of the candidate's and of the baseline's best turn in each process."""
        turns: dict[int, list[Pair]] = {}
        for pair in self.pairs[shape]:
            turns.setdefault(pair.process, []).append(pair)
        return {
            process: (min(pair.time_ns for pair in pairs), min(pair.baseline_ns for pair in pairs))
            for process, pairs in turns.items()
        }

    def typical_ns(self, shape: Shape) -> tuple[float, float]:
        """Nanoseconds per product to show beside the ratio, candidate and baseline: medians, or the best (threads)."""
        if self.plan.threads > 1:
            ours, theirs = zip(*self.best_ns(shape).values(), strict=True)
            return min(ours), min(theirs)
        kept = self.kept(shape)
        return float(np.median([pair.time_ns for pair in kept])), float(
            np.median([pair.baseline_ns for pair in kept])
        )

    @property
    def mostly_disturbed(self) -> bool:
        """Whether less than half of all pairs were left alone by the machine."""
        every = [pair.clean for pairs in self.pairs.values() for pair in pairs]
        return 2 * sum(every) < len(every)

    def groups(self, shape: Shape) -> Groups | Best:
        """What the interval is made of: the log-ratios of the kept pairs by process; with several threads, best turns.

        Threads wait for one another, so a few milliseconds of foreign load on one core stretch a whole turn several
        times over, on either side, and most turns of a busy machine are stretched. Noise only adds (Chen and Revels
        2016), so there each side's best of equally many turns is compared.
        """
        if self.plan.threads > 1:
            return Best(self.best_ns(shape))
        grouped: dict[int, list[float]] = {}
        for pair in self.kept(shape):
            grouped.setdefault(pair.process, []).append(pair.log_ratio)
        return grouped

    def interval(self, shape: Shape, rng: np.random.Generator) -> RatioInterval:
        """The interval of one shape's log-ratio."""
        return interval(self.groups(shape), rng)

    def mean(self, rng: np.random.Generator) -> RatioInterval:
        """The interval of the geometric mean over the suite."""
        return geometric_mean([self.groups(shape) for shape in self.plan.shapes], rng)


class _Race:
    """One measurement under way; see `race`."""

    def __init__(self, plan: Plan, now_s: Callable[[], float], seed: int) -> None:
        self.plan = plan
        self.now_s = now_s
        self.began_s = now_s()
        self.order = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        self.samples = Samples(plan, {shape: [] for shape in plan.shapes})
        self.cost_s: dict[Shape, float] = {}
        # Pairs of a block: those that warm up, those that count.
        self.length: dict[Shape, tuple[int, int]] = {}
        self.rate_s_per_flop = 0.0

    def left_s(self) -> float:
        return self.plan.budget_s - (self.now_s() - self.began_s)

    def due(self, process: int) -> list[Shape]:
        """The shapes of the next round, in random order: not narrow yet, and affordable."""
        wanting = [shape for shape in self.plan.shapes if not self.done(shape, process)]
        if process == 0:
            # Small ones first: they tell whether a large one is so slow that it must wait for its turn.
            return sorted(wanting, key=lambda shape: shape.flops)
        affordable, spent = [], 0.0
        for shape in sorted(wanting, key=lambda shape: self.cost_s.get(shape, math.inf)):
            spent += self.cost_s.get(shape, math.inf)
            if spent <= self.left_s():
                affordable.append(shape)
        self.order.shuffle(affordable)
        return affordable

    def done(self, shape: Shape, processes: int) -> bool:
        if processes < self.plan.min_processes or not self.samples.pairs[shape]:
            return False
        return self.samples.interval(shape, self.rng).half_width <= self.plan.target

    def round(self, duel: ProcessPair, process: int, shapes: Sequence[Shape]) -> Rejection | None:
        """One process pair over `shapes`; a rejection ends the race."""
        for shape in shapes:
            if process == 0 and self.postponed(shape):
                continue
            outcome = self.measure(duel, process, shape)
            if outcome is not None:
                return outcome
        return None

    def postponed(self, shape: Shape) -> bool:
        return shape != self.plan.shapes[0] and self.rate_s_per_flop * shape.flops > SLOW_TURN_S

    def measure(self, duel: ProcessPair, process: int, shape: Shape) -> Rejection | None:
        """One block of alternating turns, whose first pair is a warm-up that looks like all others.

        The first time a shape is met, one pair alone tells what it costs; of a slow candidate that pair already counts,
        and where preparing the data takes long it is the warm-up.
        """
        began_s = self.now_s()
        order = self.order.sample(list(Side), 2)
        warm, counted = self.length.get(shape, (0, 0))
        if shape not in self.length:
            trial = self.block(duel, process, shape, order, 0)
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
        pairs = self.block(duel, process, shape, order * (warm + counted), warm)
        if not isinstance(pairs, list):
            return pairs
        self.samples.pairs[shape] += pairs[warm:]
        self.cost_s[shape] = self.now_s() - began_s
        return None

    def block(
        self, duel: ProcessPair, process: int, shape: Shape, sides: Sequence[Side], warm: int
    ) -> list[Pair] | Rejection:
        turns = duel.block(shape, sides, warm)
        if not isinstance(turns, list):
            return turns
        pairs = []
        for at in range(0, len(turns), 2):
            ours_at, theirs_at = (at, at + 1) if sides[at] is Side.CANDIDATE else (at + 1, at)
            ours, theirs = turns[ours_at], turns[theirs_at]
            longest_s = max(ours.batch_ns, theirs.batch_ns) / 1e9
            pairs.append(Pair(process, ours.time_ns, theirs.time_ns, longest_s, ours.clean and theirs.clean))
        return pairs


def race(
    plan: Plan,
    open_duel: Callable[[int], AbstractContextManager[ProcessPair]],
    now_s: Callable[[], float],
    seed: int,
) -> Samples | Rejection:
    """Measure every shape of `plan` in fresh process pairs until all are narrow enough or the budget is spent.

    `open_duel(process)` starts the process pair number `process`; `now_s` is a monotonic clock in seconds. Every
    shape is measured at least once, whatever it costs: the worker's own time limit ends what never ends.
    """
    going = _Race(plan, now_s, seed)
    for process in range(plan.max_processes):
        shapes = going.due(process)
        if not shapes:
            break
        with open_duel(process) as duel:
            rejection = going.round(duel, process, shapes)
        if rejection is not None:
            return rejection
    rejection = _stragglers(going, open_duel)
    return rejection if rejection is not None else going.samples


def _stragglers(
    going: _Race, open_duel: Callable[[int], AbstractContextManager[ProcessPair]]
) -> Rejection | None:
    """The shapes that were too slow to go with the others: once each, and again while the budget lasts."""
    late = [shape for shape in going.plan.shapes if not going.samples.pairs[shape]]
    for again in range(going.plan.min_processes):
        shapes = [s for s in late if again == 0 or going.cost_s[s] <= going.left_s()]
        if not shapes:
            break
        process = going.plan.max_processes + again
        with open_duel(process) as duel:
            for shape in shapes:
                rejection = going.measure(duel, process, shape)
                if rejection is not None:
                    return rejection
    return None
