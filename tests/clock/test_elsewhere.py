"""Secret shapes near the timed ones, and what a gap between both means for a score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock.elsewhere import (
    LEAST,
    MOST_FLOPS,
    SecretShape,
    most_flops,
    over_the_suite,
    secret_shapes,
)
from harness.clock.statistics import RatioInterval
from harness.clock.suites import SUITES
from harness.saved_timings import Reach, reach
from harness.shapes import Shape
from harness.verdict import Accepted, Elsewhere, Score, describe
from tests.clock.test_workers import session, timed
from tests.host import support

SUITE = st.sampled_from(list(SUITES.values())) | st.lists(
    st.builds(Shape, *[st.integers(1, 5000)] * 3), min_size=1, max_size=4, unique=True
).map(tuple)


@given(SUITE, st.integers(0, 1000))
def test_secret_shapes_are_untimed_and_cheap(suite: tuple[Shape, ...], seed: int) -> None:
    places = secret_shapes(suite, np.random.default_rng(seed))
    shapes = [place.shape for place in places]
    assert len(shapes) <= 3
    assert all(set(place.beside) <= set(suite) and place.beside for place in places)
    assert all(shape not in suite and 0 < shape.flops <= most_flops(suite) for shape in shapes)


@given(st.integers(0, 1000))
def test_secret_shapes_lie_among_the_timed_ones(seed: int) -> None:
    suite = SUITES["default"]
    places = secret_shapes(suite, np.random.default_rng(seed))
    shapes = [place.shape for place in places]
    assert len(shapes) == 3
    near, between, largest = places
    if near.beside[0].flops < MOST_FLOPS:
        assert max(abs(x - y) for x, y in zip(near.shape, near.beside[0], strict=True)) <= 7
    assert len(between.beside) == 2
    assert set(largest.beside) == set(sorted(suite)[-2:])
    assert all(min(shape) > 40 and max(shape) < 1600 for shape in shapes)
    assert [place.inset % 32 != 0 for place in places] == [True, False, False]
    assert max(between.shape) > 2 * min(between.shape)
    assert max(largest.shape) < 1.2 * min(largest.shape)


@given(st.integers(0, 1000))
def test_a_shape_that_was_scaled_down_lies_beside_the_timed_one_of_its_size(seed: int) -> None:
    """Else a kernel that gains more at large sizes would seem to lose at the secret ones."""
    suite = tuple(Shape(edge, edge, edge) for edge in (1024, 2048, 4096))
    assert most_flops(SUITES["default"]) == MOST_FLOPS
    for place in secret_shapes(suite, np.random.default_rng(seed)):
        sizes = [timed.flops / place.shape.flops for timed in place.beside]
        assert max(sizes) < 9
        assert min(sizes) > 1 / 9


@given(st.integers(0, 1000))
def test_a_short_extent_stays_as_it_is(seed: int) -> None:
    places = secret_shapes((Shape(1, 1024, 1024), Shape(8, 1024, 1024)), np.random.default_rng(seed))
    shapes = [place.shape for place in places]
    assert shapes
    assert all(shape.m < LEAST and shape.m <= 8 for shape in shapes)


SMALL, LARGE = Shape(64, 64, 64), Shape(1024, 1024, 1024)
PLACES = (SecretShape(Shape(66, 61, 67), (SMALL,)), SecretShape(Shape(260, 250, 257), (SMALL, LARGE)))


def test_a_kernel_that_does_as_well_between_the_timed_shapes_has_the_suites_ratio() -> None:
    # 1.3 x BLAS at 64³ and 1.0 at 1024³; 1.3 near 64³ and 1.14 between both: nothing is lost, whatever is drawn.
    timed = {SMALL: RatioInterval(np.log(1.3), 0.0), LARGE: RatioInterval(0.0, 0.0)}
    suite = RatioInterval(np.log(1.3) / 2, 0.0)
    secret = RatioInterval((np.log(1.3) + np.log(1.3) / 2) / 2, 0.0)
    assert over_the_suite(suite, timed, secret, PLACES).centre == pytest.approx(suite.centre)
    assert over_the_suite(
        suite, timed, RatioInterval(secret.centre - 0.7, 0.0), PLACES
    ).centre == pytest.approx(suite.centre - 0.7)


def test_every_doubt_widens_the_interval_elsewhere() -> None:
    timed = {SMALL: RatioInterval(0.0, 0.04), LARGE: RatioInterval(0.0, 0.04)}
    found = over_the_suite(RatioInterval(0.0, 0.01), timed, RatioInterval(0.0, 0.02), PLACES)
    assert found.half_width == pytest.approx(np.sqrt(0.01**2 + 0.02**2 + 0.02**2 + 0.01**2 + 0.01**2))


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


# Thirty-two times the work where a caller's operands are not like those of the timed shapes.
ONLY_THERE = {
    "on a 64-byte line": "[a.as_ptr(), b.as_ptr()].iter().all(|at| *at as usize % 64 == 0)",
    "where no extent is twice another": "m.max(k).max(n) <= 2 * m.min(k).min(n)",
}


@pytest.mark.perf
@pytest.mark.slow
@pytest.mark.parametrize("where", ONLY_THERE)
def test_what_is_fast_only_as_it_is_timed_may_not_claim_it(where: str) -> None:
    clock = session(suite="64,96")
    clock._controls = {1: RatioInterval(0.0, 0.01)}
    again = "right(m, k, n, std::hint::black_box(a), b, c)"
    score = timed(clock, f"for _ in 0..(if {ONLY_THERE[where]} {{ 1 }} else {{ 32 }}) {{ {again} }}")
    assert isinstance(score, Score)
    assert score.elsewhere is not None
    # One of three secret shapes is slower by 32: the mean falls by the third root of that, 3.2.
    assert score.elsewhere.ratio < 0.5 * score.ratio
    honest = timed(clock, support.NAIVE)
    assert isinstance(honest, Score)
    assert honest.elsewhere is not None
    assert 0.75 < honest.elsewhere.ratio / honest.ratio < 1.33
