"""Secret shapes near the timed ones, and what a gap between both means for a score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.clock.elsewhere import LEAST, MOST_FLOPS, secret_shapes
from harness.clock.suites import SUITES
from harness.saved_timings import Reach, reach
from harness.shapes import Shape
from harness.verdict import Accepted, Elsewhere, Score, describe

SUITE = st.sampled_from(list(SUITES.values())) | st.lists(
    st.builds(Shape, *[st.integers(1, 5000)] * 3), min_size=1, max_size=4, unique=True
).map(tuple)


@given(SUITE, st.integers(0, 1000))
def test_secret_shapes_are_untimed_and_cheap(suite: tuple[Shape, ...], seed: int) -> None:
    shapes = secret_shapes(suite, np.random.default_rng(seed))
    assert len(shapes) <= 3
    assert all(shape not in suite and 0 < shape.flops <= MOST_FLOPS for shape in shapes)


@given(st.integers(0, 1000))
def test_secret_shapes_lie_among_the_timed_ones(seed: int) -> None:
    suite = SUITES["default"]
    shapes = secret_shapes(suite, np.random.default_rng(seed))
    assert len(shapes) == 3
    assert all(min(shape) > 50 and max(shape) < 1100 for shape in shapes)


@given(st.integers(0, 1000))
def test_a_short_extent_stays_as_it_is(seed: int) -> None:
    shapes = secret_shapes((Shape(1, 1024, 1024), Shape(8, 1024, 1024)), np.random.default_rng(seed))
    assert shapes
    assert all(shape.m < LEAST and shape.m <= 8 for shape in shapes)


SCORE = Score(1.1, 1.09, 1.11, (), 1, "OpenBLAS", 0.99, 1.01)


def test_a_kernel_that_is_slow_elsewhere_may_claim_no_more_than_that() -> None:
    score = replace(SCORE, elsewhere=Elsewhere(0.2, 0.18, 0.22, (Shape(99, 101, 98),)))
    assert score.claimed == (0.2, 0.18, 0.22)
    assert reach(score, 1.0) is Reach.BELOW
    assert "elsewhere 0.20x, which counts" in describe(Accepted(score, "safe"))


def test_a_difference_within_the_intervals_does_not_count() -> None:
    for elsewhere in (Elsewhere(1.08, 1.05, 1.12, ()), Elsewhere(1.3, 1.29, 1.31, ()), None):
        score = replace(SCORE, elsewhere=elsewhere)
        assert score.claimed == (1.1, 1.09, 1.11)
        assert reach(score, 1.0) is Reach.REACHED
