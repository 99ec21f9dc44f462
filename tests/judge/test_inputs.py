"""The data of the checks is exact where it must be, and avoids underflow where every bit counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge import inputs
from harness.judge.oracles.special import KINDS, special_data
from harness.judge.oracles.values import BIAS, SCALE_REACH, graded_reals
from harness.judge.reference import (
    EXACT_LIMIT,
    componentwise_bound,
    exact_f32,
    first_wrong,
    normwise_bound,
    product_f64,
    rms_unit,
    unequal,
)
from harness.shapes import Shape
from tests.judge.fakes import naive, strassen

shapes = st.builds(Shape, st.integers(0, 40), st.integers(0, 70), st.integers(0, 40))
solid = st.builds(Shape, st.integers(1, 30), st.integers(1, 50), st.integers(1, 30))
seeds = st.integers(0, 2**48 - 1)


@given(shapes, seeds)
@settings(deadline=None, max_examples=60)
def test_integers_are_exact_in_every_order(shape: Shape, seed: int) -> None:
    rng = inputs.generator(seed)
    for a, b in (inputs.small_integers(rng, shape), inputs.wide_integers(rng, shape)):
        want = exact_f32(a, b)
        for order in (slice(None), slice(None, None, -1), rng.permutation(shape.k)):
            got = np.empty((shape.m, shape.n), np.float32)
            naive(a[:, order], b[order], got)
            assert unequal(got, want, "") is None


@given(seeds, st.integers(1, 3))
@settings(deadline=None, max_examples=20)
def test_small_and_wide_integers_leave_room_for_strassen(seed: int, levels: int) -> None:
    shape = Shape(64, 96, 64)
    rng = inputs.generator(seed)
    for a, b in (inputs.small_integers(rng, shape), inputs.wide_integers(rng, shape)):
        got = np.empty((64, 64), np.float32)
        strassen(levels, 2)(a, b, got)
        assert unequal(got, exact_f32(a, b), "") is None


@given(st.integers(1, 5000), seeds)
@settings(deadline=None, max_examples=40)
def test_wide_integers_need_more_bits_than_tf32_has(k: int, seed: int) -> None:
    a, b = inputs.wide_integers(inputs.generator(seed), Shape(8, k, 8))
    largest = max(float(np.abs(a).max()), float(np.abs(b).max()))
    assert k > 4097 or largest > 2048 or (k < 8 and largest > 100)
    assert k * largest <= EXACT_LIMIT


@given(seeds)
@settings(deadline=None, max_examples=30)
def test_reals_fill_the_mantissa_and_stay_clear_of_underflow(seed: int) -> None:
    x = inputs.reals(inputs.generator(seed), 40, 40)
    assert float(np.abs(x).min()) >= 2.0**-12
    assert float(np.abs(x).max()) <= 1
    assert (x.view(np.uint32) & 1).mean() == pytest.approx(0.5, abs=0.15)
    # The last bit of the smallest product of two such reals, both scaled down as far as the oracles do.
    assert 2 * (-12 - 24 - SCALE_REACH) >= -149


@given(solid, seeds, st.integers(0, 79))
@settings(deadline=None, max_examples=100)
def test_any_order_stays_within_the_componentwise_bound(shape: Shape, seed: int, kind: int) -> None:
    rng = inputs.generator(seed)
    a, b, _ = graded_reals(rng, shape, kind)
    assert all(np.isfinite(x).all() and float(np.abs(x).max()) < 2.0**60 for x in (a, b))
    for order in (slice(None), np.argsort(-np.abs(a).max(axis=0, initial=0))):
        got = np.empty((shape.m, shape.n), np.float32)
        naive(a[:, order], b[order], got)
        assert (np.abs(got - product_f64(a, b)) <= componentwise_bound(a, b)).all()
        assert (np.abs(got - product_f64(a, b)) <= normwise_bound(a, b)).all()


@given(solid, seeds, st.sampled_from(KINDS))
@settings(deadline=None, max_examples=120)
def test_special_values_are_what_the_textbook_loop_gives(shape: Shape, seed: int, kind: str) -> None:
    a, b, want = special_data(inputs.generator(seed), shape, kind)
    got = np.empty_like(want)
    with np.errstate(all="ignore"):
        naive(a, b, got)
    assert np.array_equal(got, want, equal_nan=True)
    assert not np.isfinite(want).all()


@pytest.mark.parametrize("kind", range(20))
@pytest.mark.parametrize("k", [1, 37, 4096])
def test_a_sequential_sum_stays_well_within_the_mean_error(kind: int, k: int) -> None:
    """For every distribution, and also when the largest products come first."""
    a, b, _ = inputs.spread_reals(inputs.generator(k), Shape(40, k, 40), kind)
    want = product_f64(a, b)
    order = np.argsort(-np.abs(a).max(axis=0) * np.abs(b).max(axis=1))
    for some in (slice(None), order):
        got = np.empty((40, 40), np.float32)
        naive(a[:, some], b[some], got)
        error = (got - want) / rms_unit(a, b, want)
        assert float(np.sqrt(np.mean(error**2))) < 0.5
        assert abs(float(np.mean(error * np.sign(want)))) < BIAS + 1.5 / 40


def test_data_that_is_not_exact_is_refused() -> None:
    with pytest.raises(ValueError, match="not exact"):
        exact_f32(np.full((1, 2), 4097, np.float32), np.full((2, 1), 4097, np.float32))


def test_nan_is_never_equal_and_is_shown_with_its_payload() -> None:
    got = np.array([[1, np.nan]], np.float32)
    wrong = unequal(got, np.array([[1, 2]], np.float32), "detail")
    assert wrong is not None
    assert (wrong.row, wrong.col, wrong.expected) == (0, 1, "2.0")
    assert wrong.got.startswith("nan (0x7fc")
    assert first_wrong(got, np.abs(got - 1) <= 1, got, "NaN fails a bound too") is not None
