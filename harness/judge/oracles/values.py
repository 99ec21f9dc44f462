"""Oracles of precision: every bit that f32 promises, in every element, at every scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import Generator

from harness.judge import path_changes, strategies
from harness.judge.inputs import filling, generator, powers_of_two, reals, spread_reals, whole, wide_integers
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles.last_bits import short
from harness.judge.oracles.oracle import AppliesTo, Oracle
from harness.judge.reference import (
    F64,
    componentwise_bound,
    exact_f32,
    first_wrong,
    gamma,
    is_clearly_within,
    product_f64,
    quick_rms_unit,
    rms_unit,
    unequal,
    worst_element,
)
from harness.judge.worker.calls import F32, Placement
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

# Range of the exponents of row and column scales: products stay clear of underflow (2^-126) and overflow
# (2^127).
SCALE_REACH = 36
# The same for exact data: sums of 24 bits neither overflow nor underflow, nor do the halves into which kernels
# split their operands (which starts with a multiplication by 2^12 + 1).
FAR_REACH = 88
GRADE_REACH = 16
# Number of elements below which a mean error says little.
FEW = 24
# Limit of the mean signed error over C, in units of the error allowed per element.
BIAS = 0.02


# Draws A, B and a word for them from a generator, a shape and the seed.
DrawReals = Callable[[Generator, Shape, int], tuple[F32, F32, str]]


def wide_mantissa(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """12-bit integers times −1, 0, 1: sums need up to 24 bits.

    Kills bf16, f16 and TF32 in place of f32, in the inputs or in the accumulator. An honest kernel passes because every
    partial sum is an integer at or below 2^24; three levels of Strassen pass because random signs leave room.
    """
    a, b = wide_integers(generator(seed), shape)
    return unequal(runner.product(a, b, seed), exact_f32(a, b), "12-bit integers times -1, 0, 1")


def componentwise(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Reals, plain and graded, against f64: each element within γ_k·(|A|·|B|) plus the underflow term.

    Kills small errors in few elements, short mantissas on data other than integers, and lost small inputs. An honest
    kernel passes by theorem: the bound holds for any order of summation, with and without FMA (Higham, eq. 3.13).
    """
    return within_bound(runner, shape, seed, graded_reals)


def componentwise_batch(
    runner: KernelRunner, cases: Sequence[tuple[Shape, int]]
) -> tuple[Shape, int, Counterexample] | None:
    """`componentwise` for many small cases of one placement in one round trip; returns the first wrong one."""
    return all_within_bound(runner, cases, graded_reals)


def within_bound(runner: KernelRunner, shape: Shape, seed: int, draw: DrawReals) -> Counterexample | None:
    """The first element outside the componentwise bound for the reals of `draw`, or None."""
    a, b, kind = draw(generator(seed), shape, seed)
    return outside(runner.product(a, b, seed), product_f64(a, b), a, b, kind)


def all_within_bound(
    runner: KernelRunner, cases: Sequence[tuple[Shape, int]], draw: DrawReals
) -> tuple[Shape, int, Counterexample] | None:
    """`within_bound` for many small cases of one placement in one round trip; returns the first wrong one."""
    data = [draw(generator(seed), shape, seed) for shape, seed in cases]
    arranged = [seed for _, seed in cases]
    products = runner.products([(a, b) for a, b, _ in data], cases[0][1], arranged=arranged)
    for (shape, seed), (a, b, kind), got in zip(cases, data, products, strict=True):
        wrong = outside(got, product_f64(a, b), a, b, kind)
        if wrong is not None:
            return shape, seed, wrong
    return None


def outside(got: F32, want: F64, a: F32, b: F32, kind: str) -> Counterexample | None:
    """The first element outside the componentwise bound, or None."""
    error = np.subtract(got, want, dtype=np.float64)
    if is_clearly_within(error, a, b):
        return None
    ok = np.abs(error) <= componentwise_bound(a, b)
    return first_wrong(got, ok, want, f"outside the componentwise bound on {kind}")


GRADINGS = (
    "plain",
    "rows and columns of mixed scale",
    "k of opposite scales",
    "k of mixed scale",
    "all gradings at once",
)
# From this size on, one product combines all gradings: every third row is graded in another way.
ALL_AT_ONCE_FLOPS = 2 * 300**3


