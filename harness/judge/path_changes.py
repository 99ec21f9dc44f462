"""Shapes on both sides of likely path changes, and every planned shape once more for data that fills the mantissa.

Kernels change their path at some size: they begin to pack, to block k, to start threads or to recurse, most often at
256, 320, 512, 1024 or 2048, and differently where nothing divides evenly.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from harness.judge import regions, strategies
from harness.judge.examination import Examination
from harness.settings import Profile
from harness.shapes import Shape

# Range of a secret extent just above a path change at 1024.
BEYOND_1024 = (1026, 1100)
# Range of the other two extents, which keeps the shape cheap.
BESIDE_1024 = (180, 280)
# The same for a path change at 2048.
BEYOND_2048 = (2050, 2300)
BESIDE_2048 = (40, 64)
# A short extent beside two long ones.
SHORT = (40, 100)
# From this k on, sums in f32 may hide a shortened mantissa.
LONG_K = 130
# Up to this size, a shape is checked as a whole with every kind of data.
PATTERN_FLOPS = 2 * 560**3
# Shapes of at most this many flops (64³) count as small.
SMALL_FLOPS = 2 * 64**3
# Number of small shapes at which a fast scheme is examined, of those where the kernel has shown one.
SOME = 16


def beyond(examination: Examination) -> Iterator[Shape]:
    """Secret ragged shapes beyond 300, 512, 1024 and 2048; about 2 GFLOP in total.

    All three extents beyond 300, 512 and (not in the quick profile) 345 and 640, in a random order, so that a slow
    kernel, whose list is cut short, cannot know which are left out. Then one or two extents beyond 1024, and one beyond
    2048, along every axis: elongated shapes, shortest first, because a kernel that pads to a square shows there that it
    is slow before it runs out of time.
    """
    draw = random.Random(examination.seed)
    large = [strategies.secret(draw, *span) for span in ((301, 345), (505, 540))]
    if examination.profile is not Profile.QUICK:
        large += [strategies.secret(draw, *span) for span in ((346, 504), (640, 800))]
    draw.shuffle(large)
    long: list[Shape] = []
    for axis in range(3):
        long += [_with(draw, axis, BEYOND_1024, BESIDE_1024), _with(draw, axis, BEYOND_2048, BESIDE_2048)]
        long.append(_with(draw, axis, SHORT, BEYOND_1024))
    yield from large + sorted(long, key=max)


def _with(draw: random.Random, axis: int, one: tuple[int, int], others: tuple[int, int]) -> Shape:
    """A secret shape: one range for the given axis, another for the other two."""
    extents = [*strategies.secret(draw, *others)]
    extents[axis] = draw.randint(*one)
    return Shape(*extents)


def small_everywhere(examination: Examination) -> Iterator[Shape]:
    """Every small planned shape that has elements: the sblat3 set, tile edges, and every extent along each axis."""
    for plan in (strategies.degenerate, strategies.edges, strategies.every_extent):
        yield from (shape for shape in plan(examination) if min(shape) > 0)


def everywhere(examination: Examination) -> Iterator[Shape]:
    """Every larger planned shape: medium, narrow, beyond path changes, neighbours of timed shapes, elongated ones.

    In a random order, so that a slow kernel, whose list is cut short, cannot know which are left out. Elongated shapes
    are anywhere among the others, shortest first.
    """
    draw = random.Random(examination.seed)
    between = (strategies.medium, regions.narrow, regions.moderate)
    plans = (*between, beyond, strategies.near_timed, strategies.elongated)
    shapes = [shape for plan in plans for shape in plan(examination)]
    draw.shuffle(shapes)
    long = iter(sorted(filter(strategies.is_elongated, shapes), key=max))
    yield from (next(long) if strategies.is_elongated(shape) else shape for shape in shapes)


def beyond_and_timed(examination: Examination) -> Iterator[Shape]:
    """The shapes of `beyond`, and the timed shapes and their neighbours up to 560³."""
    yield from beyond(examination)
    for plan in (strategies.near_timed, strategies.timed):
        yield from (shape for shape in plan(examination) if shape.flops <= PATTERN_FLOPS)


def every_size(examination: Examination) -> Iterator[Shape]:
    """The timed shapes above 560³, the shapes of `beyond_and_timed`, and those of every region."""
    yield from _larger(examination)
    yield from beyond_and_timed(examination)
    if examination.profile is not Profile.QUICK:
        yield from regions.moderate(examination)
        yield from regions.other_moderate(examination)
    yield from regions.other_regions(examination)


def at_some_scales(examination: Examination) -> Iterator[Shape]:
    """Secret shapes of each scale up to 540³, and the timed ones up to 256³."""
    draw = random.Random(examination.seed)
    for span in ((67, 126), (131, 250), (301, 345), (505, 540)):
        yield strategies.secret(draw, *span)
    yield from (shape for shape in strategies.timed(examination) if shape.flops <= strategies.SQUARE_FLOPS)


def at_every_scale(examination: Examination) -> Iterator[Shape]:
    """The timed shapes above 560³, and the shapes of `at_some_scales` and of `beyond_and_timed`."""
    yield from _larger(examination)
    yield from at_some_scales(examination)
    yield from beyond_and_timed(examination)


def _larger(examination: Examination) -> Iterator[Shape]:
    """The timed shapes above 560³, as far as they are checked as a whole."""
    yield from (shape for shape in strategies.timed(examination) if shape.flops > PATTERN_FLOPS)


def precise_and_long(examination: Examination) -> Iterator[Shape]:
    """The shapes of `precise_and_large` up to 560³, and shapes of every length of k for which `every_size` has no room.

    Where k is short, the bounds of reals are tight enough to see any shortened mantissa.
    """
    yield from (shape for shape in strategies.precise_and_large(examination) if shape.flops <= PATTERN_FLOPS)
    plans = (strategies.elongated, regions.other_regions)
    others = (shape for plan in plans for shape in plan(examination))
    yield from (shape for shape in others if min(shape) < regions.LEAST_ROOM and shape.k > LONG_K)


def mixed_and(
    plan: Callable[[Examination], Iterator[Shape]], elements: int = 1
) -> Callable[[Examination], Iterator[Shape]]:
    """For fast schemes: shapes at which the kernel has shown one so far, then another plan.

    At those shapes the oracles for classical kernels do not count, so that those for fast schemes must look instead.
    All of them above 64³, and SOME smaller ones, drawn from the secret seed. Shapes whose C has fewer than `elements`
    elements are left out.
    """

    def planned(examination: Examination) -> Iterator[Shape]:
        known = examination.levels.items()
        shown = sorted(shape for shape, levels in known if levels and shape.m * shape.n >= elements)
        small = [shape for shape in shown if shape.flops <= SMALL_FLOPS]
        yield from random.Random(examination.seed).sample(small, min(SOME, len(small)))
        yield from plan(examination)
        yield from sorted(set(shown) - set(small), key=lambda shape: shape.flops)

    return planned
