"""The data of timed turns: reals for turns that count, exact integers for warm-up; every output of both is verified.

Only turns on reals count, because a kernel could recognise integers of few bits and multiply them as short integers.
Integers warm up every process, because they expose a single wrong bit in a single element. Drawing and verifying cost
more than the timed product, so they work on a whole batch in few passes, before and after several turns.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.judge.inputs import FAST_HEADROOM
from harness.judge.reference import (
    EXACT_LIMIT,
    F64,
    U32,
    componentwise_bound,
    gamma,
    normwise_bound,
    product_f64,
)
from harness.judge.worker.calls import F32, Layout
from harness.shapes import Shape
from harness.verdict import Counterexample

# Rows of A and columns of B are scaled by powers of two with exponents −REACH … REACH.
REACH = 2
# With more columns than this, the scaled sums of the verification would exceed the 53 bits of an f64.
MAX_SCALED_N = 1 << 16
# Freivalds vectors per batch, with entries −16 … 15: a wrong element escapes with probability 32^−2 per run.
VECTORS, ENTRIES = 2, 32
# Elements converted to f64 at a time, so that a few megabytes stay in the caches.
CHUNK = 1 << 20
# Number of rows of C computed in f64 for every turn on reals, and the most products that they come from.
ROWS, PRODUCTS = 16, 4
# Limit of the root-mean-square error of those rows in units of u·(|A|·|B|); f32 stays below 0.54, see
# judge/oracles/values.py.
ROUNDING = 2.0
# Elements of C, in whole rows, from which the relative error is computed: it is known to about 2 %.
ERROR_ELEMENTS = 2048
# Limit of a row's error in C·x, in standard deviations of what ROUNDING allows; a wrong row exceeds it by far.
SPREAD = 64.0

_D = TypeVar("_D", bound="TurnData")
Draw = Callable[[Generator, tuple[int, int, int]], F32]


@dataclass(frozen=True, slots=True)
class TurnData(ABC):
    """The data of one turn in the parent's memory: a (a_count, m, k), b (b_count, k, n), f32, contiguous.

    `levels` are those of a fast scheme that the kernel has shown at this shape; 0 for a classical kernel. `before`
    (m, n) is what every C holds before the turn, where the form adds to it; it is as large as the products.
    """

    layout: Layout
    levels: int
    a: F32
    b: F32
    _draw_a: Draw
    _draw_b: Draw
    before: F32 | None = None

    def successor(self, rng: Generator) -> Self:
        """The data of the next turn: one side is new; each matrix of the other has one element with the opposite sign.

        A kernel that caches packed copies or results by address and a few sampled values is wrong in the next turn.
        """
        before = None if self.before is None else self.before * _signs(rng, self.layout.shape.m)
        if rng.integers(2):
            drawn = self._draw_a(rng, _size(self.a))
            return replace(self, a=drawn, b=_one_changed(rng, self.b), before=before)
        drawn = self._draw_b(rng, _size(self.b))
        return replace(self, a=_one_changed(rng, self.a), b=drawn, before=before)

    def hardly_changed(self, rng: Generator) -> Self:
        """The same data with the opposite sign in one element of each A and of each B."""
        return replace(self, a=_one_changed(rng, self.a), b=_one_changed(rng, self.b))

    def of_products(self, part: slice) -> Self:
        """The same data for some of its products."""
        return replace(self, layout=replace(self.layout, pairs=self.layout.pairs[part]))

    @property
    def _alpha(self) -> float:
        return 1.0 if self.layout.form is None else self.layout.form.alpha

    def _result(self, a: F32, b: F32, rows: Any = slice(None)) -> F64:
        """alpha·A·B + C for these rows of A, in f64; C is what was there before."""
        found = self._alpha * product_f64(a, b)
        return found if self.before is None else found + self.before[rows]

    @abstractmethod
    def verify(self, c: F32, rng: Generator) -> Counterexample | None:
        """None when every c[i] (products, m, n) is its product, else the first wrong element.

        Call it after the run, so that the samples are drawn after the kernel has finished.
        """

    @abstractmethod
    def verify_fully(self, c: F32) -> Counterexample | None:
        """Like `verify`, but compares every element; used to confirm suspicious ratios."""

    def _all_times(self, x: F64) -> F64:
        """A·(B·x) for every pair of A and B: (a_count, b_count, m, vectors)."""
        (m, k, _), a_count, b_count = self.layout.shape, self.layout.a_count, self.layout.b_count
        right = _times(self.b, x).transpose(1, 0, 2).reshape(k, -1)
        every = _times(self.a.reshape(a_count * m, k), right).reshape(a_count, m, b_count, -1)
        return every.transpose(0, 2, 1, 3)

    def _differences(self, c: F32, x: F64) -> Iterator[tuple[int, F64]]:
        """C·x − alpha·A·(B·x) less what C held, chunk by chunk: the number of the first product, and (products, m,
        vectors).
        """
        m, k, n = self.layout.shape
        held = 0.0 if self.before is None else _times(self.before, x)
        crossed = self._all_times(x) if self.layout.is_crossed else None
        step = max(CHUNK // max(m * k, k * n, m * n), 1)
        for start in range(0, len(self.layout.pairs), step):
            part = slice(start, start + step)
            i, j = np.array(self.layout.pairs[part]).T
            want = _times(self.a[i], _times(self.b[j], x)) if crossed is None else crossed[i, j]
            with np.errstate(all="ignore"):
                yield start, _times(c[part], x) - (self._alpha * want + held)

    def _vectors(self, rng: Generator) -> F64:
        drawn = rng.integers(-ENTRIES // 2, ENTRIES // 2, (self.layout.shape.n, VECTORS))
        return drawn.astype(np.float64)

    def _row(self, c: F32, index: int, row: int) -> tuple[F32, F64]:
        """Row `row` of product `index`: the computed and the correct one."""
        i, j = self.layout.pairs[index]
        return c[index, row], self._result(self.a[i, row : row + 1], self.b[j], slice(row, row + 1))[0]


class ExactData(TurnData):
    """Integers times powers of two, whose products are exact in f32 in any order of summation."""

    @classmethod
    def draw(cls, rng: Generator, layout: Layout, levels: int) -> ExactData:
        """Odd integers (no zeros to skip, and the lowest bit matters), times a power of two per row of A and column of
        B.

        One side has 12 bits at k ≤ 1024, more than bf16, f16 and TF32 can represent.
        """
        shape = layout.shape
        adds = _adds(layout)
        wide, narrow = _bits(shape.like(shape.m, shape.k + 1, shape.n) if adds else shape, levels)
        most = wide
        if rng.integers(2):
            wide, narrow = narrow, wide
        reach = REACH if shape.n <= MAX_SCALED_N and levels == 0 else 0
        rows = np.ldexp(np.float32(1), rng.integers(-reach, reach, (shape.m, 1), endpoint=True))
        cols = np.ldexp(np.float32(1), rng.integers(-reach, reach, (1, shape.n), endpoint=True))
        made = _drawn(cls, rng, layout, levels, _scaled(wide, rows), _scaled(narrow, cols))
        if not adds:
            return made
        # No larger than one of the k products that are added to it, in the units of its row and column.
        before = _odd(rng, (shape.m, shape.n), most) * (rows * cols * np.float32(made._alpha))
        return replace(made, before=before.astype(np.float32))

    def verify(self, c: F32, rng: Generator) -> Counterexample | None:
        """See TurnData; a wrong element escapes with probability 32^−2 (Freivalds 1979).

        C·x = A·(B·x) in f64, where every term is an integer times a power of two and every sum stays below 2^53. The
        comparison is exact, so any difference is an error. NaN and infinity never compare equal.
        """
        for start, off in self._differences(c, self._vectors(rng)):
            wrong = ~(off == 0)
            if wrong.any():
                index, row = divmod(int(np.argmax(wrong.any(axis=-1))), self.layout.shape.m)
                got, want = self._row(c, start + index, row)
                return _counterexample(got, want, got == want, row)
        return None

    def verify_fully(self, c: F32) -> Counterexample | None:
        """See TurnData; bit for bit."""
        for index, (i, j) in enumerate(self.layout.pairs):
            want = self._result(self.a[i], self.b[j])
            ok = c[index] == want
            if not ok.all():
                row = int(np.argmin(ok.all(axis=1)))
                return _counterexample(c[index, row], want[row], ok[row], row)
        return None


class RealData(TurnData):
    """Reals that use all bits of the mantissa, of both signs, from one of several distributions."""

    @classmethod
    def draw(cls, rng: Generator, layout: Layout, levels: int) -> RealData:
        """Uniform or normal reals, times a random scale that is not a power of two."""
        scale = np.float32(2.0 ** rng.uniform(-3, 3))
        draw = _normal if rng.integers(2) else _even

        def scaled(rng: Generator, size: tuple[int, int, int]) -> F32:
            return draw(rng, size) * scale

        made = _drawn(cls, rng, layout, levels, scaled, scaled)
        if not _adds(layout):
            return made
        m, k, n = layout.shape
        usual = np.float32(made._alpha * scale * scale * math.sqrt(k))
        return replace(made, before=draw(rng, (1, m, n))[0] * usual)

    def verify(self, c: F32, rng: Generator) -> Counterexample | None:
        """See TurnData. Random rows are computed in f64: each element must be within the bound of the kernel's tier
        and the mean error as small as f32's own, times 2 for each level of a fast scheme. All other rows are checked
        with A·(B·x).

        To gain time a kernel must do less work in many rows, which the sampled rows expose, or almost none in some
        rows, which A·(B·x) exposes.
        """
        sizes = []
        for index in rng.choice(len(c), min(PRODUCTS, len(c)), replace=False):
            found, size = self._inspect(c, int(index), rng)
            if found is not None:
                return found
            sizes.append(size)
        x = self._vectors(rng)
        allowed = SPREAD * max(sizes) * math.sqrt(float((x**2).sum(axis=0).max()))
        for start, off in self._differences(c, x):
            wrong = ~(np.abs(off) <= allowed)
            if wrong.any():
                index, row = divmod(int(np.argmax(wrong.any(axis=-1))), self.layout.shape.m)
                got, want = self._row(c, start + index, row)
                with np.errstate(all="ignore"):
                    error = np.abs(got - want)
                return _counterexample(got, want, ~(error == error.max()) & np.isfinite(error), row)
        return None

    def relative_error(self, c: F32, rng: Generator) -> float:
        """‖C − A·B‖ / ‖A·B‖ in the Frobenius norm, over some rows of one product of c (products, m, n)."""
        index = int(rng.integers(len(c)))
        i, j = self.layout.pairs[index]
        rows = rng.integers(0, self.layout.shape.m, max(ERROR_ELEMENTS // self.layout.shape.n, 1))
        want = product_f64(self.a[i][rows], self.b[j])
        return float(np.linalg.norm(c[index][rows] - want) / np.linalg.norm(want))

    def _inspect(self, c: F32, index: int, rng: Generator) -> tuple[Counterexample | None, float]:
        """Check some rows of one product; also returns the standard deviation assumed for an element's error."""
        i, j = self.layout.pairs[index]
        rows = rng.integers(0, self.layout.shape.m, max(ROWS // min(PRODUCTS, len(c)), 1))
        a, b = self.a[i][rows], self.b[j]
        got, want = c[index][rows], self._result(a, b, rows)
        with np.errstate(all="ignore"):
            error = np.abs(got - want)
        size = self._size(a, b, rows)
        bound = self._bound(a if self.levels == 0 else self.a[i], b, size)
        ok = error <= bound
        believed = 2.0**self.levels * ROUNDING * U32 * float(np.sqrt(np.mean(size**2)))
        # The mean of few elements may exceed the limit slightly by chance.
        if not np.sqrt(np.mean(error**2)) <= believed * (1 + 4 / math.sqrt(error.size)):
            ok &= error < error.max()
        if ok.all():
            return None, believed
        row = int(np.argmin(ok.all(axis=1)))
        return _counterexample(got[row], want[row], ok[row], int(rows[row])), believed

    def _size(self, a: F32, b: F32, rows: Any = slice(None)) -> F64:
        """|alpha|·|A|·|B| + |C| for these rows: what rounding errors are relative to."""
        found = abs(self._alpha) * product_f64(np.abs(a), np.abs(b))
        return found if self.before is None else found + np.abs(self.before[rows])

    def _bound(self, a: F32, b: F32, size: F64) -> F64 | float:
        """The bound of the product, times alpha, and where C is added to, of that sum."""
        if self.before is None:
            of_product = componentwise_bound(a, b) if self.levels == 0 else normwise_bound(a, b, self.levels)
            return abs(self._alpha) * of_product
        # A kernel may begin with C, which is then rounded k times like every product: the bound of docs/candidate.md.
        of_sum = gamma(a.shape[1] + 3) * size
        return of_sum if self.levels == 0 else of_sum + abs(self._alpha) * normwise_bound(a, b, self.levels)

    def verify_fully(self, c: F32) -> Counterexample | None:
        """See TurnData; every element within the bound of the kernel's tier."""
        for index, (i, j) in enumerate(self.layout.pairs):
            a, b = self.a[i], self.b[j]
            want = self._result(a, b)
            bound = self._bound(a, b, self._size(a, b) if self.before is not None else want)
            with np.errstate(all="ignore"):
                ok = np.abs(c[index] - want) <= bound
            if not ok.all():
                row = int(np.argmin(ok.all(axis=1)))
                return _counterexample(c[index, row], want[row], ok[row], row)
        return None


def _drawn(cls: type[_D], rng: Generator, layout: Layout, levels: int, draw_a: Draw, draw_b: Draw) -> _D:
    m, k, n = layout.shape
    a, b = draw_a(rng, (layout.a_count, m, k)), draw_b(rng, (layout.b_count, k, n))
    return cls(layout, levels, a, b, draw_a, draw_b)


def _counterexample(got: F32, want: F64, ok: NDArray[np.bool_], row: int) -> Counterexample:
    """The first element of a row of C that is not ok."""
    col = int(np.argmin(ok))
    return Counterexample(
        oracle="freivalds",
        detail="a timed output is not the product",
        row=row,
        col=col,
        got=repr(float(got[col])),
        expected=repr(float(want[col])),
    )


def _adds(layout: Layout) -> bool:
    """Whether the form adds the product to C."""
    return layout.form is not None and layout.form.beta != 0


def _signs(rng: Generator, rows: int) -> F32:
    """A sign for each row, (rows, 1)."""
    return np.where(rng.integers(2, size=(rows, 1)) == 0, np.float32(-1), np.float32(1))


def _size(matrices: F32) -> tuple[int, int, int]:
    count, rows, cols = matrices.shape
    return count, rows, cols


def _scaled(bits: int, scale: F32) -> Draw:
    def draw(rng: Generator, size: tuple[int, int, int]) -> F32:
        return np.asarray(np.multiply(_odd(rng, size, bits), scale, dtype=np.float32))

    return draw


def _even(rng: Generator, size: tuple[int, int, int]) -> F32:
    """Uniform in −1 … 1, with 24 random bits each."""
    drawn = rng.random(size, dtype=np.float32)
    drawn -= np.float32(0.5)
    drawn *= np.float32(2)
    return drawn


def _normal(rng: Generator, size: tuple[int, int, int]) -> F32:
    return rng.standard_normal(size, dtype=np.float32)


def _one_changed(rng: Generator, matrices: F32) -> F32:
    """A copy in which one element of each matrix has the opposite sign; elements are never zero, so it always
    differs.
    """
    changed = matrices.copy()
    count, rows, cols = matrices.shape
    changed[np.arange(count), rng.integers(0, rows, count), rng.integers(0, cols, count)] *= -1
    return changed


def _bits(shape: Shape, levels: int) -> tuple[int, int]:
    """Bit widths of the two sides, so that k products sum to at most 2^24 (less for fast schemes).

    Each level of Winograd's variant adds up four blocks on either side, so that random entries grow by 2 and their
    products by 4. With levels down to blocks of 8, six standard deviations of the largest sums stay below 2^24:
    6·4·√8·(2^L·2^wide/√3)·(2^L·2^narrow/√3) ≤ 2^24, so wide + narrow ≤ 19.5 − 2·L.
    """
    room = EXACT_LIMIT // (FAST_HEADROOM if levels > 0 else 1) // max(shape.k, 1)
    total = max(room.bit_length() - 1, 2)
    if levels > 0:
        most = max((min(shape) - 1).bit_length() - 3, 0)
        total = max(min(total, 19 - 2 * most), 2)
    narrow = min(2, total - 1)
    return min(total - narrow, 14), narrow


def _odd(rng: Generator, size: tuple[int, ...], bits: int) -> NDArray[np.int16]:
    """Odd integers between −2^bits and 2^bits, uniform: 16 bits of each raw draw, nothing rejected."""
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
