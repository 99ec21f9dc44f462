"""Secret shapes of every region: extents from 2 to 1400 beside each other, a few rows beside two long extents, too.

The lists of `strategies` and `path_changes` follow what kernels do at known sizes. Between them lie regions that no
list names, and a kernel may have a path of its own there.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from harness.judge.examination import Examination
from harness.settings import Profile
from harness.shapes import Shape

# Ranges of an extent; kernels treat all extents of one alike, more often than not.
RANGES = ((2, 23), (24, 66), (67, 126), (131, 260), (261, 520), (521, 900), (1025, 1400))
# A larger shape is shortened along one secret extent, so that each plan is some 0.25 GFLOP.
MOST_FLOPS = 2 * 200**3
# Ranges in which all three extents lie together; both are cheap.
TOGETHER = ((24, 66), (67, 126), (67, 126))
# Few rows, columns or terms, and the ranges of the other two extents, of which each meets one along every axis: kernels
# often have a path of their own there.
FEW, BESIDE_FEW = (2, 23), ((131, 260), (261, 520), (521, 900))
# Two long extents beside a moderate one, and one long extent beside two moderate ones, along every axis.
LONG, LONGER, MODERATE = (561, 700), (561, 1000), (105, 300)
# Least extent of a shape that has room for rows and columns with a meaning of their own.
LEAST_ROOM = 24
# Number of shapes of the quick profile.
QUICK = 12


def regions(examination: Examination) -> Iterator[Shape]:
    """Some forty secret shapes, in a secret order; with `other_regions`, any two ranges meet along any two axes, except
    for large ones whose product is too long. The quick profile keeps QUICK of them.
    """
    yield from _regions(examination, 0)


def other_regions(examination: Examination) -> Iterator[Shape]:
    """The cells of the Latin square that `regions` leaves out, and other shapes with few rows, columns or terms."""
    yield from _regions(examination, 1)


def _regions(examination: Examination, which: int) -> Iterator[Shape]:
    """Half of a Latin square of ranges: rows are those of m, columns those of k, entries those of n, each in a secret
    order.
    """
    secret = random.Random(examination.seed)
    rows, columns, entries = (secret.sample(RANGES, len(RANGES)) for _ in range(3))
    draw = random.Random(examination.seed + which)
    shapes = [Shape(*(draw.randint(*span) for _ in range(3))) for span in TOGETHER]
    for axis in range(3):
        for pair in zip(BESIDE_FEW, draw.sample(BESIDE_FEW, len(BESIDE_FEW)), strict=True):
            extents = [draw.randint(*span) for span in pair]
            extents.insert(axis, draw.randint(*FEW))
            shapes.append(Shape(*extents))
    for i, j in itertools.product(range(len(RANGES)), repeat=2):
        if (i + j) % 2 == which:
            spans = rows[i], columns[j], entries[(i + j) % len(RANGES)]
            shapes.append(_shortened([draw.randint(*span) for span in spans], draw))
    draw.shuffle(shapes)
    yield from shapes if examination.profile is not Profile.QUICK else shapes[:QUICK]


def _shortened(extents: list[int], draw: random.Random) -> Shape:
    """The shape, shortened along one secret extent where it has more than MOST_FLOPS."""
    axis = draw.randrange(3)
    extents[axis] = max(2, min(extents[axis], MOST_FLOPS // (2 * extents[axis - 1] * extents[axis - 2])))
    return Shape(*extents)


def moderate(examination: Examination) -> Iterator[Shape]:
    """Secret shapes with moderate extents beside long ones, one for each axis: C is large and k fits into one block."""
    yield from _moderate(examination, 0)


def other_moderate(examination: Examination) -> Iterator[Shape]:
    """One long extent along the axes where `moderate` has two, and two where it has one."""
    yield from _moderate(examination, 1)


def _moderate(examination: Examination, which: int) -> Iterator[Shape]:
    draw = random.Random(examination.seed)
    kinds = [draw.randrange(2) ^ which for _ in range(3)]
    for axis, kind in enumerate(kinds):
        alone, others = ((MODERATE, LONG), (LONGER, MODERATE))[kind]
        extents = [draw.randint(*others) for _ in range(3)]
        extents[axis] = draw.randint(*alone)
        yield Shape(*extents)


def narrow(examination: Examination) -> Iterator[Shape]:
    """Those of `regions` with an extent below LEAST_ROOM: cheap, and too small for rows and columns of many kinds."""
    yield from (shape for shape in regions(examination) if min(shape) < LEAST_ROOM)


def thin(examination: Examination) -> Iterator[Shape]:
    """Secret shapes with one extent of 2 … 8 and two of 61 … 400, along every axis."""
    draw = random.Random(examination.seed)
    for axis in range(3):
        extents = [draw.randint(61, 400) for _ in range(3)]
        extents[axis] = draw.randint(2, 8)
        yield Shape(*extents)


def large_square(examination: Examination) -> Iterator[Shape]:
    """One secret square beyond 300."""
    edge = random.Random(examination.seed).randint(301, 340)
    yield Shape(edge, edge, edge)
