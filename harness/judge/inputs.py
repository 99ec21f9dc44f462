"""The data of the checks: integers that stay exact, graded reals, and the inputs of the timed calls."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from harness.judge.calls import F32
from harness.judge.reference import EXACT_LIMIT
from harness.shapes import Shape

# Room that a fast bilinear scheme of up to three levels needs above the classical partial sums.
FAST_HEADROOM = 64


def generator(seed: int) -> Generator:
    """The stream of a seed; the same seed gives the same data on every machine."""
    return np.random.Generator(np.random.SFC64(seed))


def whole(rng: Generator, rows: int, cols: int, limit: int) -> F32:
    """Integers in −limit … limit."""
    return rng.integers(-limit, limit, (rows, cols), dtype=np.int32, endpoint=True).astype(np.float32)


def nonzero(rng: Generator, rows: int, cols: int, limit: int) -> F32:
    """Integers in ±1 … ±limit."""
    drawn = rng.integers(0, 2 * limit, (rows, cols), dtype=np.int32)
    return (drawn - limit + (drawn >= limit)).astype(np.float32)


def small_integers(rng: Generator, shape: Shape) -> tuple[F32, F32]:
    """Small integers, so small that every order of summation and three levels of Strassen stay exact."""
    limit = int(np.clip(np.sqrt(EXACT_LIMIT / FAST_HEADROOM / max(shape.k, 1)), 1, 9))
    return whole(rng, shape.m, shape.k, limit), whole(rng, shape.k, shape.n, limit)


def wide_integers(rng: Generator, shape: Shape) -> tuple[F32, F32]:
    """12-bit integers times −1, 0, 1, with the wide side in A or in B by the toss of a coin; exact for k ≤ 4097."""
    limit = min(4095, EXACT_LIMIT // max(shape.k, 1))
    if rng.integers(2):
        return whole(rng, shape.m, shape.k, limit), whole(rng, shape.k, shape.n, 1)
    return whole(rng, shape.m, shape.k, 1), whole(rng, shape.k, shape.n, limit)


def few_bits(rng: Generator, shape: Shape) -> tuple[F32, F32]:
    """Odd integers, 12 bits against 2, rows of A and columns of B scaled by small powers of two: like timed data."""
    a, b = (
        2 * rng.integers(-(1 << bits - 1), 1 << bits - 1, size).astype(np.float32) + 1
        for bits, size in ((12, (shape.m, shape.k)), (2, (shape.k, shape.n)))
    )
    return a * powers_of_two(rng, shape.m, 2)[:, None], b * powers_of_two(rng, shape.n, 2)


def reals(rng: Generator, rows: int, cols: int) -> F32:
    """Reals with all 24 bits of mantissa, 2^-12 ≤ |x| < 1, evenly spread.

    The floor keeps every bit of every product above 2^-149 when both sides are scaled down by 2^-36.
    """
    drawn = rng.uniform(2.0**-12, 1, (rows, cols)) * (2 * rng.integers(0, 2, (rows, cols), dtype=np.int8) - 1)
    return drawn.astype(np.float32)


def powers_of_two(rng: Generator, count: int, reach: int) -> F32:
    """`count` powers of two with exponents in −reach … reach."""
    return np.ldexp(np.float32(1), rng.integers(-reach, reach, count, endpoint=True)).astype(np.float32)
