"""The tier of fast bilinear schemes (Strassen and kin): how they are recognised, and what they are held to.

Such a scheme sums rows of A and columns of B before it multiplies, so that the error of an element depends on
elements that have no business there. It cannot be componentwise stable (Miller 1975), but it is normwise stable
(Higham, theorem 23.2; Bini and Lotti 1980). It is recognised by what it does, not by what it looks like.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from harness.judge import strategies
from harness.judge.inputs import generator, powers_of_two, reals, spread_reals
from harness.judge.kernel_runner import KernelRunner, same_bits
from harness.judge.oracles import Oracle
from harness.judge.oracles.special import KINDS, special_data
from harness.judge.oracles.values import FAR_REACH, SCALE_REACH, graded_reals
from harness.judge.reference import Mask, first_wrong, normwise_bound, product_f64, rms_unit, unequal
from harness.judge.worker.calls import Placement
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

# How much larger the exchanged rows are, so that a scheme that sums them with others must lose bits of the others.
LOUD = np.float32(2.0**12)


def crosstalk(runner: KernelRunner, shape: Shape, seed: int, bits: int | None = None) -> bool:
    """Whether rows of C change bits when only other rows of A change, or columns when only other columns of B do.

    True for a fast bilinear scheme, false for any kernel that sums products in an order of its own, and false for a
    kernel that does not even repeat itself. A scheme may mix as few as two rows of a ragged shape, and in one
    direction only: so every row is loud once while every other one is quiet, chosen by the bits of their numbers;
    or only by the first `bits` of them, which is cheap and enough for what halves a large square.
    """
    rng = generator(seed)
    a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    loud_a, loud_b = LOUD * reals(rng, shape.m, shape.k), LOUD * reals(rng, shape.k, shape.n)
    quiet = runner.product(a, b, seed, Placement.ALIGNED)
    if not same_bits(quiet, runner.product(a, b, seed, Placement.ALIGNED)):
        return False
    for rows in itertools.islice(_halves(shape.m), bits and 2 * bits):
        got = runner.product(np.where(rows[:, None], loud_a, a), b, seed, Placement.ALIGNED)
        if not same_bits(got[~rows], quiet[~rows]):
            return True
    for cols in itertools.islice(_halves(shape.n), bits and 2 * bits):
        got = runner.product(a, np.where(cols, loud_b, b), seed, Placement.ALIGNED)
        if not same_bits(got[:, ~cols], quiet[:, ~cols]):
            return True
    return False


def _halves(extent: int) -> Iterator[Mask]:
    """For each bit, highest first, the numbers below `extent` that have it and those that have not."""
    numbers = np.arange(extent)
    for bit in reversed(range((max(extent, 1) - 1).bit_length())):
        have = numbers >> bit & 1 == 1
        yield from (have, ~have)


def normwise(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Reals, plain and graded, against f64: each element within 32·(k+16)·u·max|A|·max|B|.

    Kills short mantissas and wrong elements that hide behind the label "fast scheme".
    """
    a, b, kind = graded_reals(generator(seed), shape, seed, even=True)
    got = runner.product(a, b, seed)
    want = product_f64(a, b)
    ok = np.abs(got - want) <= normwise_bound(a, b)
    return first_wrong(got, ok, want, f"outside the normwise bound on {kind}")


def mean_square(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Reals of any distribution: the mean error of all of C, and how much of it has one sign.

    Kills short mantissas, and constants that are added, by a kernel that mixes rows only to be called a fast scheme.
    Each level of Strassen's or Winograd's method multiplies the mean error by about 1.6 and 2.1, and there are at
    most as many levels as the shorter side of C can be halved. Measured with blocks of 1, 4, 16 and 64 (k of 16 to
    512; unpadded, and padded to a square), in units of rms_unit and by levels: 1.4 (1), 2.9 (2), 7 (4), 32 (6), 86
    (8). Allowed is twice as much for each level: 2, 4, 16, 64, 256. The mean error with its sign was up to 0.4 of
    the error; a constant has all of it.
    """
    a, b, name = spread_reals(generator(seed), shape, seed)
    got = runner.product(a, b, seed)
    want = product_f64(a, b)
    error = got - want
    mean, bias = float(np.sqrt(np.mean(error**2))), float(abs(np.mean(error)))
    unit = float(np.sqrt(np.mean(rms_unit(a, b, want) ** 2)))
    levels = max(min(shape.m, shape.n) - 1, 1).bit_length()
    if mean <= 2.0**levels * unit and (error.size < ENOUGH or bias <= max(ONE_SIGN * mean, unit)):
        return None
    what = "larger than a fast scheme's" if mean > 2.0**levels * unit else "of one sign"
    return first_wrong(
        got, abs(error) < abs(error).max(), want, f"mean error {what} on {name}; worst element"
    )


# From how many elements on the mean of the errors says something, and how much of the error it may be.
ENOUGH, ONE_SIGN = 256, 0.7


def uniform_scaling(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """K(2^s·A, 2^t·B) equals 2^(s+t)·K(A, B) bit for bit: true of fast schemes too.

    Kills thresholds on magnitude that hide behind the label "fast scheme". Every second time one side is far up and
    the other as far down, where a scale that a kernel brings along would overflow.
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
    """What must be NaN or infinite is not finite; what must be finite is right, or NaN because the sums carried it.

    Kills masking and saturation. A fast scheme passes: NaN and infinity reach their row or column, and others too.
    Overflow is left out, because the differences of a fast scheme may cancel what overflows.
    """
    kind = KINDS[seed % KINDS.index("overflow")]
    a, b, want = special_data(generator(seed), shape, kind)
    got = runner.product(a, b, seed)
    ok = np.where(np.isfinite(want), (got == want) | ~np.isfinite(got), ~np.isfinite(got))
    return first_wrong(got, ok, want, kind)


ORACLES = (
    Oracle("normwise", Gate.VALUES, normwise, strategies.graded_and_timed),
    Oracle("mean-square-thin", Gate.VALUES, mean_square, strategies.thin, smallest=1),
    Oracle("mean-square", Gate.VALUES, mean_square, strategies.precise_and_timed, smallest=1),
    Oracle("uniform-scaling", Gate.VALUES, uniform_scaling, strategies.precise_and_some),
    Oracle("nonfinite-spread", Gate.VALUES, nonfinite_spread, strategies.special(5), smallest=1),
)
