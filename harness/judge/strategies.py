"""The shapes to check: fixed lists per profile, secret shapes drawn from the seed, and Hypothesis strategies."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.judge import regions
from harness.judge.examination import Examination
from harness.settings import Profile
from harness.shapes import Shape

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

# netlib's sblat3 runs the level-3 routines over these sizes.
SBLAT3 = (0, 1, 2, 3, 5, 9)
# Common register tiles and cache blocks; shapes one below and one above each expose errors at edges.
TILES = (4, 8, 16, 32, 64)
# Flops of the naive loop in about 0.1 s (NEAR_FLOPS) and in about 2 s on a slow day (WHOLE_FLOPS).
NEAR_FLOPS = 2 * 200**3
WHOLE_FLOPS = 2 * 600**3
# Up to this size, a shape is cheap enough for every kind of data.
SQUARE_FLOPS = 2 * 256**3
# Padded to a square with a power of two as edge, an elongated shape has at least this many times as many products.
MOSTLY_PADDING = 64
# An extent that does not fit 16 bits, in which kernels may keep indices.
BEYOND_16_BITS = (1 << 16) + 37
PRIMES = (7, 13, 31, 61, 97, 127)


def secret(draw: random.Random, least: int, most: int) -> Shape:
    """A shape whose extents are drawn from least … most."""
    return Shape(*(draw.randint(least, most) for _ in range(3)))


def first_shape(examination: Examination) -> Iterator[Shape]:
    """One shape with no convenient divisors: most wrong kernels fail here."""
    yield Shape(65, 67, 63)


def block_multiples(examination: Examination) -> Iterator[Shape]:
    """Even and odd sizes with room for several blocks."""
    yield Shape(64, 64, 64)
    yield Shape(70, 66, 74)
    if examination.profile is not Profile.QUICK:
        yield Shape(128, 128, 128)


def degenerate(examination: Examination) -> Iterator[Shape]:
    """The sblat3 set {0,1,2,3,5,9}³; the quick profile keeps {0,1,3,9}³."""
    sizes = (0, 1, 3, 9) if examination.profile is Profile.QUICK else SBLAT3
    for m, k, n in itertools.product(sizes, repeat=3):
        yield Shape(m, k, n)


def tiny(examination: Examination) -> Iterator[Shape]:
    """Small enough for a complete proof by basis probing, then larger ones for sampling."""
    yield Shape(2, 3, 2)
    yield Shape(3, 2, 4)
    yield Shape(17, 9, 35)
    if examination.profile is not Profile.QUICK:
        yield Shape(3, 4, 5)
        yield Shape(4, 4, 4)
        yield Shape(66, 33, 50)


def structured(examination: Examination) -> Iterator[Shape]:
    """A ragged shape, a square where B may equal A, and a larger one of each at a secret size."""
    yield Shape(19, 33, 26)
    draw = random.Random(examination.seed)
    if examination.profile is not Profile.QUICK:
        yield Shape(40, 40, 40)
        rows = draw.randint(132, 160)
        yield Shape(rows, draw.randint(140, 180), draw.choice((rows, draw.randint(132, 160))))
    edge = draw.randint(201, 224)
    yield Shape(edge, edge, edge)


def every_extent(examination: Examination) -> Iterator[Shape]:
    """Every extent from 1 to 136 along each axis, with the other two secret and short: about 400 tiny products."""
    draw = random.Random(examination.seed)
    for axis in range(3):
        for extent in range(1, 137) if examination.profile is not Profile.QUICK else range(1, 137, 3):
            extents = [draw.randint(1, 19) for _ in range(3)]
            extents[axis] = extent
            yield Shape(*extents)


def medium(examination: Examination) -> Iterator[Shape]:
    """Secret shapes with extents in 131 … 500, between the shapes that are proved and those that are timed.

    They cover: every order of a short, a medium and a long extent; every octave along each axis; two equal extents; one
    short extent; multiples of common tile sizes and their neighbours. The order is random, so that a slow kernel, whose
    list is cut short, cannot know which shapes are left out.
    """
    draw = random.Random(examination.seed)
    short, between, long = (131, 170), (220, 290), (390, 500)
    ranges = [
        *itertools.permutations((short, between, long)),
        *itertools.product(((131, 255), (257, 500)), repeat=3),
    ]
    ranges += itertools.permutations(((30, 99), (257, 500), (257, 500)), 3)
    shapes = {tuple(draw.randint(*span) for span in spans) for spans in ranges}
    for odd in range(3):
        extents = [draw.randint(140, 400)] * 3
        extents[odd] = draw.randint(64, extents[odd] - 5)
        shapes.add(tuple(extents))
    for base in (96, 128, 80):
        for offsets in ((0, 0, 0), (-1, 1, -1), (1, -1, 1)):
            shapes.add(tuple(base * draw.randint(2, 480 // base) + offset for offset in offsets))
    some = sorted(shapes)
    draw.shuffle(some)
    if examination.profile is Profile.QUICK:
        some = some[:10]
    yield from itertools.starmap(Shape, some)
    yield Shape(draw.randint(24, 60), 768, draw.randint(24, 60))
    yield Shape(*(draw.choice((503, 509, 521, 523, 541, 547)) for _ in range(3)))


def misaligned(examination: Examination) -> Iterator[Shape]:
    """Medium shapes whose right-aligned A starts on a cache line and B does not; and one arbitrary medium shape."""
    draw = random.Random(examination.seed)
    for beyond in (4, 12):
        yield Shape(4 * draw.randint(31, 60), 16 * draw.randint(8, 14) + beyond, 4 * draw.randint(31, 60) + 3)
    yield secret(draw, 120, 260)


def edges(examination: Examination) -> Iterator[Shape]:
    """Tile sizes ± 1, primes, 1×n, n×1, deep, tall and wide shapes."""
    for tile in TILES:
        yield Shape(tile - 1, tile + 1, tile)
        yield Shape(tile, tile - 1, tile + 1)
        yield Shape(tile + 1, tile, tile - 1)
    yield from itertools.starmap(Shape, ((1, 1, 129), (129, 1, 1), (1, 257, 1), (1, 100, 200), (200, 100, 1)))
    yield from itertools.starmap(Shape, ((3, 509, 5), (2, 511, 2), (257, 5, 6), (6, 5, 507), (300, 1, 300)))
    yield Shape(33, 256, 7)
    yield from vectors(examination)
    if examination.profile is Profile.QUICK:
        return
    for m, k, n in zip(PRIMES, PRIMES[1:] + PRIMES[:1], PRIMES[2:] + PRIMES[:2], strict=True):
        yield Shape(m, k, n)
    yield from itertools.starmap(Shape, ((130, 258, 34), (24, 510, 50), (509, 30, 16), (16, 31, 510)))
    if examination.profile is Profile.THOROUGH:
        yield from itertools.starmap(
            Shape, ((255, 257, 259), (385, 130, 258), (100, 769, 98), (1025, 20, 96))
        )


def vectors(examination: Examination) -> Iterator[Shape]:
    """Secret products with a row or a column and a deep k, and an outer product: large, and cheap all the same."""
    draw = random.Random(examination.seed)
    yield Shape(1, draw.randint(310, 600), draw.randint(160, 500))
    yield Shape(draw.randint(160, 500), draw.randint(310, 600), 1)
    yield Shape(draw.randint(160, 500), 1, draw.randint(160, 500))


def elongated(examination: Examination) -> Iterator[Shape]:
    """One long extent and two short ones, shortest first: secret lengths in every octave from 512 to 8192."""
    draw = random.Random(examination.seed)
    yield from itertools.starmap(Shape, ((24, 520, 50), (521, 30, 16), (16, 31, 530), (5, 1024, 7)))
    for octave in (512, 1024, 2048, 4096) if examination.profile is not Profile.QUICK else (1024, 4096):
        # Deep k twice: kernels block k at large sizes only, while they tile m and n at any size.
        for long in (1, 0, 1, 2):
            extents = [draw.randint(1, 19) for _ in range(3)]
            extents[long] = draw.randrange(octave + 1, 2 * octave)
            yield Shape(*extents)
    if examination.profile is not Profile.QUICK:
        yield from thick_elongated(examination)
        # Two long extents: a matrix of more than 2^21 elements as A, B or C.
        thinnest = draw.randrange(3)
        for least in range(3):
            extents = [draw.randint(1450, 1900) for _ in range(3)]
            extents[least] = draw.randint(1, 4) if least == thinnest else draw.randint(9, 40)
            yield Shape(*extents)
    yield from (Shape(2, BEYOND_16_BITS, 3), Shape(3, 2, BEYOND_16_BITS), Shape(BEYOND_16_BITS, 3, 2))


def timed(examination: Examination) -> Iterator[Shape]:
    """Every timed shape up to 1024³ once, smallest first; the clock verifies every timed output at all of them."""
    limit = 2 * 1024**3 if examination.profile is not Profile.THOROUGH else 2 * 2048**3
    for shape in sorted(set(examination.timed_shapes), key=lambda shape: shape.flops):
        if shape.flops <= limit:
            yield shape


def near_timed(examination: Examination) -> Iterator[Shape]:
    """Neighbours of every timed shape, secretly off by up to 3 in each extent.

    Each is also cut to a slab along each extent, so that any two extents are checked in full. The largest are only
    checked as slabs.
    """
    draw = random.Random(examination.seed)
    for shape in sorted(set(examination.timed_shapes)):
        extents = [max(1, extent + draw.choice((-3, -2, -1, 1, 2, 3))) for extent in shape]
        slabs = {_slab(extents, cut) for cut in range(3)}
        whole = Shape(*extents)
        yield from sorted(slabs | {whole} if whole.flops <= WHOLE_FLOPS else slabs)


def _slab(extents: Sequence[int], cut: int) -> Shape:
    """The shape shortened along one extent, and along the others only if that is not enough."""
    kept = list(extents)
    for axis in (cut, (cut + 1) % 3, (cut + 2) % 3):
        rest = 2 * kept[axis - 1] * kept[axis - 2]
        kept[axis] = max(1, min(kept[axis], NEAR_FLOPS // rest))
    return Shape(*kept)


def precise(examination: Examination) -> Iterator[Shape]:
    """Shapes for rounding errors: short k, where the bounds are tight, and long k, where sums are long."""
    yield from itertools.starmap(Shape, ((33, 65, 17), (5, 1, 7), (4, 2, 6), (9, 16, 11), (64, 256, 48)))
    if examination.profile is not Profile.QUICK:
        yield from itertools.starmap(Shape, ((96, 96, 96), (40, 1000, 24), (70, 3, 130), (128, 128, 128)))
    if examination.profile is Profile.THOROUGH:
        yield from itertools.starmap(
            Shape, ((130, 70, 132), (20, 4000, 20), (256, 256, 256), (61, 127, 97)) * 3
        )


def precise_and_timed(examination: Examination) -> Iterator[Shape]:
    """The shapes of `precise` and every timed shape, for fast schemes.

    Neighbours of timed shapes and elongated shapes are left out: with a short k and a large m and n, many levels of
    recursion fit, and their errors exceed a bound that grows with k.
    """
    yield from precise(examination)
    yield from timed(examination)


def graded_and_timed(examination: Examination) -> Iterator[Shape]:
    """Like `precise_and_timed`, with every timed shape up to 256³ four times, because the seed selects the grading."""
    yield from precise(examination)
    for shape in timed(examination):
        yield from itertools.repeat(shape, 4 if shape.flops <= SQUARE_FLOPS else 1)


def precise_and_some(examination: Examination) -> Iterator[Shape]:
    """The shapes of `precise`, a ragged one, a deep one and a timed one of up to 256³."""
    yield from precise(examination)
    yield from large(1)(examination)


def precise_and_large(examination: Examination) -> Iterator[Shape]:
    """The shapes of `precise`, timed shapes, their neighbours, and moderately elongated shapes.

    A fast scheme or a shortened mantissa may begin only at a certain size, or only where nothing divides evenly.
    """
    yield from precise(examination)
    yield from thick_elongated(examination)
    yield from (shape for shape in near_timed(examination) if shape.flops <= SQUARE_FLOPS)
    yield from timed(examination)


def graded_and_large(examination: Examination) -> Iterator[Shape]:
    """Like `precise_and_large`, with every timed shape up to 256³ four times, because the seed selects the grading."""
    yield from precise(examination)
    yield from thick_elongated(examination)
    yield from (shape for shape in near_timed(examination) if shape.flops <= SQUARE_FLOPS)
    for shape in timed(examination):
        yield from itertools.repeat(shape, 4 if shape.flops <= SQUARE_FLOPS else 1)


def distributions(examination: Examination) -> Iterator[Shape]:
    """Eighty small shapes: the seed selects the grading, distribution and scale, and eighty seeds cover all
    combinations.
    """
    draw = random.Random(examination.seed)
    for _ in range(80):
        yield secret(draw, 12, 30)


def few_rows_or_columns(examination: Examination) -> Iterator[Shape]:
    """So few rows or columns that a fast scheme has room for few levels, whose errors would hide a coarser arithmetic.

    Each kind three times: the seed selects the distribution, and with positive reals a coarser arithmetic is hardest to
    see.
    """
    draw = random.Random(examination.seed)
    for k in (16, 48, 300, 700):
        for _ in range(3):
            yield Shape(draw.randint(2, 4), k + draw.randint(0, 31), draw.randint(150, 600))
        for _ in range(3):
            yield Shape(draw.randint(510, 600), k + draw.randint(0, 31), draw.randint(2, 4))


def is_elongated(shape: Shape) -> bool:
    """Whether a kernel that pads to a square, or spawns a thread per row, needs far more time or memory here than
    others.
    """
    edge = 1 << (max(shape) - 1).bit_length() if min(shape) else 0
    return max(shape) > 1000 and edge**3 >= MOSTLY_PADDING * shape.m * shape.k * shape.n > 0


def thick_elongated(examination: Examination) -> Iterator[Shape]:
    """Moderately elongated shapes: one secret extent of 1031 … 2000 along each axis, the others 31 … 60."""
    draw = random.Random(examination.seed)
    for long in range(3):
        extents = [draw.randint(31, 60) for _ in range(3)]
        extents[long] = draw.randint(1031, 2000)
        yield Shape(*extents)


def special(kinds: int) -> Callable[[Examination], Iterator[Shape]]:
    """Shapes for special values: small ones, each six times, because the seed selects the kind of value. Among them a
    product with a row, one with a column and an outer product, for which kernels often have paths of their own, and,
    where `kinds` are asked for one by one, secret ones with a few rows, a few columns or a few terms.

    Then, for each of `kinds` kinds, a secret ragged shape, one with a deep k, and a timed one of up to 256³: a kernel
    may treat such values differently from some size on. No extent is 0. Deep means up to 512: beyond that, a fast
    scheme that pads to a square may have begun, in which infinities meet the zeros of the padding.
    """

    def plan(examination: Examination) -> Iterator[Shape]:
        shapes = [Shape(1, 1, 1), Shape(3, 2, 5), Shape(17, 33, 19)]
        shapes += [Shape(1, 37, 43), Shape(43, 37, 1), Shape(37, 1, 43)]
        if examination.profile is not Profile.QUICK:
            shapes += [Shape(40, 24, 65), Shape(70, 66, 34)]
        shapes += regions.thin(examination) if kinds > 1 else ()
        for shape in shapes:
            yield from itertools.repeat(shape, 6 if examination.profile is not Profile.THOROUGH else 24)
        yield from large(kinds)(examination)

    return plan


def large(kinds: int) -> Callable[[Examination], Iterator[Shape]]:
    """The large ones among the shapes of `special`, each kind once."""

    def plan(examination: Examination) -> Iterator[Shape]:
        draw = random.Random(examination.seed)
        fitting = [shape for shape in examination.timed_shapes if 0 < shape.flops <= SQUARE_FLOPS]
        largest = max(fitting, key=lambda shape: (shape.flops, shape), default=Shape(208, 208, 208))
        for _ in range(kinds):
            yield secret(draw, 131, 300)
        for _ in range(kinds):
            yield Shape(draw.randint(8, 24), draw.randint(400, 512), draw.randint(8, 24))
        yield from itertools.repeat(largest, kinds)

    return plan


def repeated(examination: Examination) -> Iterator[Shape]:
    """Large enough for threads and packed blocks to take effect."""
    yield Shape(66, 70, 62)
    yield Shape(130, 130, 130)
    if examination.profile is not Profile.QUICK:
        yield Shape(33, 257, 65)
        yield Shape(256, 256, 256)
    if examination.profile is Profile.THOROUGH:
        yield Shape(512, 512, 512)


def worth_threads(examination: Examination) -> Iterator[Shape]:
    """Large enough that threads pay off, and one beyond 512, from where on some kernels start them."""
    if examination.profile is Profile.QUICK:
        yield Shape(130, 130, 130)
        return
    yield Shape(256, 256, 256)
    yield secret(random.Random(examination.seed), 513, 560)


def largest_timed(examination: Examination) -> Iterator[Shape]:
    """The largest timed shape up to 512³; 256³ when there is none."""
    fitting = [shape for shape in examination.timed_shapes if shape.flops <= 2 * 512**3]
    yield max(fitting, key=lambda shape: (shape.flops, shape), default=Shape(256, 256, 256))


def for_threads(examination: Examination) -> Iterator[Shape]:
    """Shapes with boundaries between threads at tile edges, inside tiles and along k; none with one declared thread."""
    if examination.threads != 1:
        yield from itertools.starmap(Shape, ((97, 160, 130), (34, 600, 34), (256, 64, 256)))


def for_call_count(examination: Examination) -> Iterator[Shape]:
    """A small shape, because it is called thousands of times."""
    yield Shape(8, 8, 8)


def no_fixed_shapes(examination: Examination) -> Iterator[Shape]:
    """No shapes; used where Hypothesis draws them."""
    yield from ()


def drawn(largest: Shape, smallest: int = 0) -> SearchStrategy[Shape]:
    """Shapes within `largest`, each extent arbitrary or near a tile size."""
    from hypothesis import strategies as st

    return st.builds(Shape, *(extents(smallest, limit) for limit in largest))


def extents(least: int, most: int) -> SearchStrategy[int]:
    """One extent in least … most; shrinks towards the least."""
    from hypothesis import strategies as st

    near = sorted({e for tile in TILES for e in range(tile - 2, tile + 3) if least <= e <= most})
    free = st.integers(least, most)
    return free | st.sampled_from(near) if near else free
