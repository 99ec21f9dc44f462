"""The data of timed batches: new exact inputs before every run, poisoned C, and every output verified by Freivalds.

The parent spends this time between timed regions, so it works on a whole batch at once and in few passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.random import Generator
from numpy.typing import NDArray

from harness.judge.calls import F32, Slot
from harness.judge.inputs import FAST_HEADROOM
from harness.judge.lab import Numerics
from harness.judge.reference import EXACT_LIMIT
from harness.shapes import Shape
from harness.verdict import Counterexample

F64 = NDArray[np.float64]
# Exponents of the powers of two by which rows of A and columns of B are scaled: −REACH … REACH.
REACH = 2
# Beyond this many columns the scaled sums of the verification would need more than the 53 bits of an f64.
MAX_SCALED_N = 1 << 16
# Freivalds vectors per batch, with entries −16 … 15: one wrong element escapes with probability 32^−2 per run.
VECTORS, ENTRIES = 2, 32


class Batch:
    """Slots of one shape in one worker, as stacks: a (s, m, k), b (s, k, n), c (s, m, n), f32, in shared memory."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.slots = tuple(slots)
        self.shape = slots[0].shape
        self.a = _stack([slot.a for slot in slots])
        self.b = _stack([slot.b for slot in slots])
        self.c = _stack([slot.c for slot in slots])

    def renew(self, rng: Generator, numerics: Numerics) -> None:
        """New A and B at the same addresses, whose product is exact in f32 in every order; C full of NaN.

        Odd integers (no zeros to skip, the lowest bit always counts), one side with 12 bits at k ≤ 1024, which is more
        than bf16, f16 and TF32 carry, times a power of two per row of A and column of B, so that they are not
        recognisable as integers.
        """
        wide, narrow = _bits(self.shape, numerics)
        if rng.integers(2):
            wide, narrow = narrow, wide
        reach = REACH if self.shape.n <= MAX_SCALED_N and numerics == "componentwise" else 0
        rows = np.ldexp(np.float32(1), rng.integers(-reach, reach, (self.shape.m, 1), endpoint=True))
        cols = np.ldexp(np.float32(1), rng.integers(-reach, reach, (1, self.shape.n), endpoint=True))
        for a, b, c in zip(self.a, self.b, self.c, strict=True):
            np.multiply(_odd(rng, a.shape, wide), rows, out=a)
            np.multiply(_odd(rng, b.shape, narrow), cols, out=b)
            # A quiet NaN whose payload differs from run to run: an old poison is no more an answer than a zero.
            c.view(np.uint32)[...] = np.uint32(0x7FC00000) | np.uint32(rng.integers(1 << 22))

    def copy_inputs(self, other: Batch) -> None:
        """The inputs of `other`, a batch of the same shape and length in another worker."""
        for stack in range(len(self.a)):
            self.a[stack][...] = other.a[stack]
            self.b[stack][...] = other.b[stack]

    def verify(self, rng: Generator) -> Counterexample | None:
        """None when every C is the product, but for a chance of 32^−2 per wrong batch (Freivalds 1979).

        Draws its vectors after the run. C·x = A·(B·x) in f64, where every term is an integer times a power of two and
        every sum stays below 2^53: exact, so that any difference is an error. NaN and infinity differ from anything.
        """
        x = rng.integers(-ENTRIES // 2, ENTRIES // 2, (self.shape.n, VECTORS)).astype(np.float64)
        for index, (a, b, c) in enumerate(zip(self.a, self.b, self.c, strict=True)):
            with np.errstate(all="ignore"):
                wrong = ~(_times(c, x) == _times(a, _times(b, x)))
            if wrong.any():
                inside, row = divmod(int(np.argmax(wrong.any(axis=-1))), self.shape.m)
                return _locate(self.slots[index + inside], row)
        return None

    def verify_fully(self) -> Counterexample | None:
        """Every element of every C against the f64 product, bit for bit; the suspicious kernel's second examination."""
        for slot in self.slots:
            want = slot.a.astype(np.float64) @ slot.b.astype(np.float64)
            wrong = ~(slot.c == want)
            if wrong.any():
                return _locate(slot, int(np.argmax(wrong.any(axis=1))))
        return None


def _bits(shape: Shape, numerics: Numerics) -> tuple[int, int]:
    """Widths in bits of the two sides, so that k products of them sum to at most 2^24 (less for fast schemes).

    Each level of Winograd's variant adds up four blocks on either side, so that random entries grow by 2 and their
    products by 4. With levels down to blocks of 8, six standard deviations of the largest sums stay below 2^24:
    6·4·√8·(2^L·2^wide/√3)·(2^L·2^narrow/√3) ≤ 2^24, so wide + narrow ≤ 19.5 − 2·L.
    """
    room = EXACT_LIMIT // (FAST_HEADROOM if numerics == "normwise" else 1) // max(shape.k, 1)
    total = max(room.bit_length() - 1, 2)
    if numerics == "normwise":
        levels = max((min(shape) - 1).bit_length() - 3, 0)
        total = max(min(total, 19 - 2 * levels), 2)
    narrow = min(2, total - 1)
    return min(total - narrow, 14), narrow


def _odd(rng: Generator, size: tuple[int, ...], bits: int) -> NDArray[np.int16]:
    """Odd integers between −2^bits and 2^bits, all equally likely: 16 bits of each raw draw, nothing to reject."""
    count = math.prod(size)
    raw = np.asarray(rng.bit_generator.random_raw(-(-count // 4)))
    drawn = raw.view(np.uint16)[:count].reshape(size)
    drawn &= np.uint16((1 << bits) - 1)
    drawn <<= np.uint16(1)
    drawn += np.uint16(1)
    signed = drawn.view(np.int16)
    signed -= np.int16(1 << bits)
    return signed


def _times(matrix: F32, vectors: F64) -> F64:
    return np.asarray(matrix.astype(np.float64) @ vectors)


def _locate(slot: Slot, row: int) -> Counterexample:
    """The first wrong element of a row that Freivalds caught."""
    want = slot.a[row].astype(np.float64) @ slot.b.astype(np.float64)
    got = slot.c[row]
    col = int(np.argmax(~(got == want)))
    return Counterexample(
        oracle="freivalds",
        detail="a timed output is not the product",
        row=row,
        col=col,
        got=repr(float(got[col])),
        expected=repr(float(want[col])),
    )


def _stack(views: Sequence[F32]) -> list[F32]:
    """The views, a few to a stack: (s, rows, cols) over memory that is evenly spaced, for fewer and longer passes."""
    if len(views) < 2:
        return [view[np.newaxis] for view in views]
    address = [view.ctypes.data for view in views]
    steps = {after - before for before, after in pairwise(address)}
    if len(steps) != 1 or min(steps) <= 0:
        return [view[np.newaxis] for view in views]
    first = views[0]
    return [as_strided(first, (len(views), *first.shape), (steps.pop(), *first.strides))]
