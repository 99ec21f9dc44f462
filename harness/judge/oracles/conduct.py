"""Oracles of the conduct gate: repeatable results, no state kept between calls, no threads left running."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import numpy as np

from harness.judge import strategies
from harness.judge.growth import must_not_grow
from harness.judge.inputs import few_bits, generator, reals, small_integers, whole
from harness.judge.kernel_runner import KernelRunner, Rejected
from harness.judge.oracles.oracle import Oracle
from harness.judge.reference import exact_f32, first_wrong, unequal
from harness.judge.strategies import secret
from harness.judge.worker.calls import F32, Placement
from harness.shapes import Shape
from harness.verdict import At, Cheat, Counterexample, Gate

# Shapes that run between two equal products; they use other code paths and leave other data in caches and
# scratch.
BETWEEN = (Shape(9, 5, 3), Shape(70, 30, 50), Shape(1, 200, 1))
# Number of calls within which counters that change behaviour after some number of calls do so.
CALLS = 4608
# Calls in one round trip.
CALLS_AT_ONCE = 256
# Least number of calls for a kernel that is slow to call (one that spawns threads each time).
CALLS_AT_LEAST = 768
# Calls after which the extents of the next ones are drawn anew, half of them from MEDIUM: so small that a round trip
# fits into the same process.
EVERY_MEDIUM, MEDIUM = 2 * CALLS_AT_ONCE, (20, 30)
# CPU seconds after which such a kernel gets no more calls.
CALLS_S = 4.0
# Number of consecutive products when threads may race.
REPEATS = 12


def determinism(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Reals, four times: twice in a row, after other shapes, and in a fresh process; equal in every bit.

    Kills races, uninitialised scratch memory and results that depend on earlier calls. An honest kernel passes because
    it sums in a fixed order, which splitting rows or columns among threads does not change. Splitting k among threads
    that add in the order in which they finish is rejected on purpose: such results cannot be replayed.
    """
    rng = generator(seed)
    a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    runner.close()
    first = runner.product(a, b, seed, Placement.ALIGNED)
    for when in ("repeated at once", "after other shapes", "in a fresh process"):
        if when == "after other shapes":
            for other in BETWEEN:
                runner.product(*small_integers(rng, other), seed, Placement.ALIGNED)
        if when == "in a fresh process":
            runner.close()
        again = runner.product(a, b, seed, Placement.ALIGNED)
        ok = again.view(np.uint32) == first.view(np.uint32)
        wrong = first_wrong(again, ok, first, f"results {when} differ in their bits")
        if wrong is not None:
            return wrong
    return None


