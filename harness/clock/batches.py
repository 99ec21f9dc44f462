"""The data of timed batches: new exact inputs before every run, poisoned C, and every output verified by Freivalds.

Drawing and verifying cost more than the timed product itself, so they work on a whole batch at once and in few passes,
and can be done before and after several runs: between two runs only copies are made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.random import Generator
from numpy.typing import NDArray

from harness.judge.calls import F32, Layout, Slot
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
# What is turned into f64 at a time, in elements of one matrix stack: some megabytes stay in the caches.
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Side:
    """How the values of A or of B are drawn: bits of the odd integers, powers of two by which rows or columns go."""

    bits: int
    scale: F32

    def draw(self, rng: Generator, size: tuple[int, int, int]) -> F32:
        return np.asarray(np.multiply(_odd(rng, size, self.bits), self.scale, dtype=np.float32))


@dataclass(frozen=True, slots=True)
class Inputs:
    """The data of one batch in the parent's own memory: a (a_count, m, k), b (b_count, k, n), f32, contiguous."""

    layout: Layout
    a: F32
    b: F32
    _a_side: _Side
    _b_side: _Side

    @classmethod
    def draw(cls, rng: Generator, layout: Layout, numerics: Numerics) -> Inputs:
        """New values whose products are exact in f32 in every order of summation.

        Odd integers (no zeros to skip, the lowest bit always counts), one side with 12 bits at k ≤ 1024, which is more
        than bf16, f16 and TF32 carry, times a power of two per row of A and column of B, so that they are not
        recognisable as integers.
        """
        shape = layout.shape
        wide, narrow = _bits(shape, numerics)
        if rng.integers(2):
            wide, narrow = narrow, wide
        reach = REACH if shape.n <= MAX_SCALED_N and numerics == "componentwise" else 0
        rows = np.ldexp(np.float32(1), rng.integers(-reach, reach, (shape.m, 1), endpoint=True))
        cols = np.ldexp(np.float32(1), rng.integers(-reach, reach, (1, shape.n), endpoint=True))
        a_side, b_side = _Side(wide, rows), _Side(narrow, cols)
        a = a_side.draw(rng, (layout.a_count, shape.m, shape.k))
        b = b_side.draw(rng, (layout.b_count, shape.k, shape.n))
        return cls(layout, a, b, a_side, b_side)

    def successor(self, rng: Generator) -> Inputs:
        """The data of the next turn: one side all new; in each matrix of the other just one element, of the other sign.

        Who keeps packed copies or results by address and a few sampled values is wrong in the next turn.
        """
        shape, layout = self.layout.shape, self.layout
        if rng.integers(2):
            a = self._a_side.draw(rng, (layout.a_count, shape.m, shape.k))
            return replace(self, a=a, b=_one_changed(rng, self.b))
        b = self._b_side.draw(rng, (layout.b_count, shape.k, shape.n))
        return replace(self, a=_one_changed(rng, self.a), b=b)

    def verify(self, c: F32, rng: Generator) -> Counterexample | None:
        """None when every c[i] is its product, but for a chance of 32^−2 per wrong batch (Freivalds 1979).

        Call it after the run, so that its vectors are drawn then. C·x = A·(B·x) in f64, where every term is an integer
        times a power of two and every sum stays below 2^53: exact, so that any difference is an error. NaN and infinity
        differ from anything.
        """
        x = rng.integers(-ENTRIES // 2, ENTRIES // 2, (self.layout.shape.n, VECTORS)).astype(np.float64)
        crossed = self._all_times(x) if self.layout.is_crossed else None
        for part in self._chunks():
            i, j = np.array(self.layout.pairs[part]).T
            want = _times(self.a[i], _times(self.b[j], x)) if crossed is None else crossed[i, j]
            with np.errstate(all="ignore"):
                wrong = ~(_times(c[part], x) == want)
            if wrong.any():
                index, row = divmod(int(np.argmax(wrong.any(axis=-1))), self.layout.shape.m)
                return self._locate(c, part.start + index, row)
        return None

    def _all_times(self, x: F64) -> F64:
        """A·(B·x) for every A with every B: (a_count, b_count, m, VECTORS)."""
        (m, k, _), a_count, b_count = self.layout.shape, self.layout.a_count, self.layout.b_count
        right = _times(self.b, x).transpose(1, 0, 2).reshape(k, b_count * VECTORS)
        every = _times(self.a.reshape(a_count * m, k), right).reshape(a_count, m, b_count, VECTORS)
        return every.transpose(0, 2, 1, 3)

    def verify_fully(self, c: F32) -> Counterexample | None:
        """Every element of every c[i] against the f64 product, bit for bit; the suspicious kernel's second look."""
        for index, (i, j) in enumerate(self.layout.pairs):
            want = self.a[i].astype(np.float64) @ self.b[j].astype(np.float64)
            wrong = ~(c[index] == want)
            if wrong.any():
                return self._locate(c, index, int(np.argmax(wrong.any(axis=1))))
        return None

    def _chunks(self) -> Iterator[slice]:
        m, k, n = self.layout.shape
        step = max(CHUNK // max(m * k, k * n, m * n), 1)
        for start in range(0, len(self.layout.pairs), step):
            yield slice(start, start + step)

    def _locate(self, c: F32, index: int, row: int) -> Counterexample:
        """The first wrong element of a row that is known to be wrong."""
        i, j = self.layout.pairs[index]
        want = self.a[i, row].astype(np.float64) @ self.b[j].astype(np.float64)
        got = c[index, row]
        col = int(np.argmax(~(got == want)))
        return Counterexample(
            oracle="freivalds",
            detail="a timed output is not the product",
            row=row,
            col=col,
            got=repr(float(got[col])),
            expected=repr(float(want[col])),
        )


class Batch:
    """The slots of a layout in one worker's shared memory, filled and read a few copies at a time."""

    def __init__(self, layout: Layout, slots: Sequence[Slot]) -> None:
        self.slots = tuple(slots)
        together = list(zip(layout.pairs, slots, strict=True))
        a, b = {i: slot.a for (i, _), slot in together}, {j: slot.b for (_, j), slot in together}
        self._a = _stacks([a[i] for i in range(layout.a_count)])
        self._b = _stacks([b[j] for j in range(layout.b_count)])
        self._c = _stacks([slot.c for slot in slots])

    def lay(self, inputs: Inputs, rng: Generator) -> None:
        """Copy `inputs` to the same addresses as ever; fill C with NaN.

        A quiet NaN whose payload differs from run to run: an old poison is no more an answer than a zero.
        """
        _fill(self._a, inputs.a)
        _fill(self._b, inputs.b)
        poison = np.uint32(0x7FC00000) | np.uint32(rng.integers(1 << 22))
        for stack in self._c:
            stack.view(np.uint32)[...] = poison

    def outputs(self, into: F32) -> F32:
        """Copy every C into `into` (products, m, n), which is returned."""
        return np.concatenate(self._c, out=into)


def _one_changed(rng: Generator, matrices: F32) -> F32:
    """A copy in which one element of each matrix has the other sign: never zero, so never the same."""
    changed = matrices.copy()
    count, rows, cols = matrices.shape
    changed[np.arange(count), rng.integers(0, rows, count), rng.integers(0, cols, count)] *= -1
    return changed


def _fill(stacks: Sequence[F32], source: F32) -> None:
    start = 0
    for stack in stacks:
        stack[...] = source[start : start + len(stack)]
        start += len(stack)


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


def _stacks(views: Sequence[F32]) -> list[F32]:
    """The views, a few to a stack: (s, rows, cols) over memory that is evenly spaced, for fewer and longer passes."""
    if len(views) < 2:
        return [view[np.newaxis] for view in views]
    address = [view.ctypes.data for view in views]
    steps = {after - before for before, after in pairwise(address)}
    if len(steps) != 1 or min(steps) <= 0:
        return [view[np.newaxis] for view in views]
    first = views[0]
    return [as_strided(first, (len(views), *first.shape), (steps.pop(), *first.strides))]
