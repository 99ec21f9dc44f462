"""The planned shapes for data that fills the mantissa: all of them, in an order that a kernel cannot know."""

from __future__ import annotations

from itertools import pairwise

from harness.judge import path_changes, regions, strategies
from harness.judge.examination import Examination
from harness.shapes import Shape
from tests.judge.fakes import examination_for, honest

TIMED = (Shape(64, 64, 64), Shape(256, 256, 256))


def examination(seed: int) -> Examination:
    return examination_for(honest, seed=seed, timed_shapes=TIMED)


def test_every_larger_planned_shape_gets_reals() -> None:
    here = examination(7)
    between = (strategies.medium, regions.narrow, regions.moderate)
    plans = (*between, path_changes.beyond, strategies.near_timed, strategies.elongated)
    assert sorted(path_changes.everywhere(here)) == sorted(shape for plan in plans for shape in plan(here))


def test_a_slow_kernel_cannot_know_which_kinds_of_shapes_are_left_out() -> None:
    """Among the first ten shapes of some seed there is one of each plan."""
    early = {"medium": 0, "beyond": 0, "elongated": 0}
    for seed in range(30):
        here = examination(seed)
        first = set(list(path_changes.everywhere(here))[:10])
        early["medium"] += bool(first & set(strategies.medium(here)))
        early["beyond"] += bool(first & set(path_changes.beyond(here)))
        early["elongated"] += bool(first & set(strategies.elongated(here)))
    assert min(early.values()) >= 10


def test_elongated_shapes_come_shortest_first() -> None:
    long = [shape for shape in path_changes.everywhere(examination(3)) if strategies.is_elongated(shape)]
    assert len(long) > 10
    assert all(max(one) <= max(other) for one, other in pairwise(long))
