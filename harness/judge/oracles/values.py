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
    componentwise_bound,
    exact_f32,
    first_wrong,
    product_f64,
    unequal,
)
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

# Exponents of row and column scales: products keep clear of underflow (2^-126) and overflow (2^127).
SCALE_REACH = 36
GRADE_REACH = 16


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
    rounded. Kills 16-bit splits, scaling by a common maximum, and fast schemes, whose sums mix rows of unlike scale.
    """
    rng = generator(seed)
    a, b = _filling(rng, shape)
    rows, cols = powers_of_two(rng, shape.m, SCALE_REACH)[:, None], powers_of_two(rng, shape.n, SCALE_REACH)
    order = rng.permutation(shape.k)
    want = rows * product_f64(a, b).astype(np.float32) * cols
    got = bench.product((a * rows)[:, order], (b * cols)[order], seed)
    return unequal(got, want, "24-bit integers, graded and permuted")


def _filling(rng: Generator, shape: Shape) -> tuple[F32, F32]:
    """Integers times −1, 0, 1, as large as they can be while all absolute products sum to at most 2^24."""
    limit = min(3 * EXACT_LIMIT // max(shape.k, 1), EXACT_LIMIT)
    limits = (limit, 1) if rng.integers(2) else (1, limit)
    a, b = whole(rng, shape.m, shape.k, limits[0]), whole(rng, shape.k, shape.n, limits[1])
    largest = float(product_f64(np.abs(a), np.abs(b)).max(initial=0))
    if largest > EXACT_LIMIT:
        # Rounding towards zero, so that the sums only get smaller than computed.
        share = EXACT_LIMIT / largest
        a, b = (_shrink(a, share), b) if limits[1] == 1 else (a, _shrink(b, share))
    return a, b


def _shrink(x: F32, share: float) -> F32:
    return np.trunc(x * np.float64(share)).astype(np.float32)


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
    Oracle("scaling", Gate.VALUES, scaling, strategies.precise, classical=True),
    Oracle("zero-rows", Gate.VALUES, zero_rows, strategies.precise, classical=True),
)
