"""Input data of the checks: integers whose products are exact, graded reals, and data like that of timed calls."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.judge.reference import EXACT_LIMIT
from harness.judge.worker.calls import F32
from harness.shapes import Shape

# Factor by which a fast bilinear scheme of up to three levels may exceed the classical partial sums.
FAST_HEADROOM = 64


def generator(seed: int) -> Generator:
    """The random stream of a seed; the same seed gives the same data on every machine."""
    return np.random.Generator(np.random.SFC64(seed))


def whole(rng: Generator, rows: int, cols: int, limit: int) -> F32:
    """Random integers in −limit … limit."""
    return rng.integers(-limit, limit, (rows, cols), dtype=np.int32, endpoint=True).astype(np.float32)


def nonzero(rng: Generator, rows: int, cols: int, limit: int) -> F32:
    """Random integers in ±1 … ±limit."""
    drawn = rng.integers(0, 2 * limit, (rows, cols), dtype=np.int32)
    return (drawn - limit + (drawn >= limit)).astype(np.float32)


def small_integers(rng: Generator, shape: Shape) -> tuple[F32, F32]:
    """Integers so small that any order of summation and three levels of Strassen are exact."""
    limit = int(np.clip(np.sqrt(EXACT_LIMIT / FAST_HEADROOM / max(shape.k, 1)), 1, 9))
    return whole(rng, shape.m, shape.k, limit), whole(rng, shape.k, shape.n, limit)


def wide_integers(rng: Generator, shape: Shape) -> tuple[F32, F32]:
    """12-bit integers times −1, 0, 1; the wide side is A or B at random; exact for k ≤ 4097."""
    limit = min(4095, EXACT_LIMIT // max(shape.k, 1))
    if rng.integers(2):
        return whole(rng, shape.m, shape.k, limit), whole(rng, shape.k, shape.n, 1)
    return whole(rng, shape.m, shape.k, 1), whole(rng, shape.k, shape.n, limit)


def few_bits(rng: Generator, shape: Shape) -> tuple[F32, F32]:
    """Odd integers, 12 bits against 2, with rows of A and columns of B scaled by small powers of two, like exact timed
    data.
    """
    a, b = (
        2 * rng.integers(-(1 << bits - 1), 1 << bits - 1, size).astype(np.float32) + 1
        for bits, size in ((12, (shape.m, shape.k)), (2, (shape.k, shape.n)))
    )
    return a * powers_of_two(rng, shape.m, 2)[:, None], b * powers_of_two(rng, shape.n, 2)


def reals(rng: Generator, rows: int, cols: int) -> F32:
    """Reals that use all 24 bits of the mantissa, uniform in sign and in 2^-12 ≤ |x| < 1.

    The lower bound keeps every bit of every product above 2^-149 when both sides are scaled down by 2^-36.
    """
    drawn = rng.uniform(2.0**-12, 1, (rows, cols)) * (2 * rng.integers(0, 2, (rows, cols), dtype=np.int8) - 1)
    return drawn.astype(np.float32)


def spread_reals(rng: Generator, shape: Shape, seed: int) -> tuple[F32, F32, str]:
    """A and B from one of DISTRIBUTIONS at one of SCALES, both selected by the seed; and the name of the distribution.

    Twenty consecutive seeds cover every distribution at every scale. No scale except 1 is a power of two. All
    magnitudes lie within 2^±41, so that products of graded data (2^±16 more on either side) neither overflow nor
    underflow.
    """
    kind, power = seed % len(DISTRIBUTIONS), SCALES[seed // len(DISTRIBUTIONS) % len(SCALES)]
    sides = []
    for rows, cols in ((shape.m, shape.k), (shape.k, shape.n)):
        scale = 10.0 ** rng.uniform(*power)
        drawn = _distributed(rng, kind, rows, cols)
        sides.append(np.multiply(scale, drawn, out=np.empty((rows, cols), np.float32), casting="same_kind"))
    where = "" if power == SCALES[0] else f", scaled by 1e{power[0]:+.0f} to 1e{power[1]:+.0f}"
    return sides[0], sides[1], DISTRIBUTIONS[kind] + where


def _distributed(rng: Generator, kind: int, rows: int, cols: int) -> NDArray[np.float64]:
    """Reals in f64; `kind` indexes DISTRIBUTIONS."""
    size = (rows, cols)
    match kind:
        case 0:
            return rng.uniform(-1, 1, size)
        case 1:
            return rng.uniform(0, 1, size)
        case 2:
            return rng.standard_normal(size)
        case 3:
            drawn = rng.uniform(-20, 20, size)
            return _signed(rng, np.exp2(drawn, out=drawn))
        case _:
            return _signed(rng, rng.uniform(1, 2, size))


def _signed(rng: Generator, positive: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same reals, half of them made negative, in place: `copysign` in a third of the time."""
    signs = rng.random(positive.shape)
    signs -= 0.5
    bits = signs.view(np.uint64)
    bits &= np.uint64(1 << 63)
    positive.view(np.uint64)[...] |= bits
    return positive


