"""The last bits of results: honest sums of any order pass at every k, results of 23 bits do not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.inputs import generator, spread_reals
from harness.judge.oracles.last_bits import ENOUGH, short
from harness.judge.reference import product_f64
from harness.judge.worker.calls import F32
from harness.shapes import Shape

# Number of distributions times that of scales: as many consecutive seeds draw every kind of data.
KINDS = 20


def summed(a: F32, b: F32, terms: Sequence[int], fused: bool) -> F32:
    """A·B over some of k, one term after the other; `fused` rounds a product and its addition once."""
    total = np.zeros((len(a), b.shape[1]), np.float32)
    for p in terms:
        product = a[:, p : p + 1].astype(np.float64) * b[p].astype(np.float64)
        addend = product if fused else product.astype(np.float32)
        total = (total + addend.astype(np.float64)).astype(np.float32)
    return total


def in_blocks(a: F32, b: F32, block: int, fused: bool) -> F32:
    """Sums of blocks of k, then the sum of these, as a kernel does that adds to C once per block."""
    k = a.shape[1]
    total = np.zeros((len(a), b.shape[1]), np.float32)
    for start in range(0, k, block):
        total += summed(a, b, range(start, min(k, start + block)), fused)
    return total


def in_lanes(a: F32, b: F32, lanes: int, fused: bool) -> F32:
    """Every so many terms into one accumulator, which are then added in pairs."""
    k = a.shape[1]
    sums = [summed(a, b, range(lane, k, lanes), fused) for lane in range(min(lanes, k))]
    while len(sums) > 1:
        half = len(sums) // 2
        sums = [x + y for x, y in zip(sums[:half], sums[half : 2 * half], strict=True)] + sums[2 * half :]
    return sums[0]


@settings(max_examples=150)
@given(
    m=st.sampled_from((1, 2, 3, 24)),
    k=st.one_of(st.integers(1, 9), st.integers(10, 70)),
    seed=st.integers(0, 2**47),
    fused=st.booleans(),
    parts=st.integers(1, 8),
    by_lane=st.booleans(),
)
def test_an_honest_sum_of_any_order_passes(
    m: int, k: int, seed: int, fused: bool, parts: int, by_lane: bool
) -> None:
    shape = Shape(m, k, -(-1600 // m))
    a, b, name = spread_reals(generator(seed), shape, seed)
    got = in_lanes(a, b, parts, fused) if by_lane else in_blocks(a, b, -(-k // parts), fused)
    assert short(got, product_f64(a, b), k, name) is None


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("k", [2, 3, 4, 8])
def test_no_kind_of_data_fails_an_honest_sum_of_two_halves(k: int, fused: bool) -> None:
    """An eighth of the results is odd for k = 2, about a fifth for k = 4: the fewest that were found."""
    for seed in range(10 * KINDS):
        shape = Shape(1, k, 2 * ENOUGH)
        a, b, name = spread_reals(generator(seed), shape, seed)
        assert short(in_blocks(a, b, -(-k // 2), fused), product_f64(a, b), k, name) is None, seed


def test_a_case_that_rejected_an_honest_kernel() -> None:
    shape, seed = Shape(3, 2, 65573), 128249585700919
    a, b, name = spread_reals(generator(seed), shape, seed)
    got = summed(a, b, range(2), fused=False)
    assert name.startswith("reals of one magnitude")
    assert short(got, product_f64(a, b), shape.k, name) is None


@pytest.mark.parametrize("k", [1, 2, 3, 17, 300])
@pytest.mark.parametrize("kind", range(KINDS))
def test_results_of_23_bits_are_told(k: int, kind: int) -> None:
    shape = Shape(4, k, 400)
    a, b, name = spread_reals(generator(kind), shape, kind)
    sums = summed(a, b, range(k), fused=True).view(np.uint32)
    got = ((sums + 1) & ~np.uint32(1)).view(np.float32)
    wrong = short(got, product_f64(a, b), k, name)
    assert wrong is not None
    assert "the last bit of results is nearly always 0" in wrong.detail