def graded_reals(rng: Generator, shape: Shape, seed: int, even: bool = False) -> tuple[F32, F32, str]:
    """A, B and a description: reals of one of GRADINGS, of any distribution and scale, as the seed selects.

    Eighty consecutive seeds cover every combination. Gradings scale by powers of two. With `even`, the reals are
    uniform in ±1, the data for which bounds by the largest element are made.
    """
    kind = seed % 4 if shape.flops < ALL_AT_ONCE_FLOPS else 4
    a, b, name = spread_reals(rng, shape, 0 if even else seed // 4)
    rows, cols = powers_of_two(rng, shape.m, GRADE_REACH)[:, None], powers_of_two(rng, shape.n, GRADE_REACH)
    depth = powers_of_two(rng, shape.k, GRADE_REACH)
    match kind:
        case 1:
            a, b = a * rows, b * cols
        case 2:
            a, b = a * depth, b / depth[:, None]
        case 3:
            a = a * depth
        case 4:
            a[::3] *= depth
            a[1::3] *= rows[1::3]
            b = b / depth[:, None]
    return a, b, f"{name}, {GRADINGS[kind]}"


def rounding(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Reals of practical distributions at every size: the mean error no larger than f32's own, and without a bias.

    Kills short mantissas that begin only at large shapes, or only on data that does not look like a test, and results
    that are truncated instead of rounded or that have fewer than 24 bits. A sum of k products t passes through k
    partial sums s, each rounded by 0.43·u·|s| in the root mean square (u²/3 averaged over mantissas 1 … 2). Averaged
    over all orders of summation, s² is at most Σt² + (Σt)² for any distribution. So an honest kernel, whose errors are
    random, stays below 0.43 of rms_unit: 0.22 when it sums one by one, less in blocks. The limit is 1.
    """
    a, b, name = spread_reals(generator(seed), shape, seed)
    got = runner.product(a, b, seed)
    want = product_f64(a, b)
    wrong = outside(got, want, a, b, name)
    if wrong is None and "last-bits" not in runner.examination.disabled:
        wrong = short(got, want, shape.k, name)
    if wrong is not None or not got.size:
        return wrong
    if _is_clearly_round(got, want, a, b):
        return None
    unit = rms_unit(a, b, want)
    error = (got - want) / np.maximum(unit, np.finfo(np.float64).tiny)
    mean, bias = _mean_and_bias(error, want)
    most_mean, most_bias = _limits(error.size)
    if mean <= most_mean and bias <= most_bias:
        return None
    problem = f"mean error {mean:.1f} times the limit" if mean > 1 else f"bias of {bias:.2f} of the limit"
    return worst_element(got, error, want, f"{problem} on {name}")


def _mean_and_bias(error: F64, want: F64) -> tuple[float, float]:
    """The root mean square of the errors, and the magnitude of their mean in the direction of the results."""
    mean = float(np.sqrt(np.vdot(error, error) / error.size))
    return mean, float(abs(np.vdot(error, np.sign(want)))) / error.size


def _limits(elements: int) -> tuple[float, float]:
    """The limits of the mean error and of its bias. Of few elements, the mean may exceed 1 by chance."""
    return 1 if elements >= FEW else 2, BIAS + 3 / np.sqrt(elements)


def _is_clearly_round(got: F32, want: F64, a: F32, b: F32) -> bool:
    """Whether mean and bias are certainly within the limits of `rounding`; `quick_rms_unit` knows them well enough."""
    unit = quick_rms_unit(a, b, want)
    if unit is None:
        return False
    error = np.subtract(got, want, dtype=np.float64)
    error /= unit
    mean, bias = _mean_and_bias(error, want)
    slack = 2 * gamma(a.shape[1] + 4)
    most_mean, most_bias = _limits(error.size)
    return mean * (1 + slack) <= most_mean and bias + slack * mean <= most_bias


def resolution(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Reals with one large element in each row of A, which is then changed by 2^-23 of itself; and for columns of B.

    Kills operands of 22 bits or fewer at any k, also where rows or columns are mixed to pass as a fast scheme: fixed
    point with a common scale, split bf16. Nine of ten rows (columns) of C must change in some bit. In an honest kernel
    all do: the large element is 16 times as large as the others, so that its change is about half a unit in the last
    place of a sum of 2000 terms, and there are many columns in which it may show.
    """
    rng = generator(seed)
    a, b = _spiked(reals(rng, shape.m, shape.k)), _spiked(reals(rng, shape.n, shape.k)).T.copy()
    first = runner.product(a, b, seed, Placement.ALIGNED)
    for side, axis, alone in (("row of A", 1, shape.n < ENOUGH), ("column of B", 0, shape.m < ENOUGH)):
        if alone:
            continue
        x, y = (_nudged(rng, a), b) if axis else (a, _nudged(rng, b.T).T)
        got = runner.product(x, y, seed, Placement.ALIGNED)
        same = (got.view(np.uint32) == first.view(np.uint32)).all(axis=axis)
        if not np.mean(same) <= DEAF:
            index = int(np.argmax(same))
            ok = np.ones(got.shape, np.bool_)
            ok[index if axis else (slice(None), index)] = False
            return first_wrong(got, ok, product_f64(x, y), f"a change of 2^-23 in each {side} does not show")
    return None


# Columns (rows) of C in which a change may show, and the share of rows (columns) in which it need not.
ENOUGH, DEAF = 32, 0.1


def _spiked(x: F32) -> F32:
    """A copy in which the largest element of each row is 16 times as large."""
    changed = x.copy()
    changed[np.arange(len(x)), np.abs(x).argmax(axis=1)] *= 16
    return changed


def _nudged(rng: Generator, x: F32) -> F32:
    """A copy in which the largest element of each row is larger or smaller by 2^-23, one or two units of its last
    place.
    """
    changed = x.copy()
    rows, largest = np.arange(len(x)), np.abs(x).argmax(axis=1)
    changed[rows, largest] *= 1 + np.float32(2.0**-23) * rng.choice(np.array((-1, 1), np.float32), len(x))
    return changed


def scaling(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """K(D1·A, B·D2) equals D1·K(A, B)·D2 bit for bit, where D1 and D2 are diagonal with powers of two.

    Kills thresholds on magnitude, scaling by a common maximum, fixed-point arithmetic, and Strassen-like schemes that
    pose as classical. An honest kernel passes because scaling by powers of two commutes with every rounding as long as
    nothing underflows, and both calls have the same shape and placement, hence the same order of summation.
    """
    rng = generator(seed)
    a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    rows, cols = powers_of_two(rng, shape.m, SCALE_REACH)[:, None], powers_of_two(rng, shape.n, SCALE_REACH)
    plain = runner.product(a, b, seed, Placement.ALIGNED)
    scaled = runner.product(a * rows, b * cols, seed, Placement.ALIGNED)
    return unequal(scaled, rows * plain * cols, "rows and columns scaled by powers of two")


def graded(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """K(D1·A·P, Pᵀ·B·D2) equals D1·(A·B)·D2 exactly; A and B are integers that fill 24 bits, P permutes k.

    Permuting k changes the rounding of an honest kernel on reals, so it is applied only to data where nothing is
    rounded. Kills short mantissas at any k, splits into 16 bits, scaling by a common maximum, and fast schemes, whose
    sums mix rows of different scale.
    """
    rng = generator(seed)
    if rng.integers(2):
        a, b = filling(rng, shape.m, shape.k), whole(rng, shape.k, shape.n, 1)
    else:
        a, b = whole(rng, shape.m, shape.k, 1), filling(rng, shape.n, shape.k).T
    rows, cols = _far_scales(rng, shape)
    order = rng.permutation(shape.k)
    # No sum exceeds 2^24, so that f32 is exact in any order.
    want = rows * (a @ b) * cols
    got = runner.product((a * rows)[:, order], (b * cols)[order], seed)
    return unequal(got, want, "24-bit integers, graded and permuted")


def _far_scales(rng: Generator, shape: Shape) -> tuple[F32, F32]:
    """Powers of two for rows and columns: both mixed; one side mixed and far from 1; or both far from 1 and
    opposite.
    """
    middle = SCALE_REACH, SCALE_REACH
    (far_rows, far_cols), shift = (
        (middle, 0),
        ((FAR_REACH, 2), 0),
        ((2, FAR_REACH), 0),
        ((24, 24), int(rng.choice((-64, 64)))),
    )[int(rng.integers(4))]
    rows, cols = powers_of_two(rng, shape.m, far_rows)[:, None], powers_of_two(rng, shape.n, far_cols)
    return np.ldexp(rows, shift), np.ldexp(cols, -shift)


def zero_rows(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Zero rows of A and zero columns of B among reals: C is exactly zero there, and within the bound elsewhere.

    Kills shortcuts for zero rows that forget to write, and Strassen-like schemes, which leave a residue. An honest
    kernel passes because a sum of zeros is zero.
    """
    rng = generator(seed)
    a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    rows, cols = rng.integers(0, 3, shape.m) == 0, rng.integers(0, 3, shape.n) == 0
    a[rows], b[:, cols] = 0, 0
    got = runner.product(a, b, seed)
    want = product_f64(a, b)
    bound = componentwise_bound(a, b)
    bound[rows], bound[:, cols] = 0, 0
    return first_wrong(got, np.abs(got - want) <= bound, want, "zero rows and columns")


ORACLES = (
    Oracle("wide-mantissa", Gate.VALUES, wide_mantissa, strategies.precise),
    Oracle(
        "distributions",
        Gate.VALUES,
        componentwise,
        strategies.distributions,
        applies_to=AppliesTo.CLASSICAL,
        batch=componentwise_batch,
    ),
    Oracle(
        "componentwise",
        Gate.VALUES,
        componentwise,
        strategies.graded_and_large,
        applies_to=AppliesTo.CLASSICAL,
    ),
    Oracle("graded", Gate.VALUES, graded, path_changes.precise_and_long, applies_to=AppliesTo.CLASSICAL),
    Oracle("rounding", Gate.VALUES, rounding, strategies.precise_and_large, applies_to=AppliesTo.CLASSICAL),
    Oracle(
        "reals-everywhere",
        Gate.VALUES,
        rounding,
        path_changes.everywhere,
        applies_to=AppliesTo.CLASSICAL,
        patience_s=4.0,
    ),
    Oracle(
        "small-everywhere",
        Gate.VALUES,
        componentwise,
        path_changes.small_everywhere,
        applies_to=AppliesTo.CLASSICAL,
        batch=componentwise_batch,
        patience_s=2.0,
    ),
    Oracle("resolution", Gate.VALUES, resolution, path_changes.at_some_scales, smallest=1, patience_s=2.0),
    Oracle("scaling", Gate.VALUES, scaling, strategies.precise, applies_to=AppliesTo.CLASSICAL),
    Oracle("zero-rows", Gate.VALUES, zero_rows, strategies.precise, applies_to=AppliesTo.CLASSICAL),
)
