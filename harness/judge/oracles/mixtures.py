"""Oracles for shapes of any size that put many kinds of rows and columns into one product.

A kernel may treat zeros, signs, subnormals or NaN differently from some size on. With every kind in one product, each
large shape needs few products.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.judge import path_changes, regions
from harness.judge.inputs import filling, generator, nonzero, small_integers, whole
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles.oracle import AppliesTo, Oracle
from harness.judge.oracles.special import compensates, some_index
from harness.judge.reference import EXACT_LIMIT, F64, Mask, exact_f32, first_wrong, unequal
from harness.judge.worker.calls import F32
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

# Rows and columns with a meaning of their own; smaller shapes have no room for them.
LEAST = regions.LEAST_ROOM
# Limit of the integers on one side, and of the sum of their magnitudes in a row of the other, so that no finite sum is
# rounded; exponent of the large rows, and of the largest result.
LIMIT, FULL, LARGE_ROW, LARGEST = 1, EXACT_LIMIT - 8, 60, 126
# Twice this magnitude overflows, this magnitude itself does not.
NEARLY_INFINITE = 1.5 * 2.0**127
# Number of the special element of A that makes products overflow.
OVERFLOWS = 3


@dataclass(frozen=True, slots=True)
class Mixture:
    """A and B with special elements: integers (`whole_a`, `whole_b`), times powers of two for each row of A and column
    of B, and then the elements at `a_spots` and `b_spots`. `zeroed` lists rows whose zeros must be +0.
    """

    whole_a: F32
    whole_b: F32
    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    a: F32
    b: F32
    a_spots: list[tuple[int, int]] = field(default_factory=list)
    b_spots: list[tuple[int, int]] = field(default_factory=list)
    zeroed: list[int] = field(default_factory=list)

    def put_a(self, row: int, p: int, value: float) -> None:
        """Set an element of A whose product with B is not an ordinary finite sum."""
        self.whole_a[row, p], self.a[row, p] = 0, value
        self.a_spots.append((row, p))

    def put_b(self, p: int, col: int, value: float) -> None:
        """Set an element of B whose product with A is not an ordinary finite sum."""
        self.whole_b[p, col], self.b[p, col] = 0, value
        self.b_spots.append((p, col))

    def product(self) -> F64:
        """The product that IEEE 754 requires, in any order of summation.

        The finite part is exact in f32, because it is integers up to 2^24 before they are scaled. One infinite or NaN
        term determines a sum whatever the order.
        """
        want: F64 = np.ldexp((self.whole_a @ self.whole_b).astype(np.float64), self.rows[:, None] + self.cols)
        with np.errstate(all="ignore"):
            for row, p in self.a_spots:
                want[row] += np.float64(self.a[row, p]) * self.b[p]
            for p, col in self.b_spots:
                others = np.array([(row, p) not in self.a_spots for row in range(len(self.a))])
                want[others, col] += self.a[others, p].astype(np.float64) * np.float64(self.b[p, col])
        return want


def special_mixture(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """NaN, infinities, opposite infinities, overflow, subnormals, results up to 2^126, zeros and cancelling terms,
    among integers that fill 24 bits.

    Kills, at any size, what the oracles for special values kill at small sizes: skipped zeros, masked NaN, saturation,
    flushed subnormals, a wrong sign of zero, scales that overflow; and short mantissas. An honest kernel passes with
    any order of summation: finite sums are integers times one power of two, and one infinite or NaN term determines a
    sum.
    """
    data = mixture(generator(seed), shape)
    return unlike(runner, runner.product(data.a, data.b, seed), data, seed)


def unlike(runner: KernelRunner, got: F32, data: Mixture, seed: int) -> Counterexample | None:
    """The first element of `got` that is not the product of `data`, or None."""
    with np.errstate(all="ignore"):
        want = data.product().astype(np.float32)
    ok = (got == want) | (np.isnan(got) & np.isnan(want))
    # Whether a product that overflows f32 and an infinite term cancel depends on the precision of the sum.
    row, cols = data.a_spots[OVERFLOWS][0], [col for _, col in data.b_spots]
    ok[row, cols] = ~np.isfinite(got[row, cols])
    ok &= ~(np.signbit(got) & (got == 0) & _positive_zeros(data))
    wrong = first_wrong(got, ok, want, "special values among integers")
    spared = ok | (np.isnan(got) & np.isinf(want))
    return None if wrong is not None and spared.all() and compensates(runner, seed) else wrong


def _positive_zeros(data: Mixture) -> Mask:
    """Zeros of C that are a sum of both +0 and −0, or of x·y and −x·y, and so are +0."""
    both_signs = (data.b > 0).any(axis=0) & (data.b < 0).any(axis=0)
    rows = np.zeros(len(data.a), np.bool_)
    rows[data.zeroed] = True
    marked: Mask = rows[:, None] & both_signs
    return marked


def mixture(rng: Generator, shape: Shape) -> Mixture:
    """Integers with special rows and columns; every extent is at least LEAST. A or B, at random, fills its mantissa."""
    full_a = bool(rng.integers(2))
    if full_a:
        a, b = filling(rng, shape.m, shape.k, FULL), whole(rng, shape.k, shape.n, LIMIT)
    else:
        a, b = whole(rng, shape.m, shape.k, LIMIT), filling(rng, shape.n, shape.k, FULL).T.copy()
    # Added to what is full already, these keep its sums below 2^24.
    b[0] = b[-1] = whole(rng, 1, shape.n, LIMIT)
    twice = int(rng.integers(1, shape.k - 1))
    a[:, twice], b[twice] = whole(rng, shape.m, 1, LIMIT)[:, 0], whole(rng, 1, shape.n, 2 * LIMIT)
    start = int(rng.integers(shape.m - 2))
    subnormal = range(start, start + 3)
    a[subnormal] = whole(rng, 3, shape.k, LIMIT)
    free = rng.permutation([row for row in range(shape.m) if row not in subnormal])
    large, (zero, cancel), special = free[:3], free[3:5], [int(row) for row in free[5:10]]
    a[[zero, cancel]] = 0
    a[cancel, 0], a[cancel, -1] = 5, -5
    cols = [int(col) for col in rng.permutation(shape.n)]
    exponents = np.zeros(shape.m, np.int32), np.zeros(shape.n, np.int32)
    exponents[0][subnormal], exponents[0][large] = -149, LARGE_ROW
    exponents[1][cols[:2]] = LARGEST - LARGE_ROW - EXACT_LIMIT.bit_length()
    scaled = np.ldexp(a, exponents[0][:, None]), np.ldexp(b, exponents[1])
    data = Mixture(a, b, *exponents, *scaled, zeroed=[int(zero), int(cancel)])
    _put_spots(rng, data, special, cols[2:5], twice)
    return data


def _put_spots(rng: Generator, data: Mixture, rows: list[int], cols: list[int], twice: int) -> None:
    """NaN, an infinity, two opposite ones, and what overflows beside row `twice` of B, into rows of A; the first three
    into columns of B.
    """
    k, sign = data.a.shape[1], float(rng.choice((-1, 1)))
    for row, value in zip(rows, [np.nan, sign * np.inf, np.inf], strict=False):
        data.put_a(row, some_index(rng, k), value)
    data.put_a(rows[OVERFLOWS], twice, NEARLY_INFINITE)
    p = data.a_spots[2][1]
    data.put_a(rows[2], (p + 1 + int(rng.integers(k - 1))) % k, -np.inf)
    for col, value in zip(cols, [np.nan, -sign * np.inf, np.inf], strict=True):
        data.put_b(some_index(rng, k), col, value)
    p = data.b_spots[2][0]
    data.put_b((p + 1 + int(rng.integers(k - 1))) % k, cols[2], -np.inf)


def pattern_mixture(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers in runs of rows and columns: of one sign, constant, equal, permuted, equal but for one element, zero but
    for one or for the middle; or all of A or B of one sign; or the same in runs along k.

    Kills shortcuts that take the sign, the size or the zeros of a panel from a few elements, a forgotten absolute
    value, and rows that are taken for equal by their sum or by samples. An honest kernel passes because the sums are
    small integers and exact.
    """
    rng = generator(seed)
    a, b = small_integers(rng, shape)
    limit = max(int(np.abs(a).max(initial=1)), 1)
    if seed % 4 == 3:
        a, b = _in_runs(rng, a.T.copy(), limit).T.copy(), _in_runs(rng, b, limit)
    else:
        a, b = _in_runs(rng, a, limit), _in_runs(rng, b.T.copy(), limit).T.copy()
    match seed % 4:
        case 1:
            a = -np.abs(nonzero(rng, shape.m, shape.k, limit))
        case 2:
            b = -np.abs(nonzero(rng, shape.k, shape.n, limit))
    return unequal(runner.product(a, b, seed), exact_f32(a, b), "runs of rows and columns of one kind")


