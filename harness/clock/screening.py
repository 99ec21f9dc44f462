"""Screening: many kernels timed briefly against the baseline; after each round the slower half is left out.

Successive halving (Jamieson and Talwalkar 2016): one brief timing shows that most kernels are not the best, and the
time saved goes to those that are close. Every kernel of a round is timed before any is left out, so their order does
not matter; the pruners of Optuna decide while later kernels are still unknown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.clock.pairs import Plan, Samples
from harness.clock.session import ClockSession
from harness.clock.worker_pair import Rival
from harness.shapes import Shape

# Process pairs that each kernel gets in each round.
ROUNDS = (1, 2, 4)
# Share of the kernels that go on to the next round, but at least two.
KEPT_SHARE = 0.5
# A round ends early for a kernel that has taken this share of the clock's budget.
ROUND_SHARE = 0.5


def screen(
    kernels: Sequence[Rival], thread_class: str, session: ClockSession, wanted: Sequence[Shape] = ()
) -> list[float | None]:
    """t_blas / t_candidate of each kernel, geometric mean over the suite, or over the `wanted` ones of its shapes; None
    where an output was wrong.

    Of a suite whose large shapes would take more than the time for a round, only the smaller shapes are timed. A kernel
    that is left out early has a ratio of one process pair (a few percent off), the last ones of all rounds. Nothing is
    confirmed, no secret shape is timed, and no interval is given: it is a choice of what to judge, no verdict. Waits
    for the clock's lock. Raises HarnessFaultError when the baseline fails.
    """
    if not kernels:
        return []
    threads = session.threads(thread_class)
    alive = list(range(len(kernels)))
    seen: dict[int, list[tuple[float, int]]] = {index: [] for index in alive}
    with session.alone(threads):
        suite = session.suite_of(kernels[0].program)
        shapes = affordable(session, threads, tuple(wanted) or suite)
        for processes in ROUNDS:
            for index in alive:
                centre = _timed(kernels[index], processes, threads, shapes, session)
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


def _timed(
    kernel: Rival, processes: int, threads: int, shapes: tuple[Shape, ...], session: ClockSession
) -> float | None:
    """The mean log-ratio over the shapes in fresh process pairs; None when the kernel is rejected."""
    budget_s = _round_s(session, session.suite_of(kernel.program))
    plan = Plan(shapes, budget_s, min_processes=processes, max_processes=processes)
    samples = session.race(plan, kernel.program, threads, kernel.levels)
    return samples.mean(np.random.default_rng(0)).centre if isinstance(samples, Samples) else None


def _round_s(session: ClockSession, suite: tuple[Shape, ...]) -> float:
    """Seconds for one kernel in one round."""
    return session.for_suite(ROUND_SHARE * session.settings.clock_budget_s, suite)


def _mean(found: Sequence[tuple[float, int]]) -> float:
    return sum(centre * weight for centre, weight in found) / sum(weight for _, weight in found)
