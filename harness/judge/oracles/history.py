"""Oracles of history: what earlier calls in the same process leave behind does not change a product."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import numpy as np

from harness.judge import strategies
from harness.judge.examination import Examination
from harness.judge.growth import must_not_grow
from harness.judge.inputs import generator, small_integers
from harness.judge.kernel_runner import KernelRunner
from harness.judge.mixing import levels_shown
from harness.judge.oracles.mixtures import mixture, unlike
from harness.judge.oracles.oracle import Oracle
from harness.judge.oracles.surroundings import on_a_thread
from harness.judge.reference import exact_f32, freivalds, unequal
from harness.judge.strategies import secret
from harness.judge.worker.calls import F32, Placement
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import At, Counterexample, Gate

# Shapes that follow a product full of NaN: smaller in some extents, equal or larger in others, with ragged edges.
AFTERWARDS = ((0, 0, 0), (-1, -2, -3), (-7, 5, -30), (3, -40, -9), (-60, -60, -60), (-100, 30, -90))
# Large calls in one process. By profile: their least number, and the CPU seconds after which a slow kernel's are
# enough.
LARGE_CALLS = 12
LARGE_CALLS_LEAST = {Profile.QUICK: (2, 2.0), Profile.DEFAULT: (5, 6.0), Profile.THOROUGH: (12, 60.0)}
# What is added to each extent of a large call for the first one, so that all exceed 1024.
BEYOND = 125
# Rounds of medium products, and calls in each: half of them above ROUND_FLOPS. For a slow kernel the least number of
# rounds, which suffices to see growth, and the CPU seconds after which they are enough.
ROUNDS, IN_A_ROUND, ROUND_FLOPS, ROUNDS_LEAST, ROUNDS_S = 16, 4, 2 * 260**3, 8, 0.4
ONE_OF_SEVERAL = "one of several products in one process"


def dirty_scratch(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Products full of NaN or infinities, each followed by integers at another shape in the same process.

    Kills scratch memory whose padding or former content takes part in the sums: 0 times NaN is NaN. An honest kernel
    passes because it reads only what it wrote in the same call.
    """
    rng = generator(seed)
    runner.close()
    for value, offsets in itertools.product((np.nan, np.inf), AFTERWARDS):
        full = [np.full(size, value, np.float32) for size in ((shape.m, shape.k), (shape.k, shape.n))]
        runner.product(full[0], full[1], seed, Placement.ALIGNED)
        extents = (max(e + offset, 1) for e, offset in zip(shape, offsets, strict=True))
        a, b = small_integers(rng, Shape(*extents))
        got = runner.product(a, b, seed, Placement.ALIGNED)
        wrong = unequal(got, exact_f32(a, b), f"integers after a product full of {value}")
        if wrong is not None:
            return wrong
    return None