# The last kind stays as it is.
KINDS_OF_RUNS = 10


def _in_runs(rng: Generator, x: F32, limit: int) -> F32:
    """The matrix in runs of up to 96 rows; the rows of a run are of one kind."""
    rows, cols, start = *x.shape, 0
    while start < rows:
        run = x[start : start + int(rng.integers(1, 97))]
        kind = int(rng.integers(KINDS_OF_RUNS))
        if kind == 0:
            run[...] = -np.abs(nonzero(rng, len(run), cols, limit))
        elif kind == 1:
            run[...] = np.abs(run)
        elif kind == 2:
            run[...] = -np.abs(run)
        elif kind == 3:
            run[...] = nonzero(rng, len(run), 1, limit)
        elif kind == 4:
            run[...] = run[0]
        elif kind == 5:
            # Rows with the same elements, hence the same sum, in another order.
            run[...] = rng.permuted(np.repeat(run[:1], len(run), axis=0), axis=1)
        elif kind == 6:
            run[...] = run[0]
            run[np.arange(len(run)), rng.integers(cols, size=len(run))] += 1
        elif kind == 7:
            run[np.arange(cols) != rng.integers(cols, size=(len(run), 1))] = 0
        elif kind == 8:
            run[:, : cols // 3] = run[:, cols - cols // 3 :] = 0
        start += len(run)
    return x


ORACLES = (
    Oracle(
        "special-mixture",
        Gate.VALUES,
        special_mixture,
        path_changes.every_size,
        applies_to=AppliesTo.CLASSICAL,
        smallest=LEAST,
        patience_s=3.5,
        counts_padding=True,
    ),
    Oracle(
        "pattern-mixture",
        Gate.VALUES,
        pattern_mixture,
        path_changes.beyond_and_timed,
        applies_to=AppliesTo.CLASSICAL,
        smallest=1,
        patience_s=2.0,
    ),
)
