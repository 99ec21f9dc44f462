"""Oracles of surroundings: what a real caller may do, and what differs from the pinned worker of the other oracles."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.judge.examination import Examination
from harness.judge.inputs import generator, reals, small_integers
from harness.judge.kernel_runner import KernelRunner, Rejected
from harness.judge.oracles.conduct import BEYOND_NS
from harness.judge.oracles.oracle import Oracle
from harness.judge.reference import (
    componentwise_bound,
    exact_f32,
    first_wrong,
    normwise_bound,
    product_f64,
    unequal,
)
from harness.judge.strategies import secret
from harness.judge.worker.calls import F32, Placement, Surroundings
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import At, Cheat, Counterexample, Crash, Gate

# Pairs of simultaneous calls in one round trip, and the number of round trips.
AT_ONCE, ROUNDS = 12, 4
# The same for products of more than SMALL_FLOPS, which take long enough to overlap in any case.
AT_ONCE_LARGE, ROUNDS_LARGE, SMALL_FLOPS = 2, 2, 2 * 280**3


def same_slice(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers where A and B are the same memory, `matmul(m, k, n, &x, &x, c)`, or overlap: both are legal Rust.

    Kills caches and shortcuts that mistake one operand for the other. An honest kernel passes because it only reads
    both.
    """
    rng = generator(seed)
    a = small_integers(rng, Shape(shape.m, shape.k, shape.m))[0]
    for n in (shape.m, int(rng.integers(1, shape.m))):
        skip = 0 if n == shape.m else int(rng.integers(1, shape.k * (shape.m - n) + 1))
        b, got = runner.shared_product(a, n, skip, seed)
        what = f"A and B overlap, {skip} elements apart" if skip else "A and B the same slice"
        wrong = unequal(got, exact_f32(a, b), f"integers, {what}")
        if wrong is not None:
            return wrong
    return None


