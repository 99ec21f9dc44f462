"""Oracles for shapes of any size that put many kinds of rows and columns into one product.

A kernel may treat zeros, signs, subnormals or NaN differently from some size on. With every kind in one product, each
large shape needs few products.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from harness.judge import path_changes
from harness.judge.inputs import generator, nonzero, small_integers, whole
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles.oracle import AppliesTo, Oracle
from harness.judge.oracles.special import compensates, some_index
from harness.judge.reference import F64, Mask, exact_f32, first_wrong, product_f64, unequal
from harness.judge.worker.calls import F32
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

# Rows and columns with a meaning of their own; smaller shapes have no room for them.
LEAST = 24
# Limit of the integers, so that no finite sum is rounded; exponent of the large rows, and of the largest result.
LIMIT, LARGE_ROW, LARGEST = 3, 60, 126
# Twice this magnitude overflows, this magnitude itself does not.
NEARLY_INFINITE = 1.5 * 2.0**127
# Number of the special element of A that makes products overflow.
OVERFLOWS = 3


@dataclass(frozen=True, slots=True)
class _Mixture:
    """A and B with special elements. `a_spots`, `b_spots` list them; `signed` marks zeros of C that must be +0."""

    a: F32
    b: F32
    a_spots: list[tuple[int, int]] = field(default_factory=list)
    b_spots: list[tuple[int, int]] = field(default_factory=list)
    zeroed: list[int] = field(default_factory=list)

    def put_a(self, row: int, p: int, value: float) -> None:
        """Set an element of A whose product with B is not an ordinary finite sum."""
        self.a[row, p] = value
        self.a_spots.append((row, p))

    def put_b(self, p: int, col: int, value: float) -> None:
        """Set an element of B whose product with A is not an ordinary finite sum."""
        self.b[p, col] = value
        self.b_spots.append((p, col))

    def product(self) -> F64:
        """The product that IEEE 754 requires, in any order of summation.

        The finite part is exact in f64. One infinite or NaN term determines a sum whatever the order.
        """
        a, b = self.a.copy(), self.b.copy()
        a[tuple(zip(*self.a_spots, strict=True))] = 0
        b[tuple(zip(*self.b_spots, strict=True))] = 0
        want = product_f64(a, b)
        with np.errstate(all="ignore"):
            for row, p in self.a_spots:
                want[row] += np.float64(self.a[row, p]) * self.b[p]
            for p, col in self.b_spots:
                others = np.array([(row, p) not in self.a_spots for row in range(len(a))])
                want[others, col] += self.a[others, p].astype(np.float64) * np.float64(self.b[p, col])
        return want


def special_mixture(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """NaN, infinities, opposite infinities, overflow, subnormals, results up to 2^126, zeros and cancelling terms.

    Kills, at any size, what the oracles for special values kill at small sizes: skipped zeros, masked NaN, saturation,
    flushed subnormals, a wrong sign of zero, scales that overflow. An honest kernel passes with any order of summation:
    finite sums are integers times one power of two, and one infinite or NaN term determines a sum.
    """
    data = _special(generator(seed), shape)
    got = runner.product(data.a, data.b, seed)
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


def _positive_zeros(data: _Mixture) -> Mask:
    """Zeros of C that are a sum of both +0 and −0, or of x·y and −x·y, and so are +0."""
    both_signs = (data.b > 0).any(axis=0) & (data.b < 0).any(axis=0)
    rows = np.zeros(len(data.a), np.bool_)
    rows[data.zeroed] = True
    marked: Mask = rows[:, None] & both_signs
    return marked


def _special(rng: Generator, shape: Shape) -> _Mixture:
    """Integers with special rows and columns; every extent is at least LEAST."""
    data = _Mixture(whole(rng, shape.m, shape.k, LIMIT), whole(rng, shape.k, shape.n, LIMIT))
    a, b = data.a, data.b
    b[-1] = b[0]
    start = int(rng.integers(shape.m - 2))
    subnormal = range(start, start + 3)
    a[subnormal] = np.ldexp(a[subnormal], -149)
    free = rng.permutation([row for row in range(shape.m) if row not in subnormal])
    large, (zero, cancel), special = free[:3], free[3:5], [int(row) for row in free[5:10]]
    a[large] = np.ldexp(a[large], LARGE_ROW)
    a[[zero, cancel]] = 0
    a[cancel, 0], a[cancel, -1] = 5, -5
    data.zeroed.extend((int(zero), int(cancel)))
    cols = [int(col) for col in rng.permutation(shape.n)]
    room = LARGEST - LARGE_ROW - int(LIMIT**2 * shape.k).bit_length()
    b[:, cols[:2]] = np.ldexp(b[:, cols[:2]], room)
    sign = float(rng.choice((-1, 1)))
    for row, value in zip(special, [np.nan, sign * np.inf, np.inf, NEARLY_INFINITE], strict=False):
        data.put_a(row, some_index(rng, shape.k), value)
    p = data.a_spots[2][1]
    data.put_a(special[2], (p + 1 + int(rng.integers(shape.k - 1))) % shape.k, -np.inf)
    for col, value in zip(cols[2:5], [np.nan, -sign * np.inf, np.inf], strict=True):
        data.put_b(some_index(rng, shape.k), col, value)
    p = data.b_spots[2][0]
    data.put_b((p + 1 + int(rng.integers(shape.k - 1))) % shape.k, cols[4], -np.inf)
    return data


def pattern_mixture(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers in runs of rows and columns: of one sign, constant, zero, equal, permuted; or all of A or B of one sign.

    Kills shortcuts that take the sign or the size of a panel from a few elements, a forgotten absolute value, and rows
    that are taken for equal by their sum. An honest kernel passes because the sums are small integers and exact.
    """
    rng = generator(seed)
    a, b = small_integers(rng, shape)
    limit = max(int(np.abs(a).max(initial=1)), 1)
    a, b = _in_runs(rng, a, limit), _in_runs(rng, b.T.copy(), limit).T.copy()
    match seed % 3:
        case 1:
            a = -np.abs(nonzero(rng, shape.m, shape.k, limit))
        case 2:
            b = -np.abs(nonzero(rng, shape.k, shape.n, limit))
    return unequal(runner.product(a, b, seed), exact_f32(a, b), "runs of rows and columns of one kind")


def _in_runs(rng: Generator, x: F32, limit: int) -> F32:
    """The matrix in runs of up to 96 rows; the rows of a run are of one kind."""
    rows, cols, start = *x.shape, 0
    while start < rows:
        run = x[start : start + int(rng.integers(1, 97))]
        kind = int(rng.integers(7))
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
        start += len(run)
    return x


ORACLES = (
    Oracle(
        "special-mixture",
        Gate.VALUES,
        special_mixture,
        path_changes.beyond_and_timed,
        applies_to=AppliesTo.CLASSICAL,
        smallest=LEAST,
        patience_s=2.0,
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
