"""The quick bounds in f32 never pass what the bounds in f64 reject."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge import inputs
from harness.judge.oracles.values import graded_reals
from harness.judge.reference import (
    componentwise_bound,
    exact_f32,
    gamma,
    is_clearly_within,
    product_f64,
    quick_rms_unit,
    rms_unit,
)
from harness.judge.worker.calls import F32
from harness.shapes import Shape

shapes = st.builds(Shape, st.integers(1, 40), st.integers(1, 300), st.integers(1, 40))
seeds = st.integers(0, 2**48 - 1)


@given(shapes, seeds, st.sampled_from((0, -40, -60, -75, 40, 60)))
@settings(deadline=None, max_examples=150)
def test_what_is_clearly_within_is_within(shape: Shape, seed: int, power: int) -> None:
    a, b, _ = graded_reals(inputs.generator(seed), shape, seed)
    with np.errstate(all="ignore"):
        a = np.ldexp(a, power)
        b = np.ldexp(b, power)
    if not np.isfinite(a).all() or not np.isfinite(b).all():
        return
    bound = componentwise_bound(a, b)
    # Just outside in one element, by the smallest step that f64 can express.
    error = np.zeros(bound.shape)
    spot = seed % bound.size
    error.flat[spot] = np.nextafter(bound.flat[spot], np.inf) * (-1) ** (seed % 2)
    assert not is_clearly_within(error, a, b)
    assert is_clearly_within(np.zeros(bound.shape), a, b) or abs(power) > 20
    if is_clearly_within(bound * 0.9, a, b):
        assert (bound * 0.9 <= componentwise_bound(a, b)).all()


def test_an_honest_sum_is_clearly_within() -> None:
    for kind in range(80):
        a, b, name = graded_reals(inputs.generator(kind), Shape(30, 200, 40), kind)
        assert is_clearly_within((a @ b) - product_f64(a, b), a, b), name


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_infinite_is_clearly_within(value: float) -> None:
    x = np.ones((3, 3), np.float32)
    error = np.zeros((3, 3))
    error[1, 1] = value
    assert not is_clearly_within(error, x, x)
    large = np.full((3, 3), 3e38, np.float32)
    assert not is_clearly_within(np.full((3, 3), value), large, large)
    x[2, 2] = value
    assert not is_clearly_within(np.zeros((3, 3)), x, x)


def test_without_products_nothing_may_differ() -> None:
    a, b = np.zeros((2, 0), np.float32), np.zeros((0, 3), np.float32)
    assert is_clearly_within(np.zeros((2, 3)), a, b)
    assert not is_clearly_within(np.full((2, 3), 1e-300), a, b)


@given(shapes, seeds, st.integers(-60, 60), st.integers(-60, 60))
@settings(deadline=None, max_examples=100)
def test_the_quick_unit_is_as_close_as_it_says(shape: Shape, seed: int, left: int, right: int) -> None:
    a, b, _ = inputs.spread_reals(inputs.generator(seed), shape, seed)
    with np.errstate(all="ignore"):
        a, b = np.ldexp(a, left), np.ldexp(b, right)
    want = product_f64(a, b)
    unit = quick_rms_unit(a, b, want)
    if unit is not None:
        exact = rms_unit(a, b, want)
        assert (np.abs(unit - exact) <= gamma(shape.k + 4) * exact).all()


def test_the_quick_unit_knows_where_it_is_not_certain() -> None:
    a = np.array([[1, 1], [2.0**-60, 2.0**-60]], np.float32)
    assert quick_rms_unit(a, a.T.copy(), product_f64(a, a.T)) is None
    zeros = np.zeros((2, 2), np.float32)
    assert quick_rms_unit(zeros, zeros, product_f64(zeros, zeros)) is None
    nan = np.full((2, 2), np.nan, np.float32)
    assert quick_rms_unit(nan, nan, product_f64(nan, nan)) is None


@given(shapes, seeds)
@settings(deadline=None, max_examples=60)
def test_exact_products_have_the_bits_of_those_in_f64(shape: Shape, seed: int) -> None:
    rng = inputs.generator(seed)

    def same(a: F32, b: F32) -> bool:
        return exact_f32(a, b).tobytes() == product_f64(a, b).astype(np.float32).tobytes()

    assert same(*inputs.small_integers(rng, shape))
    assert same(*inputs.wide_integers(rng, shape))
    assert same(inputs.filling(rng, shape.m, shape.k), inputs.whole(rng, shape.k, shape.n, 1))
    assert same(inputs.whole(rng, shape.m, shape.k, 1), inputs.filling(rng, shape.n, shape.k).T)
