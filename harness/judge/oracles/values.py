"""Precision: is every bit there that f32 promises, in every element, at every scale?"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from harness.judge import strategies
from harness.judge.bench import Bench
from harness.judge.calls import F32, Placement
from harness.judge.inputs import generator, powers_of_two, reals, whole, wide_integers
from harness.judge.oracles import Oracle
from harness.judge.reference import (
    EXACT_LIMIT,
    U32,
    U64,
    componentwise_bound,
    exact_f32,
    first_wrong,
    gamma,
    product_f64,
    unequal,
)
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

# Exponents of row and column scales: products keep clear of underflow (2^-126) and overflow (2^127).
SCALE_REACH = 36
GRADE_REACH = 16
# Mean-square error in units of u·(|A|·|B|) that is still believed to be f32's own.
ROUNDING = 2.0


def wide_mantissa(bench: Bench, shape: Shape, seed: int) -> Counterexample | None:
    """12-bit integers times −1, 0, 1: sums need up to 24 bits.

    Kills bf16, f16 and TF32 passed off as f32, in the inputs or in the accumulator. An honest kernel passes because
    every partial sum is an integer at or under 2^24; three levels of Strassen pass because random signs leave room.
    """
    a, b = wide_integers(generator(seed), shape)
    return unequal(bench.product(a, b, seed), exact_f32(a, b), "12-bit integers times -1, 0, 1")


def componentwise(bench: Bench, shape: Shape, seed: int) -> Counterexample | None:
    """Reals, plain and graded, against f64: each element within γ_k·(|A|·|B|) plus the underflow term.

    Kills small errors in few elements, short mantissas on data that is not integers, lost small inputs. An honest
    kernel passes by theorem: the bound holds for any order of summation, with and without FMA (Higham, eq. 3.13).
    """
    a, b = graded_reals(generator(seed), shape, seed % 4)
    got = bench.product(a, b, seed)
    want = product_f64(a, b)
    ok = np.abs(got.astype(np.float64) - want) <= componentwise_bound(a, b)
    return first_wrong(got, ok, want, f"outside the componentwise bound on {GRADINGS[seed % 4]}")


GRADINGS = ("plain reals", "rows and columns of mixed scale", "k of opposite scales", "k of mixed scale")


def graded_reals(rng: Generator, shape: Shape, kind: int) -> tuple[F32, F32]:
    """Reals of one of four GRADINGS, all scales powers of two."""
    a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    if kind == 1:
        return (
            a * powers_of_two(rng, shape.m, GRADE_REACH)[:, None],
            b * powers_of_two(rng, shape.n, GRADE_REACH),
        )
    depth = powers_of_two(rng, shape.k, GRADE_REACH)
    if kind == 2:
        return a * depth, b / depth[:, None]
    return (a * depth, b) if kind == 3 else (a, b)


def rounding(bench: Bench, shape: Shape, seed: int) -> Counterexample | None:
    """Plain reals, at every timed shape too: within the componentwise bound, and the mean error as small as f32's own.

    Kills shortened mantissas that begin only at large shapes, or only on data that does not look like a test. The
    errors of random sums are random, so an honest kernel that sums one by one leaves 0.54·u·(|A|·|B|) in the mean
    square, whatever k is, and in every other order less; the limit is four times that.
    """
    rng = generator(seed)
    a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    got = bench.product(a, b, seed)
    want, size = product_f64(a, b), product_f64(np.abs(a), np.abs(b))
    error = np.abs(got.astype(np.float64) - want)
    ok = error <= (gamma(shape.k) + U64 * shape.k) * size
    wrong = first_wrong(got, ok, want, "outside the componentwise bound")
    if wrong is not None or not got.size:
        return wrong
    mean, allowed = np.sqrt(np.mean(error**2)), ROUNDING * U32 * np.sqrt(np.mean(size**2))
    if mean <= allowed:
        return None
    detail = (
        f"mean error {ROUNDING * mean / allowed:.1f} u on reals, where f32 leaves half a u; worst element"
    )
    return first_wrong(got, error < error.max(), want, detail)


def scaling(bench: Bench, shape: Shape, seed: int) -> Counterexample | None:
    """K(D1·A, B·D2) equals D1·K(A, B)·D2 bit for bit, D1 and D2 diagonal with powers of two.

    Kills thresholds on magnitude, scaling by a common maximum, fixed-point tricks, and Strassen-like schemes posing
    as classical. An honest kernel passes because scaling by powers of two commutes with every rounding, as long as
    nothing underflows, and both calls have the same shape and placement, hence the same order.
    """
    rng = generator(seed)
    a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    rows, cols = powers_of_two(rng, shape.m, SCALE_REACH)[:, None], powers_of_two(rng, shape.n, SCALE_REACH)
    plain = bench.product(a, b, seed, Placement.ALIGNED)
    scaled = bench.product(a * rows, b * cols, seed, Placement.ALIGNED)
    return unequal(scaled, rows * plain * cols, "rows and columns scaled by powers of two")


def graded(bench: Bench, shape: Shape, seed: int) -> Counterexample | None:
    """K(D1·A·P, Pᵀ·B·D2) equals D1·(A·B)·D2 exactly, A and B integers that fill 24 bits, P a permutation of k.

    The order of k changes the rounding of an honest kernel on reals, so permutation is demanded where nothing is
    rounded. Kills shortened mantissas at any k, splits in 16 bits, scaling by a common maximum, and fast schemes,
    whose sums mix rows of unlike scale.
    """
    rng = generator(seed)
    if rng.integers(2):
        a, b = _filling(rng, shape.m, shape.k), whole(rng, shape.k, shape.n, 1)
    else:
        a, b = whole(rng, shape.m, shape.k, 1), _filling(rng, shape.n, shape.k).T
    rows, cols = powers_of_two(rng, shape.m, SCALE_REACH)[:, None], powers_of_two(rng, shape.n, SCALE_REACH)
    order = rng.permutation(shape.k)
    want = rows * product_f64(a, b).astype(np.float32) * cols
    got = bench.product((a * rows)[:, order], (b * cols)[order], seed)
    return unequal(got, want, "24-bit integers, graded and permuted")


def _filling(rng: Generator, rows: int, k: int) -> F32:
    """Integers, as large as they can be while the magnitudes of a row sum to at most 2^24.

    Every second row has three elements or so, which leaves each of them more than 20 bits however large k is.
    """
    x = whole(rng, rows, k, EXACT_LIMIT)
    kept = rng.random((rows, k)) < 3 / max(k, 1)
    kept[1::2] = True
    if k:
        kept[np.arange(rows), rng.integers(0, k, rows)] = True
    x *= kept
    sums = np.abs(x).sum(axis=1, keepdims=True, dtype=np.float64)
    # Rounding towards zero, so that the sums only get smaller than computed.
    filled: F32 = np.trunc(x * np.minimum(1, EXACT_LIMIT / np.maximum(sums, 1))).astype(np.float32)
    return filled


def zero_rows(bench: Bench, shape: Shape, seed: int) -> Counterexample | None:
    """Zero rows of A and zero columns of B among reals: there C is exactly zero, elsewhere within the bound.

    Kills short-cuts for zero rows that forget to write, and Strassen-like schemes, which leave a residue. An honest
    kernel passes because a sum of zeros is zero.
    """
    rng = generator(seed)
    a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    rows, cols = rng.integers(0, 3, shape.m) == 0, rng.integers(0, 3, shape.n) == 0
    a[rows], b[:, cols] = 0, 0
    got = bench.product(a, b, seed)
    want = product_f64(a, b)
    bound = componentwise_bound(a, b)
    bound[rows], bound[:, cols] = 0, 0
    return first_wrong(got, np.abs(got - want) <= bound, want, "zero rows and columns")


ORACLES = (
    Oracle("wide-mantissa", Gate.VALUES, wide_mantissa, strategies.precise),
    Oracle("componentwise", Gate.VALUES, componentwise, strategies.precise, classical=True),
    Oracle("graded", Gate.VALUES, graded, strategies.precise_and_timed, classical=True),
    Oracle("rounding", Gate.VALUES, rounding, strategies.precise_and_timed, classical=True),
    Oracle("scaling", Gate.VALUES, scaling, strategies.precise, classical=True),
    Oracle("zero-rows", Gate.VALUES, zero_rows, strategies.precise, classical=True),
)