DISTRIBUTIONS = (
    "uniform reals",
    "positive reals",
    "normal reals",
    "reals over 40 octaves",
    "reals of one magnitude",
)
# Ranges of the decimal exponent from which a scale is drawn; practical data is seldom confined to ±1.
SCALES = ((0.0, 0.0), (3.0, 4.0), (-6.0, -1.0), (0.1, 2.0))


def practical_reals(rng: Generator, shape: Shape, seed: int) -> tuple[F32, F32, str]:
    """A and B, each of one of PRACTICAL or uniform, each at a scale of its own; and a description.

    Consecutive seeds cover all pairs of kinds. Whole numbers are not scaled, and every second time nothing is.
    """
    kinds = seed % len(PRACTICAL), seed // len(PRACTICAL) % (len(PRACTICAL) + 1)
    sides = []
    for kind, (rows, cols) in zip(kinds, ((shape.m, shape.k), (shape.n, shape.k)), strict=True):
        scale = 1.0 if kind == WHOLE or rng.integers(2) else 10.0 ** rng.uniform(-4, 4)
        sides.append((scale * _practical(rng, kind, rows, cols)).astype(np.float32))
    names = [(*PRACTICAL, "uniform")[kind] for kind in kinds]
    return sides[0], np.ascontiguousarray(sides[1].T), f"A {names[0]}, B {names[1]}"


def _practical(rng: Generator, kind: int, rows: int, cols: int) -> NDArray[np.float64]:
    """Reals in f64, rows of A or columns of B; `kind` indexes PRACTICAL, beyond it they are uniform."""
    size = (rows, cols)
    drawn = rng.uniform(-1, 1, size)
    match kind:
        case 0:
            return np.asarray(1.5 + drawn / 2)
        case 1:
            return np.asarray(rng.choice((-8, 8)) + drawn)
        case 2:
            return np.asarray(np.where(rng.random(size) < rng.uniform(0.5, 0.95), 0, drawn))
        case 3:
            return rng.integers(-99, 99, size, endpoint=True).astype(np.float64)
        case 4:
            return np.sort(drawn, axis=1)
        case 5:
            return rng.choice(rng.uniform(-1, 1, 5), size)
        case _:
            return drawn


PRACTICAL = (
    "positive and of one magnitude",
    "far from zero",
    "mostly zero",
    "whole",
    "ascending",
    "of few distinct values",
)
# Number of the whole numbers among them.
WHOLE = 3


def powers_of_two(rng: Generator, count: int, reach: int) -> F32:
    """`count` powers of two with exponents in −reach … reach."""
    return np.ldexp(np.float32(1), rng.integers(-reach, reach, count, endpoint=True)).astype(np.float32)


def filling(rng: Generator, rows: int, k: int, limit: int = EXACT_LIMIT) -> F32:
    """Integers (rows×k) as large as possible while the magnitudes of each row sum to at most `limit`.

    Every second row has about three non-zero elements, which leaves each of them more than 20 bits for any k.
    """
    x = whole(rng, rows, k, limit)
    kept = rng.random((rows, k), np.float32) < 3 / max(k, 1)
    kept[1::2] = True
    if k:
        kept[np.arange(rows), rng.integers(0, k, rows)] = True
    x *= kept
    sums = np.abs(x).sum(axis=1, keepdims=True, dtype=np.float64)
    # Rounds towards zero, so that the sums can only shrink.
    filled: F32 = np.trunc(x * np.minimum(1, limit / np.maximum(sums, 1))).astype(np.float32)
    return filled
