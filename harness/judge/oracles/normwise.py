"""The normwise tier, for fast bilinear schemes (Strassen and kin): how they are recognised, and what they must satisfy.

Such a scheme adds rows of A and columns of B before it multiplies, so that the error of an element of C depends on
elements of A and B outside of its row and column. It cannot be componentwise stable (Miller 1975), but it is normwise
stable (Higham, theorem 23.2; Bini and Lotti 1980). It is recognised by its results, shape by shape (judge/mixing.py).
"""

from __future__ import annotations

import numpy as np

from harness.judge import path_changes, strategies
from harness.judge.inputs import generator, powers_of_two, reals, spread_reals
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles.oracle import AppliesTo, Oracle
from harness.judge.oracles.special import KINDS, special_data
from harness.judge.oracles.values import FAR_REACH, SCALE_REACH, graded_reals, resolution
from harness.judge.path_changes import mixed_and
from harness.judge.reference import (
    first_wrong,
    normwise_bound,
    product_f64,
    rms_unit,
    unequal,
    worst_element,
)
from harness.judge.worker.calls import Placement
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate


def normwise(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Reals, plain and graded, against f64: each element within 32·(k+16)·u·max|A|·max|B|; for a deep scheme
    doubled for each level beyond four.

    Kills short mantissas and wrong elements in kernels that were classified as a fast scheme. An honest fast scheme
    passes because it is normwise stable.
    """
    a, b, kind = graded_reals(generator(seed), shape, seed, even=True)
    got = runner.product(a, b, seed)
    want = product_f64(a, b)
    ok = np.abs(got - want) <= normwise_bound(a, b, runner.examination.granted_levels(shape))
    return first_wrong(got, ok, want, f"outside the normwise bound on {kind}")


def mean_square(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Reals of any distribution: the mean error over all of C, and the share of it that has one sign.

    Kills short mantissas and added constants in kernels that mix rows only to be classified as a fast scheme. An honest
    fast scheme passes: each level of Strassen's or Winograd's method multiplies the mean error by about 1.6 or 2.1.
    Measured with blocks of 1, 4, 16 and 64 (k of 16 to 512; unpadded, and padded to a square), in units of rms_unit and
    by levels: 1.4 (1), 2.9 (2), 7 (4), 32 (6), 86 (8). The limit is a factor of 2 for each level that the kernel shows
    at this shape, and no more levels than the shorter side of C can be halved: 2, 4, 16, 64, 256. The signed mean error
    was at most 0.4 of the mean error; for an added constant it is all of it.
    """
    a, b, name = spread_reals(generator(seed), shape, seed)
    got = runner.product(a, b, seed)
    want = product_f64(a, b)
    error = got - want
    mean, bias = float(np.sqrt(np.mean(error**2))), float(abs(np.mean(error)))
    unit = float(np.sqrt(np.mean(rms_unit(a, b, want) ** 2)))
    levels = runner.examination.granted_levels(shape)
    if mean <= 2.0**levels * unit and (error.size < ENOUGH or bias <= max(ONE_SIGN * mean, unit)):
        return None
    problem = "larger than a fast scheme's" if mean > 2.0**levels * unit else "of one sign"
    return worst_element(got, error, want, f"mean error {problem} on {name}")


# Number of elements from which the sign of the mean error is meaningful, and the largest share it may have.
ENOUGH, ONE_SIGN = 256, 0.7


def uniform_scaling(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """K(2^s·A, 2^t·B) equals 2^(s+t)·K(A, B) bit for bit.

    Kills thresholds on magnitude in kernels that were classified as a fast scheme. An honest fast scheme passes because
    scaling by a power of two commutes with every rounding. Every second time one side is scaled far up and the other as
    far down, where a scale factor that the kernel introduces itself would overflow.
    """
    rng = generator(seed)
    a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    s, t = powers_of_two(rng, 2, SCALE_REACH)
    if seed % 2:
        s = np.float32(2.0 ** int(rng.choice((-FAR_REACH, FAR_REACH))))
        t = 1 / s
    plain = runner.product(a, b, seed, Placement.ALIGNED)
    scaled = runner.product(a * s, b * t, seed, Placement.ALIGNED)
    return unequal(scaled, plain * s * t, "A and B scaled by powers of two")


def nonfinite_spread(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Elements that must be NaN or infinite are not finite; the others are correct, or NaN because sums carried it
    there.

    Kills masking and saturation. An honest fast scheme passes: NaN and infinity reach their row or column, and others
    too. Overflow is left out, because the differences in a fast scheme may cancel what overflows.
    """
    kind = KINDS[seed % KINDS.index("overflow")]
    a, b, want = special_data(generator(seed), shape, kind)
    got = runner.product(a, b, seed)
    ok = np.where(np.isfinite(want), (got == want) | ~np.isfinite(got), ~np.isfinite(got))
    return first_wrong(got, ok, want, kind)


# Seconds of kernel time for each oracle; a scheme that pads to a square is slow at some shapes.
ORACLE_TIME_S = 3.0

ORACLES = (
    Oracle("normwise", Gate.VALUES, normwise, mixed_and(strategies.graded_and_timed), AppliesTo.FAST_SCHEME),
    Oracle(
        "mean-square-thin",
        Gate.VALUES,
        mean_square,
        strategies.few_rows_or_columns,
        AppliesTo.FAST_SCHEME,
        smallest=1,
        patience_s=ORACLE_TIME_S,
    ),
    Oracle(
        "mean-square",
        Gate.VALUES,
        mean_square,
        mixed_and(strategies.precise_and_timed, ENOUGH),
        AppliesTo.FAST_SCHEME,
        smallest=1,
        patience_s=ORACLE_TIME_S,
    ),
    Oracle(
        "resolution-mixed",
        Gate.VALUES,
        resolution,
        mixed_and(path_changes.at_every_scale),
        AppliesTo.FAST_SCHEME,
        smallest=1,
        patience_s=ORACLE_TIME_S,
    ),
    Oracle(
        "uniform-scaling",
        Gate.VALUES,
        uniform_scaling,
        mixed_and(strategies.precise_and_some),
        AppliesTo.FAST_SCHEME,
        patience_s=ORACLE_TIME_S,
    ),
    Oracle(
        "nonfinite-spread",
        Gate.VALUES,
        nonfinite_spread,
        mixed_and(strategies.special(5)),
        AppliesTo.FAST_SCHEME,
        smallest=1,
        counts_padding=True,
        patience_s=ORACLE_TIME_S,
    ),
)
