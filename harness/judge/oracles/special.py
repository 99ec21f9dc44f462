"""Oracles for special values: NaN, infinity, signed zero, subnormals and overflow, as IEEE 754 defines them."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.judge import strategies
from harness.judge.inputs import generator, nonzero, small_integers, whole
from harness.judge.kernel_runner import KernelRunner, Rejected
from harness.judge.oracles.oracle import AppliesTo, Oracle
from harness.judge.reference import exact_f32, first_wrong, unequal
from harness.judge.worker.calls import F32
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

KINDS = ("NaN in A", "NaN in B", "infinity in A", "infinity in B", "NaN against zeros", "overflow")


def nonfinite(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """One NaN or infinity reaches exactly its row or column; 0·∞ and 0·NaN are NaN; overflow gives infinity.

    Kills kernels that skip zeros, mask, saturate, or let a NaN leak into other elements. An honest kernel passes with
    any order of summation: the other elements are small integers, and one non-finite term determines a sum.
    """
    kind = KINDS[seed % len(KINDS)]
    a, b, want = special_data(generator(seed), shape, kind)
    got = runner.product(a, b, seed)
    ok = (got == want) | (np.isnan(got) & np.isnan(want))
    wrong = first_wrong(got, ok, want, kind)
    spared = ok | (np.isnan(got) & np.isinf(want))
    return None if wrong is not None and spared.all() and compensates(runner, seed) else wrong


def compensates(runner: KernelRunner, seed: int) -> bool:
    """Whether small terms survive beside large ones, which only compensated or wider sums achieve.

    Compensated summation (Kahan 1965, Neumaier 1974) subtracts an infinite sum from itself, which turns infinity into
    NaN. That is a property of the method and not masking.
    """
    # After each 1 eight terms of 2^-25, which are lost beside it, in any block and any vector lane. Together they are
    # two units in the last place of 128. No deeper than 2048, because a scheme that pads to a square is examined, too.
    large, small = 128, 1024
    column = np.tile(np.array([1] + [2.0**-25] * (small // large), np.float32), large)
    try:
        got = runner.product(
            np.ones((2, large + small), np.float32), np.stack((column, column), axis=1), seed
        )
    except Rejected:
        return False
    return bool((np.abs(got - (large + small * 2.0**-25)) < 2.0**-16).all())


def special_data(rng: Generator, shape: Shape, kind: str) -> tuple[F32, F32, F32]:
    """A, B and the product that IEEE 754 requires, for one of KINDS; every extent is at least 1."""
    a, b = small_integers(rng, shape)
    if kind == "overflow":
        return _overflow(rng, shape, a, b)
    p = some_index(rng, shape.k)
    value = np.float32(np.nan) if "NaN" in kind else np.float32(rng.choice((-np.inf, np.inf)))
    if kind == "NaN against zeros":
        a[:, p], b[p, :] = 0, 0
    in_a = "in A" in kind or (kind == "NaN against zeros" and bool(rng.integers(2)))
    want = exact_f32(a, b)
    with np.errstate(invalid="ignore"):
        if in_a:
            i = some_index(rng, shape.m)
            want[i] = exact_f32(_without(a[i : i + 1], p, 1), b)[0] + value * b[p]
            a[i, p] = value
        else:
            j = some_index(rng, shape.n)
            want[:, j] = exact_f32(a, _without(b[:, j : j + 1], p, 0))[:, 0] + a[:, p] * value
            b[p, j] = value
    return a, b, want


def some_index(rng: Generator, extent: int) -> int:
    """The first index, the last, any, or one near the end, which is in the last block of a long sum."""
    late = int(rng.integers(extent - extent // 5 - 1, extent))
    return (0, extent - 1, int(rng.integers(extent)), late)[int(rng.integers(4))]


def _without(line: F32, p: int, axis: int) -> F32:
    """A copy of the line with its p-th element replaced by 0."""
    kept = line.copy()
    kept[(slice(None), p) if axis else (p, slice(None))] = 0
    return kept


def _overflow(rng: Generator, shape: Shape, a: F32, b: F32) -> tuple[F32, F32, F32]:
    """One row of A so large that each of its sums exceeds 2^128, with terms of one sign; the other rows stay finite."""
    i = int(rng.integers(shape.m))
    b = np.abs(nonzero(rng, shape.k, shape.n, 3)) * np.float32(4)
    want = exact_f32(a, b)
    sign = rng.choice((-1, 1))
    a[i] = np.float32(sign * 2.0**126)
    want[i] = np.float32(sign * np.inf)
    return a, b, want


def signed_zero(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Sums of +0 alone, and x·y − x·y, are +0.

    Kills kernels that compute −(−A·B) or negate twice. Sums of −0 alone are left out: a kernel that starts from acc =
    +0 gives +0, one that starts from the first product gives −0, and both are correct, so that an honest kernel passes.
    """
    rng = generator(seed)
    b = np.abs(nonzero(rng, shape.k, shape.n, 9))
    a = np.zeros((shape.m, shape.k), np.float32)
    if shape.k > 1:
        b[-1] = b[0]
        a[::2, 0] = np.abs(nonzero(rng, (shape.m + 1) // 2, 1, 9))[:, 0]
        a[::2, -1] = -a[::2, 0]
    got = runner.product(a, b, seed)
    want = np.zeros_like(got)
    return first_wrong(got, (got == 0) & ~np.signbit(got), want, "sums of +0, and x*y - x*y")


def subnormal(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers times 2^-149 and similar scales: subnormal inputs, subnormal products, and both scaled back to normal.

    Kills flush-to-zero and denormals-are-zero, clipped exponents, and scaling that overflows. An honest kernel passes
    in any order, with and without FMA, because all sums are integers times one power of two and therefore exact.
    """
    rng = generator(seed)
    up, down = _scales(rng, seed)
    a, b = whole(rng, shape.m, shape.k, 7), whole(rng, shape.k, shape.n, 7)
    want = np.ldexp(exact_f32(a, b), up + down)
    got = runner.product(np.ldexp(a, up), np.ldexp(b, down), seed)
    return unequal(got, want, f"integers times 2^{up} and 2^{down}")


def subnormal_rows(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """The data of `subnormal` in a few neighbouring rows of A and columns of B, plain integers elsewhere.

    Kills at large shapes what `subnormal` kills at small ones; with subnormals everywhere, some CPUs would take a
    hundred times as long. An honest kernel passes because the rows and columns of C do not mix.
    """
    rng = generator(seed)
    up, down = _scales(rng, seed)
    a, b = whole(rng, shape.m, shape.k, 7), whole(rng, shape.k, shape.n, 7)
    rows, cols = _few(rng, shape.m, up)[:, None], _few(rng, shape.n, down)
    want = np.ldexp(exact_f32(a, b), rows + cols)
    got = runner.product(np.ldexp(a, rows), np.ldexp(b, cols), seed)
    return unequal(got, want, f"integers, a few rows times 2^{up}, a few columns times 2^{down}")


def _scales(rng: Generator, seed: int) -> tuple[int, int]:
    """Exponents for A and B; either may be the subnormal one."""
    up, down = ((0, -149), (-70, -79), (100, -149))[seed % 3]
    return (up, down) if rng.integers(2) else (down, up)


def _few(rng: Generator, extent: int, exponent: int) -> NDArray[np.int32]:
    """The exponent for up to eight consecutive indices, 0 for the others."""
    numbers = np.arange(extent) - int(rng.integers(max(extent - 8, 1)))
    return np.where((numbers >= 0) & (numbers < 8), exponent, 0).astype(np.int32)


ORACLES = (
    Oracle("subnormal", Gate.VALUES, subnormal, strategies.special(0), smallest=1),
    Oracle(
        "subnormal-rows",
        Gate.VALUES,
        subnormal_rows,
        strategies.large(3),
        applies_to=AppliesTo.CLASSICAL,
        smallest=1,
    ),
    Oracle(
        "nonfinite",
        Gate.VALUES,
        nonfinite,
        strategies.special(len(KINDS)),
        applies_to=AppliesTo.CLASSICAL,
        smallest=1,
        counts_padding=True,
    ),
    Oracle(
        "signed-zero",
        Gate.VALUES,
        signed_zero,
        strategies.special(1),
        applies_to=AppliesTo.CLASSICAL,
        smallest=1,
    ),
)