def fresh_values(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers at the same addresses again and again: one deep element of A or of B changed, all changed, all moved.

    Kills packed copies and outputs that are cached by pointer, by a few sampled values or by a checksum of corners. At
    a small shape, every row of A and of B is changed twice, once in each half, so that a checksum that omits one row
    shows too, and elements, rows and columns change places, which no sum of elements shows. An honest kernel passes
    because it reads its inputs at every call.
    """
    rng = generator(seed)
    a, b = small_integers(rng, shape)
    for turn in range(6):
        where = Placement.LEFT if turn == 5 else Placement.ALIGNED
        wrong = unequal(
            runner.product(a, b, seed, where), exact_f32(a, b), f"{CHANGES[turn]} at the same addresses"
        )
        if wrong is not None:
            return wrong
        if turn == 3:
            a, b = small_integers(rng, shape)
        else:
            _change_one(rng, a if turn % 2 else b)
    if shape.flops > EVERY_ROW_FLOPS:
        return None
    return _every_row(runner, (a, b), seed) or _exchanged(runner, (a, b), seed)


def _exchanged(runner: KernelRunner, data: tuple[F32, F32], seed: int) -> Counterexample | None:
    """Exchange two different elements of a row, of a column, two rows and two columns, and verify each product."""
    if "exchanged" in runner.examination.disabled:
        return None
    rng = generator(seed + 2)
    for x, name in ((data[0], "A"), (data[1], "B"), (data[0].T, "A"), (data[1].T, "B")):
        if len(x) < 2 or not x.size:
            continue
        one, other = rng.choice(len(x), 2, replace=False)
        x[[one, other]] = x[[other, one]]
        got = runner.product(*data, seed, Placement.ALIGNED)
        whole = unequal(got, exact_f32(*data), f"lines of {name} exchanged")
        line = x[:, int(rng.integers(x.shape[1]))]
        there = int(np.argmax(line != line[0]))
        line[[0, there]] = line[[there, 0]]
        got = runner.product(*data, seed, Placement.ALIGNED)
        single = unequal(got, exact_f32(*data), f"elements of {name} exchanged")
        if whole is not None or single is not None:
            return whole or single
    return None


def _every_row(runner: KernelRunner, data: tuple[F32, F32], seed: int) -> Counterexample | None:
    """Change one element in each half of each row of A, then of B, and verify each product."""
    rng = generator(seed + 1)
    for side, x in enumerate(data):
        rows, cols = x.shape
        for row, half in itertools.product(range(rows if cols else 0), range(2)):
            col = int(rng.integers(half * cols // 2, max((half + 1) * cols // 2, 1)))
            x[row, col] = 10 - x[row, col] if x[row, col] != 5 else 0
            what = f"one element of {'AB'[side]} changed, in row {row}, at the same addresses"
            wrong = unequal(runner.product(*data, seed, Placement.ALIGNED), exact_f32(*data), what)
            if wrong is not None:
                return wrong
    return None


# Up to this size, some hundred products cost next to nothing.
EVERY_ROW_FLOPS = 2 * 70**3

CHANGES = (
    "first data",
    "one element of B changed",
    "one of A changed",
    "one of B changed",
    "all changed",
    "moved",
)


def _change_one(rng: np.random.Generator, x: F32) -> None:
    """Give one random element another value, in place."""
    if x.size:
        spot = int(rng.integers(x.size))
        x.flat[spot] = 10 - x.flat[spot] if x.flat[spot] != 5 else 0


def races(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers, the same product a dozen times in a row, each verified; only where several threads are declared.

    Kills lost updates and tiles that two threads write, which show only occasionally. An honest kernel passes because
    its threads write disjoint parts, or add under a lock, and the order of exact sums does not matter.
    """
    a, b = small_integers(generator(seed), shape)
    want = exact_f32(a, b)
    for number, got in enumerate(runner.products([(a, b)] * REPEATS, seed, Placement.ALIGNED)):
        wrong = unequal(got, want, f"repetition {number}")
        if wrong is not None:
            return wrong
    return None


def call_count(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Thousands of calls in one process, each with new data, each verified; half of them at larger secret shapes.

    Kills kernels that do the work only in the first calls, whether they count all calls or only those of some size, and
    memory that every call leaves behind. An honest kernel passes because it does not count calls. Raises Rejected when
    memory or threads still grow.
    """
    rng = generator(seed)
    runner.close()
    before_s, small = runner.effort_s, shape
    at, rounds = At(Gate.CONDUCT, shape, seed), []
    draw = random.Random(seed)
    for done in range(0, CALLS, CALLS_AT_ONCE):
        if done >= CALLS_AT_LEAST and runner.effort_s - before_s > CALLS_S:
            break
        if done % EVERY_MEDIUM == 0 and "medium-calls" not in runner.examination.disabled:
            shape = secret(draw, *MEDIUM)
        elif done % EVERY_MEDIUM == EVERY_MEDIUM // 2:
            shape = small
        a = whole(rng, CALLS_AT_ONCE * shape.m, shape.k, 9).reshape(CALLS_AT_ONCE, shape.m, shape.k)
        b = whole(rng, CALLS_AT_ONCE * shape.k, shape.n, 9).reshape(CALLS_AT_ONCE, shape.k, shape.n)
        got = np.stack(runner.products(list(zip(a, b, strict=True)), seed))
        want = (a.astype(np.float64) @ b).astype(np.float32)
        for number in np.flatnonzero(~(got == want).all(axis=(1, 2))):
            what = f"call {done + int(number)} in one process, of {shape}"
            return unequal(got[number], want[number], what)
        assert runner.last is not None
        rounds.append(runner.last)
    must_not_grow(rounds, at, CALLS_AT_ONCE)
    return None


def leftovers(runner: KernelRunner, shape: Shape, seed: int) -> None:
    """After a product the worker sleeps, and with one declared thread a product uses no more than one core's CPU time.

    Kills threads that keep computing, threads that spin to slow the baseline, and thread pools in thread class 1. An
    honest rayon pool falls asleep within milliseconds. Raises Rejected only for what happens twice in a row.
    """
    a, b = small_integers(generator(seed), shape)
    at = At(Gate.CONDUCT, shape, seed)
    busy_ns, beyond_ns = float("inf"), float("inf")
    for _ in range(2):
        runner.product(a, b, seed, Placement.ALIGNED)
        assert runner.last is not None
        beyond_ns = min(beyond_ns, runner.last.cpu_ns - CPU_PER_WALL_PINNED * runner.last.elapsed_ns)
        busy_ns = min(busy_ns, runner.idle_cpu_ns())
    if runner.examination.threads == 1 and beyond_ns > BEYOND_NS:
        raise Rejected(
            Cheat("more threads than declared", "more CPU time than wall time with one thread declared", at)
        )
    if busy_ns > IDLE_NS:
        raise Rejected(Cheat("threads left running", "the worker uses CPU time while no call is running", at))


def blindness(runner: KernelRunner, shape: Shape, seed: int) -> None:
    """Reals may not take much longer than integers of few bits.

    Kills kernels that recognise such integers, which exact checks need, and multiply them in short integers or by
    tables. An honest kernel passes because a floating-point multiplication takes equally long for all operands. The
    best of several turns on either side is compared, in wall time and in CPU time; a suspicion must be confirmed by
    many more turns in a fresh process.
    """
    rng = generator(seed)
    data = (few_bits(rng, shape), (reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)))
    slower = 0.0
    for turns in BLIND_TURNS:
        slower = _slower_on_the_second(runner, data, seed, turns)
        if slower <= BLIND_RATIO:
            return
        runner.close()
    detail = f"{slower:.1f} times as long on reals as on integers of few bits"
    raise Rejected(Cheat("speed depends on the data", detail, At(Gate.CONDUCT, shape, seed)))


def _slower_on_the_second(
    runner: KernelRunner, data: Sequence[tuple[F32, F32]], seed: int, turns: int
) -> float:
    """Best time on the second data divided by best time on the first, by wall or CPU time, whichever ratio is smaller.

    Stops early once both are alike, and after BLIND_S of CPU time. Returns 1.0 when the difference is below the clock's
    noise.
    """
    best = np.full((2, 2), np.inf)
    before_s = runner.effort_s
    for turn in range(turns):
        for kind, (a, b) in enumerate(data):
            runner.product(a, b, seed, Placement.ALIGNED)
            assert runner.last is not None
            best[kind] = np.minimum(best[kind], (runner.last.elapsed_ns, runner.last.cpu_ns))
        ratio = float(np.min(best[1] / np.maximum(best[0], 1)))
        enough = turn >= 2 or best[1, 0] > BLIND_SLOW_NS
        if (enough and ratio <= BLIND_ALIKE) or runner.effort_s - before_s > BLIND_S:
            break
    return ratio if best[1, 0] - best[0, 0] > BLIND_LEAST_NS else 1.0


# Turns of the first and of the second comparison.
BLIND_TURNS = (16, 96)
# CPU seconds for one comparison.
BLIND_S = 4.0
# Ratio of the times up to which they count as equal.
BLIND_ALIKE = 1.15
# Ratio of the times above which a kernel is rejected.
BLIND_RATIO = 1.5
# Nanoseconds of a call; above it, one turn of each side is enough.
BLIND_SLOW_NS = 100e6
# Nanoseconds; a smaller difference is noise.
BLIND_LEAST_NS = 100e3

# CPU time per wall time allowed to one thread that is pinned to one core.
CPU_PER_WALL_PINNED = 1.3
# Nanoseconds by which CPU time and wall time may disagree.
BEYOND_NS = 3_000_000
# CPU nanoseconds that an idle worker may use in 20 ms.
IDLE_NS = 2_000_000

ORACLES = (
    Oracle("leftovers", Gate.CONDUCT, leftovers, strategies.worth_threads, reports_remarks=True, alone=True),
    Oracle("blindness", Gate.CONDUCT, blindness, strategies.largest_timed, shrinkable=False, alone=True),
    Oracle("fresh-values", Gate.CONDUCT, fresh_values, strategies.repeated),
    Oracle("determinism", Gate.CONDUCT, determinism, strategies.repeated),
    Oracle("races", Gate.CONDUCT, races, strategies.for_threads),
    Oracle("call-count", Gate.CONDUCT, call_count, strategies.for_call_count),
)
