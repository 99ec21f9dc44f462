"""Which kernels a screening times how often, on simulated ratios."""

from __future__ import annotations

import math
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import screening
from harness.clock.floor import Peak
from harness.clock.pairs import Pair, Plan, Samples
from harness.clock.screening import ROUNDS, screen
from harness.clock.suites import SUITES
from harness.clock.worker_pair import Rival
from harness.judge.scheme_levels import SchemeLevels
from harness.shapes import Shape, TimedForm
from harness.verdict import At, Gate, Timeout

SHAPE = Shape(64, 64, 64)


# 100 GFLOP/s.
PEAK = Peak(100.0, 200.0, 200.0, 20.0, "simulated", "now", 150.0, 60.0)


class SimulatedSession:
    """Every program is its own ratio; None is rejected."""

    suite = (SHAPE,)
    settings = SimpleNamespace(clock_budget_s=1.0)

    def __init__(self) -> None:
        self.processes: dict[int, int] = {}

    def threads(self, thread_class: str) -> int:
        return 1

    def alone(self, threads: int) -> Any:
        return nullcontext()

    def suite_of(self, program: Any) -> tuple[Shape, ...]:
        return self.suite

    def for_suite(self, budget_s: float, suite: tuple[Shape, ...]) -> float:
        return budget_s

    def peak(self) -> Peak:
        return PEAK

    def race(self, plan: Plan, program: Any, threads: int, levels: SchemeLevels) -> Any:
        index, ratio = program
        self.processes[index] = self.processes.get(index, 0) + plan.max_processes
        if ratio is None:
            return Timeout(1.0, At(Gate.CLOCK))
        pairs = [Pair(process, 1e3, 1e3 * ratio, 1e-3, True) for process in range(plan.max_processes)]
        return Samples(plan, dict.fromkeys(plan.shapes, pairs))


def screened(ratios: list[float | None]) -> tuple[list[float | None], dict[int, int]]:
    session = SimulatedSession()
    found = screen([Rival("", one) for one in enumerate(ratios)], "1", session)  # type: ignore[arg-type]
    return found, session.processes


@given(st.lists(st.none() | st.floats(0.01, 3.0), min_size=1, max_size=12))
def test_every_kernel_gets_its_own_ratio_and_the_best_the_most_processes(ratios: list[float | None]) -> None:
    found, processes = screened(ratios)
    for given_ratio, ratio in zip(ratios, found, strict=True):
        assert (ratio is None) == (given_ratio is None)
        assert ratio is None or ratio == pytest.approx(given_ratio)
    assert set(processes) == set(range(len(ratios)))
    usable = [index for index, ratio in enumerate(ratios) if ratio is not None]
    if len(usable) > 1:
        best = max(usable, key=lambda index: ratios[index] or 0.0)
        assert processes[best] == max(processes.values()) > ROUNDS[0]


def test_the_slower_half_is_left_out_after_each_round() -> None:
    _, processes = screened([0.5, 0.9, 1.1, 0.7, 1.0, None])
    assert processes == {0: 1, 3: 1, 5: 1, 1: 3, 4: 7, 2: 7}


def test_a_single_kernel_is_not_timed_further() -> None:
    assert screened([1.0]) == ([pytest.approx(1.0)], {0: ROUNDS[0]})


def test_the_mean_weighs_the_rounds_by_their_processes() -> None:
    assert screening._mean([(0.0, 1), (math.log(2), 3)]) == pytest.approx(0.75 * math.log(2))


def test_of_a_suite_with_large_shapes_the_small_ones_are_timed() -> None:
    """In half a second of a round: 2 x 20 ms for each product of 1024^3, and 2 x 10 s for 8192^3."""
    session = SimulatedSession()
    small, medium, large = Shape(64, 64, 64), Shape(1024, 1024, 1024), Shape(8192, 8192, 8192)
    every = (large, small, medium)
    assert screening.affordable(session, 1, every) == (small, medium)  # type: ignore[arg-type]
    assert screening.affordable(session, 1, (large,)) == (large,)  # type: ignore[arg-type]


@given(st.lists(st.builds(Shape, *[st.integers(1, 4096)] * 3), min_size=1, max_size=40, unique=True))
def test_representatives_stand_for_every_shape_once(shapes: list[Shape]) -> None:
    found = screening.representatives(shapes)
    assert sum(found.values()) == len(shapes)
    assert len(found) == min(len(shapes), screening.MOST_SHAPES)
    assert set(found) <= set(shapes)
    assert max(found.values()) - min(found.values()) <= 1


def test_representatives_of_the_training_suite_have_every_layout() -> None:
    found = screening.representatives(SUITES["gpt2-train"])
    assert {shape.letters for shape in found if isinstance(shape, TimedForm)} == {"nn", "nt", "tn"}
    assert {shape.plain == Shape(64, 64, 64) for shape in found if isinstance(shape, TimedForm)} == {
        True,
        False,
    }


def test_of_a_long_suite_the_mean_over_representatives_is_weighted() -> None:
    """A kernel that is twice as fast as BLAS at products with one row, and level elsewhere."""

    class ByShape(SimulatedSession):
        suite = tuple(Shape(1, k, 8) for k in range(1, 7)) + tuple(Shape(500, k, 8) for k in range(1, 8))

        def race(self, plan: Plan, program: Any, threads: int, levels: SchemeLevels) -> Any:
            assert len(plan.shapes) == screening.MOST_SHAPES
            pairs = {
                shape: [Pair(process, 1e3, 2e3 if shape.m == 1 else 1e3, 1e-3, True) for process in range(2)]
                for shape in plan.shapes
            }
            return Samples(plan, pairs)

    found = screen([Rival("", (0, 1.0))], "1", ByShape())  # type: ignore[arg-type]
    assert found == [pytest.approx(2 ** (6 / 13))]


def test_only_the_wanted_shapes_are_timed() -> None:
    class Noting(SimulatedSession):
        def race(self, plan: Plan, program: Any, threads: int, levels: SchemeLevels) -> Any:
            seen.extend(plan.shapes)
            return super().race(plan, program, threads, levels)

    seen: list[Shape] = []
    screen([Rival("", (0, 1.0))], "1", Noting(), [Shape(8, 64, 64)])  # type: ignore[arg-type]
    assert set(seen) == {Shape(8, 64, 64)}
