"""Secret shapes near and between the timed ones: a kernel that is fast only where it is timed is slow there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from numpy.random import Generator

from harness.clock.statistics import RatioInterval
from harness.shapes import Shape

# Largest secret shape: a slow kernel takes about a second there. A suite of larger shapes has secret ones up to this
# share of its largest product, where large kernels do something else than at 800^3.
MOST_FLOPS = 2 * 800**3
SHARE_OF_LARGEST = 0.25
# Extents below LEAST stay as they are: with one row more, a product with a vector is another problem. Others move by up
# to STEP, or by up to a twentieth between two timed shapes.
LEAST, STEP, SPREAD = 16, 7, 0.05
# A shape between two timed ones is this much longer in one direction and shorter in another.
STRETCH = 1.5, 2.0
# Bytes after the beginning of a 64-byte line at which the matrices near a timed shape begin. A Vec of Rust begins at a
# multiple of 16, a slice of one at a multiple of 4; at 32 the vectors of AVX2 would still lie in one line.
INSETS = tuple(inset for inset in range(4, 64, 4) if inset != 32)


@dataclass(frozen=True, slots=True)
class SecretShape:
    """A shape that is not timed, and the timed shapes beside which it lies: one, or two neighbours of the suite.

    inset: bytes between the beginning of a 64-byte line and that of each matrix.
    """

    shape: Shape
    beside: tuple[Shape, ...]
    inset: int = 0


def secret_shapes(suite: tuple[Shape, ...], rng: Generator) -> tuple[SecretShape, ...]:
    """Three shapes: near a timed one, with matrices that begin within a 64-byte line; between any two neighbours of the
    suite, and stretched; and between its largest two.

    A suite of one shape gets shapes near it. Shapes above `most_flops` are scaled down; beside them lies the timed
    shape whose product is nearest in size.
    """
    ordered = sorted(suite, key=lambda shape: (shape.flops, shape))
    pairs = list(itertools.pairwise(ordered)) or [(ordered[0], ordered[0])]
    timed, pair = ordered[int(rng.integers(len(ordered)))], pairs[int(rng.integers(len(pairs)))]
    drawn = (
        SecretShape(_near(timed, rng), (timed,), int(rng.choice(INSETS))),
        SecretShape(_stretched(_between(*pair, rng), rng), pair),
        SecretShape(_between(*pairs[-1], rng), pairs[-1]),
    )
    distinct: dict[Shape, SecretShape] = {}
    for secret in drawn:
        scaled = _scaled(secret.shape, most_flops(suite))
        if scaled != secret.shape:
            secret = replace(secret, shape=scaled, beside=(_nearest(scaled, suite),))
        distinct.setdefault(scaled, secret)
    return tuple(secret for shape, secret in distinct.items() if shape not in suite)


def over_the_suite(
    suite: RatioInterval,
    timed: Mapping[Shape, RatioInterval],
    secret: RatioInterval,
    places: Sequence[SecretShape],
) -> RatioInterval:
    """The suite's ratio as it would be if the kernel did everywhere as it does at the secret shapes.

    That is the suite's ratio times the mean ratio at the secret shapes over the one at the timed shapes beside them.
    The plain mean of three shapes says little: most kernels gain more over BLAS at 64³ than at 1024³, so it would
    depend on which three were drawn. `secret` is the mean over `places`; all centres are logs, and the independent
    half-widths add in quadrature.
    """
    beside = [timed[shape] for place in places for shape in place.beside]
    weights = [1 / len(places) / len(place.beside) for place in places for _ in place.beside]
    expected = sum(weight * one.centre for weight, one in zip(weights, beside, strict=True))
    doubt = math.hypot(*(weight * one.half_width for weight, one in zip(weights, beside, strict=True)))
    return RatioInterval(
        suite.centre + secret.centre - expected, math.hypot(suite.half_width, secret.half_width, doubt)
    )


def _near(shape: Shape, rng: Generator) -> Shape:
    steps = rng.choice([step for step in range(-STEP, STEP + 1) if step], 3)
    return shape.like(*(e + int(step) if e >= LEAST else e for e, step in zip(shape, steps, strict=True)))


def _between(one: Shape, other: Shape, rng: Generator) -> Shape:
    """A shape between two, in the form of one of them: the geometric mean of each extent, times a random factor in
    1 ± SPREAD.
    """
    middles = [math.sqrt(x * y) for x, y in zip(one, other, strict=True)]
    moves = rng.uniform(1 - SPREAD, 1 + SPREAD, 3)
    form = one if type(one) is Shape or rng.integers(2) else other
    return form.like(
        *(round(e * move) if e >= LEAST else round(e) for e, move in zip(middles, moves, strict=True))
    )


def _stretched(shape: Shape, rng: Generator) -> Shape:
    """The shape with one extent longer and another shorter by the same factor; extents below LEAST stay."""
    long = [axis for axis, extent in enumerate(shape) if extent >= LEAST]
    if len(long) < 2:
        return shape
    factor, extents = float(rng.uniform(*STRETCH)), list(shape)
    grows, shrinks = rng.permutation(long)[:2]
    extents[grows] = round(extents[grows] * factor)
    extents[shrinks] = round(extents[shrinks] / factor)
    return shape.like(*extents)


def most_flops(suite: tuple[Shape, ...]) -> float:
    """Flops of the largest secret shape."""
    return max(MOST_FLOPS, SHARE_OF_LARGEST * max(shape.flops for shape in suite))


def _nearest(shape: Shape, suite: tuple[Shape, ...]) -> Shape:
    return min(suite, key=lambda timed: abs(math.log(max(timed.flops, 1) / max(shape.flops, 1))))


def _scaled(shape: Shape, most: float) -> Shape:
    """The shape with its long extents shortened until it has at most `most` flops."""
    extents = list(shape)
    while 2 * math.prod(extents) > most:
        longest = extents.index(max(extents))
        extents[longest] = max(1, extents[longest] * 3 // 4 + 1)
    return shape.like(*extents)