def small_stack(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers on a thread with 2 MiB of stack, which is what a thread of Rust's std gets.

    Kills kernels that keep panels in large arrays or recurse once per row: they would abort their caller. An honest
    kernel allocates on the heap. Raises Rejected when the kernel dies there and not on the main thread.
    """
    a, b = small_integers(generator(seed), shape)
    return unequal(
        on_a_thread(runner, a, b, seed), exact_f32(a, b), "integers on a thread with 2 MiB of stack"
    )


def on_a_thread(runner: KernelRunner, a: F32, b: F32, seed: int) -> F32:
    """C of A·B, computed on a thread with 2 MiB of stack. Raises Rejected; a crash that a main thread survives says
    so.
    """
    try:
        return runner.products([(a, b)], seed, Placement.ALIGNED, Surroundings.THREAD)[0]
    except Rejected as outcome:
        if not isinstance(outcome.rejection, Crash):
            raise
        runner.product(a, b, seed, Placement.ALIGNED)
        detail = "it returns on a main thread with 64 MiB of stack; use the heap instead"
        detail = f"on a thread with 2 MiB of stack: {detail}"
        raise Rejected(replace(outcome.rejection, detail=detail)) from None


def at_once(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers in pairs of calls at the same time, from two threads, on all cores; each with data of its own, and in
    every second round trip with another shape on the second thread.

    Kills scratch memory that two callers share without a lock, or with one lock for each shape: a safe function with
    such a race is unsound. An honest kernel keeps its scratch per thread, per call or under a lock.
    """
    rng = generator(seed)
    large = shape.flops > SMALL_FLOPS
    mixed = "mixed-shapes" not in runner.examination.disabled
    for other in _elsewhere(runner):
        for number in range(ROUNDS_LARGE if large else ROUNDS):
            second = (
                Shape(*rng.permutation([extent - 1 for extent in shape])) if mixed and number % 2 else shape
            )
            shapes = [shape, second] * ((AT_ONCE_LARGE if large else AT_ONCE) // 2)
            pairs = [small_integers(rng, one) for one in shapes]
            products = other.products(pairs, seed, Placement.ALIGNED, Surroundings.AT_ONCE)
            for (a, b), got in zip(pairs, products, strict=True):
                wrong = unequal(got, exact_f32(a, b), "two calls at the same time, from two threads")
                if wrong is not None:
                    return wrong
        return None
    return None


def other_cores(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers and reals in workers that see other numbers of cores, or are told to use other numbers of threads.

    Kills what only `available_parallelism() > 1`, or a pool of another size, brings to light. An honest kernel passes
    because its product does not depend on them.
    """
    rng = generator(seed)
    for name, other in zip(runner.examination.other_surroundings, _elsewhere(runner), strict=True):
        a, b = small_integers(rng, shape)
        wrong = unequal(other.product(a, b, seed), exact_f32(a, b), f"integers, {name}")
        if wrong is None:
            a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
            got, want = other.product(a, b, seed), product_f64(a, b)
            fast = runner.examination.numerics == "normwise"
            levels = runner.examination.granted_levels(shape)
            bound = np.full(want.shape, normwise_bound(a, b, levels)) if fast else componentwise_bound(a, b)
            wrong = first_wrong(got, np.abs(got - want) <= bound, want, f"reals, {name}")
        if wrong is not None:
            return wrong
    return None


def _elsewhere(runner: KernelRunner) -> Iterator[KernelRunner]:
    """A runner in each of the other surroundings, ended before the next one begins."""
    for launch in runner.examination.other_surroundings.values():
        with KernelRunner(replace(runner.examination, launch=launch), runner.gate) as other:
            yield other
        runner.add(other)


def idle_elsewhere(runner: KernelRunner, shape: Shape, seed: int) -> None:
    """With all cores in sight, a kernel of thread class 1 still uses one core at a time, in each of TURNS turns.

    Kills kernels that start threads where they see more than one core. An honest kernel of that class computes on one
    core at a time, wherever it runs. Raises Rejected.
    """
    if runner.examination.threads != 1:
        return
    a, b = small_integers(generator(seed), shape)
    for other in _elsewhere(runner):
        other.product(a, b, seed, Placement.ALIGNED)
        assert other.last is not None
        in_a_row = int(np.clip(TURN_NS / max(other.last.elapsed_ns, 1), 1, MOST_IN_A_ROW))
        beyond_ns = []
        for _ in range(TURNS):
            other.products([(a, b)] * in_a_row, seed, Placement.ALIGNED)
            assert other.last is not None
            beyond_ns.append(other.last.cpu_ns - CPU_PER_WALL_UNPINNED * other.last.elapsed_ns)
        if max(beyond_ns) > BEYOND_NS:
            detail = "more CPU time than wall time with all cores in sight"
            raise Rejected(Cheat("more threads than declared", detail, At(Gate.CONDUCT, shape, seed)))


# Number of turns.
TURNS = 8
# Nanoseconds of one turn.
TURN_NS = 60e6
# Largest number of products in one turn.
MOST_IN_A_ROW = 12
# CPU time per wall time allowed to one thread that may use any core.
CPU_PER_WALL_UNPINNED = 1.1


def squares(examination: Examination) -> Iterator[Shape]:
    """Shapes with as many columns as rows: a small one and larger ones, without the quick profile up to 1100."""
    draw = random.Random(examination.seed)
    larger = () if examination.profile is Profile.QUICK else ((601, 900), (901, 1100))
    for low, high in ((8, 40), (100, 200), (300, 340), (513, 560), *larger):
        edge = draw.randint(low, high)
        yield Shape(edge, draw.choice((edge, draw.randint(low, high))), edge)


def varied(examination: Examination) -> Iterator[Shape]:
    """Secret shapes: few rows, small, ragged, beyond 300, beyond 512, and one with a single long extent."""
    draw = random.Random(examination.seed)
    yield Shape(draw.randint(2, 7), draw.randint(60, 130), draw.randint(60, 130))
    for low, high in ((5, 30), (60, 130), (301, 340), (513, 560)):
        yield secret(draw, low, high)
    yield Shape(draw.randint(30, 60), draw.randint(1030, 1300), draw.randint(30, 60))


def large_and_varied(examination: Examination) -> Iterator[Shape]:
    """A secret shape of 601 … 760 and one beyond 900; none for the quick profile."""
    if examination.profile is not Profile.QUICK:
        draw = random.Random(examination.seed)
        yield secret(draw, 601, 760)
        yield secret(draw, 901, 960)


def contended(examination: Examination) -> Iterator[Shape]:
    """Sizes whose products take long enough to overlap and short enough for many, and three larger ones."""
    draw = random.Random(examination.seed)
    for low, high in ((30, 60), (90, 150), (200, 260), (301, 340), (513, 560), (701, 780)):
        if high > 560 and examination.profile is Profile.QUICK:
            return
        yield secret(draw, low, high)


def worth_threads(examination: Examination) -> Iterator[Shape]:
    """Large enough that threads pay off."""
    yield Shape(400, 400, 400)


ORACLES = (
    Oracle("same-slice", Gate.CONDUCT, same_slice, squares, smallest=2, patience_s=2.0, shrinkable=False),
    Oracle("small-stack", Gate.CONDUCT, small_stack, varied),
    Oracle("other-cores", Gate.CONDUCT, other_cores, varied, shrinkable=False),
    Oracle(
        "other-cores-large", Gate.CONDUCT, other_cores, large_and_varied, patience_s=2.0, shrinkable=False
    ),
    Oracle("idle-elsewhere", Gate.CONDUCT, idle_elsewhere, worth_threads, shrinkable=False, alone=True),
    Oracle("at-once", Gate.CONDUCT, at_once, contended, patience_s=3.0, shrinkable=False, alone=True),
)
