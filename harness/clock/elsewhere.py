"""Secret shapes near and between the timed ones: a kernel that is fast only where it is timed is slow there."""

from __future__ import annotations

import itertools
import math

from numpy.random import Generator

from harness.shapes import Shape

# Largest secret shape; a slow kernel takes about a second there.
MOST_FLOPS = 2 * 800**3
# Extents below LEAST stay as they are: with one row more, a product with a vector is another problem. Others move by up
# to STEP, or by up to a twentieth between two timed shapes.
LEAST, STEP, SPREAD = 16, 7, 0.05


def secret_shapes(suite: tuple[Shape, ...], rng: Generator) -> tuple[Shape, ...]:
    """Three shapes: near a timed one, between any two neighbours of the suite, and between its largest two.

    A suite of one shape gets shapes near it. Shapes of more than MOST_FLOPS are scaled down.
    """
    ordered = sorted(suite, key=lambda shape: (shape.flops, shape))
    pairs = list(itertools.pairwise(ordered)) or [(ordered[0], ordered[0])]
    drawn = (
        _near(ordered[int(rng.integers(len(ordered)))], rng),
        _between(*pairs[int(rng.integers(len(pairs)))], rng),
        _between(*pairs[-1], rng),
    )
    distinct = dict.fromkeys(_scaled(shape) for shape in drawn)
    return tuple(shape for shape in distinct if shape not in suite)


def _near(shape: Shape, rng: Generator) -> Shape:
    steps = rng.choice([step for step in range(-STEP, STEP + 1) if step], 3)
    return Shape(*(e + int(step) if e >= LEAST else e for e, step in zip(shape, steps, strict=True)))


def _between(one: Shape, other: Shape, rng: Generator) -> Shape:
    """Geometric means of the extents, secretly moved."""
    middles = [math.sqrt(x * y) for x, y in zip(one, other, strict=True)]
    moves = rng.uniform(1 - SPREAD, 1 + SPREAD, 3)
    return Shape(
        *(round(e * move) if e >= LEAST else round(e) for e, move in zip(middles, moves, strict=True))
    )


def _scaled(shape: Shape) -> Shape:
    """The shape with its long extents shortened until it has at most MOST_FLOPS."""
    extents = list(shape)
    while 2 * math.prod(extents) > MOST_FLOPS:
        longest = extents.index(max(extents))
        extents[longest] = max(1, extents[longest] * 3 // 4 + 1)
    return Shape(*extents)
