"""Recognises fast bilinear schemes (Strassen and kin) by their results, one shape at a time.

Such a scheme adds rows of A and columns of B before it multiplies. The error of an element of C then depends on
elements of A and B outside of its row and column: the scheme mixes rows or columns. A kernel that sums the products of
each element never does, in whatever order and precision it sums.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.judge.inputs import generator, reals
from harness.judge.kernel_runner import KernelRunner, Rejected
from harness.judge.matrices import same_bits
from harness.judge.reference import Mask
from harness.judge.worker.calls import F32, Placement
from harness.shapes import Shape

# Factor on single rows of A and columns of B. A scheme that adds them to other rows loses every bit of the others, even
# when it computes in f64 (53 bits); its own sums stay far below 2^128.
LOUD = np.float32(2.0**60)
# Number of single rows, and of single columns, that are multiplied by LOUD until one of them spreads.
PICKS = 3
# Seconds of kernel time after which no further row or column is tried.
PICKS_TIME_S = 0.5
# Halves of the rows, and of the columns, that are tried however slow the kernel is.
HALVES = 2


def levels_shown(runner: KernelRunner, shape: Shape, seed: int) -> int:
    """The levels of recursion that the kernel shows at a shape; 0 when it mixes nothing there.

    One row of A is multiplied by 2^60. A scheme that halves the rows L times spreads it to up to 2^L rows
    of C; all others keep their bits. The same holds for columns of B. The number of levels is the binary logarithm of
    the widest spread, rounded up. A kernel whose bits change from call to call, or that fails, shows nothing.
    """
    if min(shape) == 0:
        return 0
    rng = generator(seed)
    data = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    try:
        widest = _widest_spread(runner, data, seed, rng)
    except Rejected:
        return 0
    return (widest - 1).bit_length()


def _widest_spread(runner: KernelRunner, data: tuple[F32, F32], seed: int, rng: np.random.Generator) -> int:
    """The most rows or columns of C that change with others of A or B; 1 when nothing mixes or bits vary.

    A slow kernel is examined with a single row first, and is done when that row spreads.
    """
    began_s, widest = runner.cpu_s, 1
    quiet, again = runner.products([data, data], seed, Placement.ALIGNED)
    if not same_bits(quiet, again):
        return 1
    for axis, index in _picks(quiet.shape, rng):
        loud = [x.copy() for x in data]
        if axis == 0:
            loud[0][index] *= LOUD
        else:
            loud[1][:, index] *= LOUD
        got = runner.product(loud[0], loud[1], seed, Placement.ALIGNED)
        changed = (got.view(np.uint32) != quiet.view(np.uint32)).any(axis=1 - axis)
        changed[index] = True
        widest = max(widest, int(np.count_nonzero(changed)))
        if widest > 1 and (axis == 1 or runner.cpu_s - began_s > PICKS_TIME_S):
            return widest
    return _any_pair(runner, data, quiet, seed)


def _picks(shape: tuple[int, ...], rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """(0, row) and (1, column) to multiply by LOUD, in turn: the middle ones, then arbitrary ones."""
    yield from ((axis, extent // 2) for axis, extent in enumerate(shape))
    for _ in range(PICKS - 1):
        yield from ((axis, int(rng.integers(extent))) for axis, extent in enumerate(shape))


def _any_pair(runner: KernelRunner, data: tuple[F32, F32], quiet: F32, seed: int) -> int:
    """2 when any two rows or any two columns mix, else 1.

    A scheme may mix as few as two rows of a ragged shape, which single rows miss. So half of the rows is multiplied by
    LOUD, selected by each bit of their numbers, which separates any two rows once; then half of the columns. Stops
    after PICKS_TIME_S, but not before both halves of the highest bit: where a kernel pads to a power of two, that bit
    tells the blocks of its first level apart.
    """
    (a, b), began_s = data, runner.cpu_s
    for number, rows in enumerate(_halves(a.shape[0]), 1):
        got = runner.product(np.where(rows[:, None], LOUD * a, a), b, seed, Placement.ALIGNED)
        if not same_bits(got[~rows], quiet[~rows]):
            return 2
        if number >= HALVES and runner.cpu_s - began_s > PICKS_TIME_S:
            break
    for number, cols in enumerate(_halves(b.shape[1]), 1):
        got = runner.product(a, np.where(cols, LOUD * b, b), seed, Placement.ALIGNED)
        if not same_bits(got[:, ~cols], quiet[:, ~cols]):
            return 2
        if number >= HALVES and runner.cpu_s - began_s > 2 * PICKS_TIME_S:
            break
    return 1


def _halves(extent: int) -> Iterator[Mask]:
    """For each bit, highest first: a mask of the numbers below `extent` that have the bit, and its complement."""
    numbers = np.arange(extent)
    for bit in reversed(range((max(extent, 1) - 1).bit_length())):
        have = numbers >> bit & 1 == 1
        yield from (have, ~have)
