"""Screening: many kernels timed briefly against the baseline; after each round the slower half is left out.

Successive halving (Jamieson and Talwalkar 2016): one brief timing shows that most kernels are not the best, and the
time saved goes to those that are close. Every kernel of a round is timed before any is left out, so their order does
not matter; the pruners of Optuna decide while later kernels are still unknown.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from harness.clock.pairs import Plan, Samples
from harness.clock.session import ClockSession
from harness.clock.worker_pair import Rival
from harness.shapes import Shape, TimedForm

# Process pairs that each kernel gets in each round.
ROUNDS = (1, 2, 4)
# Share of the kernels that go on to the next round, but at least two.
KEPT_SHARE = 0.5
# A round ends early for a kernel that has taken this share of the clock's budget.
ROUND_SHARE = 0.5
# Shapes that are timed; of a longer suite, each stands for its neighbours in size and form.
MOST_SHAPES = 6


def screen(
    kernels: Sequence[Rival], thread_class: str, session: ClockSession, wanted: Sequence[Shape] = ()
) -> list[float | None]:
    """t_blas / t_candidate of each kernel, geometric mean over the suite, or over the `wanted` ones of its shapes;
    None where an output was wrong.

    Of a long suite only `representatives` are timed, and of one whose large shapes would take more than the time
    for a round, only the smaller shapes. A kernel that is left out early has a ratio of one process pair (a few
    percent off), the last ones of all rounds. Nothing is confirmed, no secret shape is timed, and no interval is
    given: it is a choice of what to judge, no verdict. Waits for the clock's lock. Raises HarnessFaultError when
    the baseline fails.
    """
    if not kernels:
        return []
    threads = session.threads(thread_class)
    alive = list(range(len(kernels)))
    seen: dict[int, list[tuple[float, int]]] = {index: [] for index in alive}
    with session.alone(threads):
        suite = session.suite_of(kernels[0].program)
        weights = representatives(affordable(session, threads, tuple(wanted) or suite))
        for processes in ROUNDS:
            for index in alive:
                centre = _timed(kernels[index], processes, threads, weights, session)
                seen[index] = [] if centre is None else [*seen[index], (centre, processes)]
            alive = [index for index in alive if seen[index]]
            alive.sort(key=lambda index: _mean(seen[index]), reverse=True)
            alive = alive[: max(2, math.ceil(len(alive) * KEPT_SHARE))]
            if len(alive) < 2:
                break
    return [math.exp(_mean(found)) if found else None for found in seen.values()]


def affordable(session: ClockSession, threads: int, suite: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The shapes of a suite, smallest product first, that both sides at the peak multiply in the time of a round;
    at least one.
    """
    left_s, peak = _round_s(session, suite), session.peak()
    chosen: list[Shape] = []
    for shape in sorted(suite, key=lambda shape: shape.flops):
        left_s -= peak.pair_s(shape, threads)
        if chosen and left_s < 0:
            break
        chosen.append(shape)
    return tuple(shape for shape in suite if shape in chosen)


def representatives(shapes: Sequence[Shape]) -> dict[Shape, int]:
    """At most MOST_SHAPES of the shapes, each with the number of shapes for which it stands.

    In order of form and size, the shapes are cut into runs of nearly equal length; the middle one of each is taken. So
    the weighted mean estimates that of all shapes.
    """
    ordered = sorted(shapes, key=lambda shape: (_form_of(shape), shape.flops, shape))
    count = min(MOST_SHAPES, len(ordered))
    bounds = [number * len(ordered) // count for number in range(count + 1)]
    return {ordered[(low + high) // 2]: high - low for low, high in itertools.pairwise(bounds)}


def _form_of(shape: Shape) -> str:
    """The layout of a timed form without its extents; empty for a shape without one."""
    if not isinstance(shape, TimedForm):
        return ""
    return f"{shape.leading is not None} {shape.letters} {shape.adds} {shape.alpha}"


def _timed(
    kernel: Rival, processes: int, threads: int, weights: Mapping[Shape, int], session: ClockSession
) -> float | None:
    """The weighted mean log-ratio over the shapes in fresh process pairs; None when the kernel is rejected."""
    shapes = tuple(weights)
    plan = Plan(shapes, _round_s(session, shapes), min_processes=processes, max_processes=processes)
    samples = session.race(plan, kernel.program, threads, kernel.levels)
    if not isinstance(samples, Samples):
        return None
    rng = np.random.default_rng(0)
    centres = [samples.interval(shape, rng).centre for shape in shapes]
    return float(np.average(centres, weights=list(weights.values())))


def _round_s(session: ClockSession, suite: tuple[Shape, ...]) -> float:
    """Seconds for one kernel in one round."""
    return session.for_suite(ROUND_SHARE * session.settings.clock_budget_s, suite)


def _mean(found: Sequence[tuple[float, int]]) -> float:
    return sum(centre * weight for centre, weight in found) / sum(weight for _, weight in found)
