"""Oracles of endurance: hundreds of calls, more products than 32 bits count, deep stacks, many threads, many shapes."""

from __future__ import annotations

import random
from collections.abc import Iterator

from harness.judge.examination import Examination
from harness.judge.growth import must_not_grow
from harness.judge.inputs import generator, small_integers, whole
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles.oracle import Oracle
from harness.judge.oracles.surroundings import on_a_thread
from harness.judge.reference import exact_f32, freivalds, unequal
from harness.judge.strategies import secret
from harness.judge.worker.calls import Placement
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import At, Counterexample, Gate

# Round trips of a long history and products in each. For a slow kernel the least number of round trips, and the CPU
# seconds after which they are enough.
HISTORY, HISTORY_CALLS, HISTORY_LEAST, HISTORY_S = 40, 16, 6, 1.0
# CPU seconds that a product beyond 2^32 may take, as estimated from one with 64 times fewer; a slower kernel is spared.
BEYOND_32_BITS_S = 3.0
# Threads or shapes in a round, and rounds.
IN_A_ROUND, ROUNDS, ROUNDS_LEAST, ROUNDS_S = 4, 16, 9, 1.0


def long_history(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Some six hundred medium products in one process, with new signs in each round trip, all verified.

    Kills counters of medium calls. An honest kernel passes because its result depends on its arguments only.
    """
    rng = generator(seed)
    runner.close()
    a, b = small_integers(rng, shape)
    before_s = runner.cpu_s
    for number in range(HISTORY):
        a[rng.integers(shape.m)] *= -1
        b[:, rng.integers(shape.n)] *= -1
        for got in runner.products([(a, b)] * HISTORY_CALLS, seed + number, Placement.ALIGNED):
            wrong = freivalds(got, a, b, rng, "one of hundreds of products in one process")
            if wrong is not None:
                return wrong
        if number + 1 >= HISTORY_LEAST and runner.cpu_s - before_s > HISTORY_S:
            break
    return None


def beyond_32_bits(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers −1, 0 and 1 at a shape with more than 2^32 products.

    Kills counters and indices of 32 bits. An honest kernel passes because it counts in usize. A kernel that would take
    longer than BEYOND_32_BITS_S is spared.
    """
    rng = generator(seed)
    before_s = runner.cpu_s
    quarter = Shape(*(extent // 4 for extent in shape))
    for size in (quarter, shape):
        a, b = whole(rng, size.m, size.k, 1), whole(rng, size.k, size.n, 1)
        got = runner.product(a, b, seed, Placement.ALIGNED)
        wrong = freivalds(got, a, b, rng, f"{size.flops // 2} products")
        if wrong is not None or 64 * (runner.cpu_s - before_s) > BEYOND_32_BITS_S:
            return wrong
    return None


def long_stack(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers at one very long extent, on a thread with 2 MiB of stack, which is what a thread of Rust's std gets.

    Kills recursion once per row, per column or per term. An honest kernel loops, or halves what is left.
    """
    a, b = small_integers(generator(seed), shape)
    got = on_a_thread(runner, a, b, seed)
    return unequal(got, exact_f32(a, b), "integers on a thread with 2 MiB of stack")


def thread_growth(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Products on one new thread after the other; memory and threads stay as they are.

    Kills memory that every calling thread leaves behind. An honest kernel's thread-local scratch is freed when its
    thread ends. Raises Rejected when memory still grows.
    """
    rng = generator(seed)
    runner.close()
    a, b = small_integers(rng, shape)
    before_s, rounds = runner.cpu_s, []
    for number in range(ROUNDS):
        for _ in range(IN_A_ROUND):
            got = on_a_thread(runner, a, b, seed + number)
            wrong = freivalds(got, a, b, rng, "a product on a new thread")
            if wrong is not None:
                return wrong
        assert runner.last is not None
        rounds.append(runner.last)
        if number + 1 >= ROUNDS_LEAST and runner.cpu_s - before_s > ROUNDS_S:
            break
    must_not_grow(rounds, At(Gate.CONDUCT, shape, seed), IN_A_ROUND)
    return None


def shape_growth(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """A product at `shape`, then products at smaller shapes, each only once; memory and threads stay as they are.

    Kills memory that every new shape leaves behind. An honest kernel's scratch has the size of the largest product.
    Raises Rejected when memory still grows.
    """
    rng = generator(seed)
    runner.close()
    a, b = small_integers(rng, shape)
    before_s, rounds = runner.cpu_s, []
    runner.product(a, b, seed, Placement.ALIGNED)
    for number in range(ROUNDS):
        parts = [[int(rng.integers(extent // 2, extent)) for extent in shape] for _ in range(IN_A_ROUND)]
        pairs = [(a[:m, :k], b[:k, :n]) for m, k, n in parts]
        products = runner.products(pairs, seed + number, Placement.ALIGNED)
        for got, (x, y) in zip(products, pairs, strict=True):
            wrong = freivalds(got, x, y, rng, "one of many shapes in one process")
            if wrong is not None:
                return wrong
        assert runner.last is not None
        rounds.append(runner.last)
        if number + 1 >= ROUNDS_LEAST and runner.cpu_s - before_s > ROUNDS_S:
            break
    must_not_grow(rounds, At(Gate.CONDUCT, shape, seed), IN_A_ROUND)
    return None


def medium(examination: Examination) -> Iterator[Shape]:
    """Secret shapes of 65 … 110 and of 130 … 190."""
    draw = random.Random(examination.seed)
    yield secret(draw, 65, 110)
    yield secret(draw, 130, 190)


def more_than_32_bits(examination: Examination) -> Iterator[Shape]:
    """One secret shape with more than 2^32 products; none for the quick profile."""
    if examination.profile is not Profile.QUICK:
        yield secret(random.Random(examination.seed), 1630, 1690)


def very_long(examination: Examination) -> Iterator[Shape]:
    """One extent of some 60,000, along each axis."""
    draw = random.Random(examination.seed)
    for axis in range(3):
        extents = [draw.randint(1, 3) for _ in range(3)]
        extents[axis] = draw.randint(55_000, 66_000)
        yield Shape(*extents)


def with_scratch(examination: Examination) -> Iterator[Shape]:
    """One secret shape with room for packed blocks."""
    yield secret(random.Random(examination.seed), 130, 190)


ORACLES = (
    Oracle("beyond-32-bits", Gate.CONDUCT, beyond_32_bits, more_than_32_bits, smallest=4, shrinkable=False),
    Oracle("long-history", Gate.CONDUCT, long_history, medium, smallest=1, shrinkable=False),
    Oracle("long-stack", Gate.CONDUCT, long_stack, very_long, elongated=True, shrinkable=False),
    Oracle("thread-growth", Gate.CONDUCT, thread_growth, with_scratch, smallest=1, shrinkable=False),
    Oracle("shape-growth", Gate.CONDUCT, shape_growth, with_scratch, smallest=2, shrinkable=False),
)