def permutations(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers at all orders of three extents, and at other shapes with as many products, in random order, twice; of
    large ones only the orders, once.

    Kills state that is found again by m·k·n, by the number of elements or by a sum of the extents. An honest kernel
    passes because its result depends on its arguments only.
    """
    rng = generator(seed)
    m, k, n = shape
    large = shape.flops > ROUND_FLOPS
    shapes = [*itertools.permutations(shape)]
    if not large:
        shapes += [(2 * m, k, n // 2), (m // 2, 2 * k, n), (m, k // 2, 2 * n)]
        shapes += [(m * 2, k // 2, n), (m // 2, k, n * 2), (m, k * 2, n // 2)]
    runner.close()
    for order in [rng.permutation(len(shapes)) for _ in range(1 if large else 2)]:
        for index in order:
            a, b = small_integers(rng, Shape(*shapes[index]))
            got = runner.product(a, b, seed, Placement.ALIGNED)
            wrong = unequal(got, exact_f32(a, b), "integers after other shapes with as many products")
            if wrong is not None:
                return wrong
    return None


def other_outputs(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers into one C; then B changes in place, in one element or in all, and the product goes to another C.

    Kills copies of B that are found again by its address and renewed only when C is the same. An honest kernel passes
    because it reads its inputs at every call.
    """
    rng = generator(seed)
    for every in (False, True, False):
        a, b = small_integers(rng, shape)
        changed = small_integers(rng, shape)[1] if every else b.copy()
        if not every:
            spot = int(rng.integers(b.size))
            changed.flat[spot] = 1 - changed.flat[spot]
        layout = runner.layout(shape, 1, 1, ((0, 0), (0, 0)), seed)
        turns = [(a[None], y[None], slice(number, number + 1)) for number, y in enumerate((b, changed))]
        for got, y in zip(runner.at_shared_addresses(layout, turns, seed), (b, changed), strict=True):
            wrong = unequal(got, exact_f32(a, y), "B changed in place before a product into another C")
            if wrong is not None:
                return wrong
    return None


def crossed_operands(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Each of three A times each of three B, once to three times in one secret order; in the middle of the last time
    one element of each A and of each B changes in place.

    Kills packed copies that are kept by address, for any A or any B, until a pair comes again or a sample of an operand
    has changed. An honest kernel passes because it reads its inputs at every call.
    """
    rng = generator(seed)
    runner.close()
    pairs = [(i, j) for i in range(CROSSED) for j in range(CROSSED)]
    layout = runner.layout(shape, CROSSED, CROSSED, pairs, seed).shuffled(rng)
    a, b = (
        np.stack(side) for side in zip(*(small_integers(rng, shape) for _ in range(CROSSED)), strict=True)
    )
    middle = int(rng.integers(CROSSED, len(pairs) - CROSSED))
    parts = [slice(None)] * int(rng.integers(3)) + [slice(middle), slice(middle, None)]
    turns: list[tuple[F32, F32, slice]] = []
    for part in parts:
        turns.append((a.copy(), b.copy(), part))
        for x in (*a, *b):
            spot = int(rng.integers(x.size))
            x.flat[spot] = 1 - x.flat[spot]
    calls = [(x[i], y[j]) for x, y, part in turns for i, j in layout.pairs[part]]
    for got, (x, y) in zip(runner.at_shared_addresses(layout, turns, seed), calls, strict=True):
        wrong = unequal(
            got, exact_f32(x, y), "A and B changed in place between products of one A with another B"
        )
        if wrong is not None:
            return wrong
    return None


# Number of A and of B that are multiplied with each other.
CROSSED = 3


def large_calls(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """A dozen large products in one process, each with new integers and verified; memory and threads stay as they are.

    The first has every extent beyond 1024, special values and full mantissas, and runs on a thread with 2 MiB of stack;
    the second is full of NaN; each of the others is followed by one of 401 … 500. Kills counters that weigh calls by
    their size, scratch or stack that only large calls need and misuse, and memory or threads that every large call
    leaves behind. An honest kernel passes: its scratch and its pool have their size after a few calls. Raises Rejected
    when they still grow.
    """
    rng = generator(seed)
    runner.close()
    before_s, rounds = runner.cpu_s, []
    least, enough_s = LARGE_CALLS_LEAST[runner.examination.profile]
    wrong = _begin_large(runner, shape, seed) if "first-large" not in runner.examination.disabled else None
    if wrong is not None:
        return wrong
    a, b = small_integers(rng, shape)
    middle = _middle(shape, rng)
    for number in range(2, LARGE_CALLS):
        a[rng.integers(shape.m)] *= -1
        b[rng.integers(shape.k)] *= -1
        b[:, rng.integers(shape.n)] *= -1
        for x, y in ((a, b), (a[: middle.m, : middle.k], b[: middle.k, : middle.n])):
            wrong = freivalds(
                runner.product(x, y, seed + number, Placement.ALIGNED), x, y, rng, ONE_OF_SEVERAL
            )
            if wrong is not None:
                return wrong
            if "middle-large" in runner.examination.disabled:
                break
        assert runner.last is not None
        rounds.append(runner.last)
        if number + 1 >= least and runner.cpu_s - before_s > enough_s:
            break
    must_not_grow(rounds, At(Gate.CONDUCT, shape, seed))
    return None


def _middle(shape: Shape, rng: np.random.Generator) -> Shape:
    """A secret shape of 401 … 500 in every extent, smaller than `shape`."""
    return Shape(*(int(rng.integers(min(401, extent), min(501, extent + 1))) for extent in shape))


def _begin_large(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Every extent longer by BEYOND, on a thread; then a product full of NaN at the shape itself."""
    wrong = _first_large(runner, Shape(*(extent + BEYOND for extent in shape)), seed)
    if wrong is None:
        a = np.full((shape.m, shape.k), np.nan, np.float32)
        runner.product(a, np.full((shape.k, shape.n), np.nan, np.float32), seed, Placement.ALIGNED)
    return wrong


def _first_large(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Special values among integers that fill 23 bits, on a thread with 2 MiB of stack; for a kernel that shows a fast
    scheme, whose coefficients may be fractions, small integers.
    """
    rng = generator(seed + 1)
    if runner.examination.numerics == "componentwise" and "full-large" not in runner.examination.disabled:
        data = mixture(rng, shape)
        wrong = unlike(runner, on_a_thread(runner, data.a, data.b, seed), data, seed)
        if wrong is None or not levels_shown(runner, shape, seed):
            return wrong
    a, b = small_integers(rng, shape)
    return freivalds(on_a_thread(runner, a, b, seed), a, b, rng, ONE_OF_SEVERAL)


def medium_growth(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Rounds of medium products in one process, each verified; memory and threads stay as they are.

    Kills memory or threads that products of this size leave behind, and large ones need not. An honest kernel passes:
    its scratch and its pool have their size after a few calls. Raises Rejected when they still grow.
    """
    return _in_rounds(runner, shape, seed, IN_A_ROUND if shape.flops <= ROUND_FLOPS else IN_A_ROUND // 2)


def elongated_growth(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Like `medium_growth`, of products with one row, with one column, or with few of both and a long k.

    Kills what only these leave behind. A kernel that takes more than SPARED_S for one product is spared: an honest one
    may pad to a square here.
    """
    return _in_rounds(runner, shape, seed, IN_A_ROUND, SPARED_S)


# CPU seconds of one elongated product from which on no more follow.
SPARED_S = 0.05


def _in_rounds(
    runner: KernelRunner, shape: Shape, seed: int, calls: int, spared_s: float = float("inf")
) -> Counterexample | None:
    rng = generator(seed)
    runner.close()
    a, b = small_integers(rng, shape)
    before_s, rounds = runner.cpu_s, []
    for number in range(ROUNDS):
        a[rng.integers(shape.m)] *= -1
        # A kernel that may be spared is asked for one product first.
        here = 1 if number == 0 and spared_s < float("inf") else calls
        for got in runner.products([(a, b)] * here, seed + number, Placement.ALIGNED):
            wrong = freivalds(got, a, b, rng, ONE_OF_SEVERAL)
            if wrong is not None:
                return wrong
        assert runner.last is not None
        rounds.append(runner.last)
        if number == 0 and runner.cpu_s - before_s > spared_s:
            return None
        if number + 1 >= ROUNDS_LEAST and runner.cpu_s - before_s > ROUNDS_S:
            break
    must_not_grow(rounds, At(Gate.CONDUCT, shape, seed), calls)
    return None


def of_other_kinds(examination: Examination) -> Iterator[Shape]:
    """Secret shapes with one row, with one column, and with few of both and a long k."""
    draw = random.Random(examination.seed)
    yield Shape(1, draw.randint(101, 127), draw.randint(101, 127))
    yield Shape(draw.randint(310, 500), draw.randint(310, 500), 1)
    yield Shape(8, draw.randint(1030, 2000), 9)


def before_ragged(examination: Examination) -> Iterator[Shape]:
    """Two secret shapes with room for packed blocks, one small and one beyond 300."""
    draw = random.Random(examination.seed)
    yield secret(draw, 110, 160)
    yield secret(draw, 301, 340)


def permuted(examination: Examination) -> Iterator[Shape]:
    """Secret triples of different even extents: a small one, a larger one, and one of more than 300³ products."""
    draw = random.Random(examination.seed)
    yield Shape(*draw.sample(range(8, 60, 2), 3))
    yield Shape(*draw.sample(range(64, 260, 2), 3))
    if examination.profile is not Profile.QUICK:
        yield Shape(*draw.sample(range(302, 340, 2), 3))


def cached(examination: Examination) -> Iterator[Shape]:
    """A small shape, one with packed blocks, and one beyond 300."""
    draw = random.Random(examination.seed)
    yield secret(draw, 20, 64)
    yield secret(draw, 130, 260)
    yield secret(draw, 310, 400)


def shared(examination: Examination) -> Iterator[Shape]:
    """A small shape, one with packed blocks, and the timed shapes of up to 128³."""
    draw = random.Random(examination.seed)
    yield secret(draw, 20, 64)
    yield secret(draw, 130, 260)
    yield from (shape for shape in strategies.timed(examination) if shape.flops <= CROSSED_FLOPS)


# Size up to which operands of timed shapes are crossed: those whose batches have several products.
CROSSED_FLOPS = 2 * 128**3


def above_900(examination: Examination) -> Iterator[Shape]:
    """One secret shape beyond 900 in every extent."""
    draw = random.Random(examination.seed)
    yield secret(draw, 901, 960)


def of_middle_size(examination: Examination) -> Iterator[Shape]:
    """Secret shapes of 31 … 400, one in each octave or so; the quick profile leaves out the largest."""
    draw = random.Random(examination.seed)
    yield secret(draw, 31, 99)
    for low, high in ((100, 170), (171, 260), (261, 400)):
        if high <= 260 or examination.profile is not Profile.QUICK:
            yield secret(draw, low, high)


ORACLES = (
    # The longest comes first, so that the others run beside it.
    Oracle("large-calls", Gate.CONDUCT, large_calls, above_900, smallest=1, shrinkable=False),
    Oracle("medium-growth", Gate.CONDUCT, medium_growth, of_middle_size, smallest=1, shrinkable=False),
    Oracle(
        "elongated-growth",
        Gate.CONDUCT,
        elongated_growth,
        of_other_kinds,
        smallest=1,
        shrinkable=False,
        elongated=True,
    ),
    Oracle("dirty-scratch", Gate.CONDUCT, dirty_scratch, before_ragged, smallest=1),
    Oracle("permutations", Gate.CONDUCT, permutations, permuted, smallest=2),
    Oracle("other-outputs", Gate.CONDUCT, other_outputs, cached, smallest=1),
    Oracle("crossed-operands", Gate.CONDUCT, crossed_operands, shared, smallest=1, patience_s=2.0),
)
