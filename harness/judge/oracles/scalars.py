"""Oracles of alpha and beta: C ← alpha·A·B + beta·C, with the special cases that BLAS defines."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator

from harness.judge import path_changes, strategies
from harness.judge.examination import Examination
from harness.judge.inputs import generator, nonzero, powers_of_two, reals, small_integers, whole
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles.forms import first_unequal
from harness.judge.oracles.oracle import AppliesTo, Oracle
from harness.judge.oracles.special import compensates
from harness.judge.oracles.values import FEW
from harness.judge.reference import U32, first_wrong, product_f64, rms_unit, unequal, worst_element
from harness.judge.strategies import SQUARE_FLOPS, secret, thick_elongated
from harness.judge.updates import GemmUpdate
from harness.judge.worker.calls import F32
from harness.operation.arrangements import PADDINGS
from harness.operation.forms import CallForm
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

# Scalars with which integers stay exact.
EXACT_ALPHAS, EXACT_BETAS = (1.0, -1.0, 2.0, 0.5, -3.0, 0.0), (1.0, 0.0, -1.0, 2.0, 0.5)
# The pairs for larger shapes, where each shape gets one: most kernels have a path of their own for the first.
LARGE_PAIRS = ((1.0, 1.0), (-2.0, 0.5), (1.0, 1.0), (0.5, 1.0), (-1.0, 0.0))
# Of reals, the pairs that kernels have paths of their own for, and others; 0.7 and 1.3 are those of netlib's sblat3.
REAL_PAIRS = ((1.0, 1.0), (0.7, 1.3), (1.0, 0.7), (-0.37, 1.0), (1.3, 0.0))
# Exponents of the rows and columns of the former C, so that A·B is larger in some places and smaller in others.
FORMER_REACH = 12
# Exponent of scalars that undo the scale of the data.
FAR = 90


def scalars(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers with one pair of alpha and beta, which the seed selects; thirty consecutive seeds cover all pairs, at
    larger shapes five.

    Kills a scalar that is left out, applied twice, to the wrong term, or only on some path. An honest kernel passes
    because integers times these scalars are exact in any order.
    """
    return first_unequal(runner, [_exact_update(runner, shape, seed)], seed, "integers")


def scalars_batch(
    runner: KernelRunner, cases: Sequence[tuple[Shape, int]]
) -> tuple[Shape, int, Counterexample] | None:
    """`scalars` for many small cases of one placement in one round trip; returns the first wrong one."""
    updates = [_exact_update(runner, shape, seed) for shape, seed in cases]
    found = zip(cases, updates, runner.updates(updates, cases[0][1]), strict=True)
    for (shape, seed), update, got in found:
        wrong = unequal(got, update.exact(), f"integers, {update}")
        if wrong is not None:
            return shape, seed, wrong
    return None


def _exact_update(runner: KernelRunner, shape: Shape, seed: int) -> GemmUpdate:
    rng = generator(seed)
    a, b = small_integers(rng, shape)
    former = whole(rng, shape.m, shape.n, 99)
    alpha = EXACT_ALPHAS[seed % len(EXACT_ALPHAS)]
    beta = EXACT_BETAS[seed // len(EXACT_ALPHAS) % len(EXACT_BETAS)]
    if shape.flops > path_changes.SMALL_FLOPS:
        alpha, beta = LARGE_PAIRS[seed % len(LARGE_PAIRS)]
    update = GemmUpdate(a, b, None, runner.form(shape, seed))
    return update.scaled(alpha, beta, former if beta else None)


def block_scalars(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers, NN, NT, TN and TT, each with three pairs of alpha and beta, at shapes with several blocks of k.

    Kills beta that is applied once for each block of k, alpha that misses a block, and paths for one transposition that
    forget a scalar. An honest kernel passes for the same reason as in `scalars`.
    """
    rng, draw = generator(seed), random.Random(seed)
    a, b = small_integers(rng, shape)
    former = whole(rng, shape.m, shape.n, 99)
    updates = []
    for letters, (alpha, beta) in itertools.product(
        ("NN", "NT", "TN", "TT"), ((1.0, 1.0), (-2.0, 0.5), (0.5, 0.0))
    ):
        padding = tuple(draw.choice((0, *PADDINGS)) for _ in range(3))
        form = CallForm.transposed(shape, letters, padding=(padding[0], padding[1], padding[2]))
        update = GemmUpdate(a, b, None, form).scaled(alpha, beta, former if beta else None)
        updates.append(update)
    draw.shuffle(updates)
    for update in updates:
        wrong = first_unequal(runner, [update], seed, "integers")
        if wrong is not None:
            return wrong
    return None


def beta_zero(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers with beta 0 and −0, and C full of NaN or infinities, for several alphas; k may be 0.

    Kills kernels that read C and multiply it by 0. An honest kernel passes because beta = 0 only writes.
    """
    rng = generator(seed)
    a, b = small_integers(rng, shape)
    updates: list[GemmUpdate] = []
    for beta, value, alpha in itertools.product((0.0, -0.0), (np.nan, np.inf), (1.0, -1.0, 0.5, 0.0)):
        former = np.full((shape.m, shape.n), value, np.float32)
        update = GemmUpdate(a, b, None, runner.form(shape, seed + len(updates)))
        updates.append(update.scaled(alpha, beta, former))
    return first_unequal(runner, updates, seed, "integers on a C of NaN or infinity")


def beta_alone(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """With alpha 0 or −0, or k = 0, C becomes beta·C: A and B are full of NaN or infinities, C has every kind of value.

    Kills kernels that multiply NaN by alpha = 0, that return early without scaling C, and that flush or skip elements
    of C. An honest kernel passes because one multiplication is rounded in one way; the sign of a zero is left open.
    """
    rng = generator(seed)
    empty = shape.k == 0
    updates: list[GemmUpdate] = []
    for alpha, beta, value in itertools.product(
        (2.0, 0.0) if empty else (0.0, -0.0), (0.0, 1.0, -1.0, 0.5, 0.7), (np.nan, np.inf)
    ):
        a, b = (np.full(size, value, np.float32) for size in ((shape.m, shape.k), (shape.k, shape.n)))
        update = GemmUpdate(a, b, None, runner.form(shape, seed + len(updates)))
        updates.append(update.scaled(alpha, beta, _every_kind(rng, shape)))
    for update, got in zip(updates, runner.updates(updates, seed), strict=True):
        with np.errstate(all="ignore"):
            want = update.wanted().astype(np.float32)
        ok = (got == want) | (np.isnan(got) & np.isnan(want))
        wrong = first_wrong(got, ok, want, f"{'k is 0' if empty else 'A and B hold no numbers'}, {update}")
        if wrong is not None:
            return wrong
    return None


def _every_kind(rng: Generator, shape: Shape) -> F32:
    """A former C of integers, reals, zeros of both signs, subnormals, large numbers, NaN and infinities."""
    c = reals(rng, shape.m, shape.n)
    kind = rng.integers(0, 12, c.shape)
    specials = (0.0, -0.0, np.nan, np.inf, -np.inf, 3e38, 1e-40)
    for number, value in enumerate(specials):
        c[kind == number] = value
    c[kind == len(specials)] = 7
    return c


def scalar_specials(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """NaN and infinity as alpha, as beta and in single elements of C; scalars up to 2^90 that undo the data's scale.

    Kills scalars that are compared in the wrong way, or folded into factors that overflow, and elements of C that are
    masked. An honest kernel passes: the data of A and B is positive, so that every order of multiplication by alpha
    overflows to the same infinity, and all other results are exact.
    """
    rng = generator(seed)
    a, b = (np.abs(nonzero(rng, *size, 3)) for size in ((shape.m, shape.k), (shape.k, shape.n)))
    c = np.abs(nonzero(rng, shape.m, shape.n, 99))
    holed = c.copy()
    holed.flat[rng.permutation(c.size)[:3]] = (np.nan, np.inf, -np.inf)[: min(c.size, 3)]
    up, down = np.float32(2.0**FAR), np.float32(2.0**-FAR)
    cases: list[tuple[float, float, F32, F32, F32, str]] = [
        (np.nan, 1.0, a, b, c, "alpha is NaN"),
        (1.0, np.nan, a, b, c, "beta is NaN"),
        (np.inf, 1.0, a, b, c, "alpha is infinite"),
        (1.0, -np.inf, a, b, c, "beta is infinite"),
        (1.0, 1.0, a, b, holed, "NaN and infinities in C"),
        (-2.0, -0.5, a, b, holed, "NaN and infinities in C"),
        (2.0**FAR, 1.0, a * up, b, c, "alpha·A·B overflows"),
        (2.0**FAR, 1.0, a * down, b, c, "alpha undoes the scale of A"),
        (2.0**-FAR, 2.0, a, b * up, c, "alpha undoes the scale of B"),
        (1.0, 2.0**FAR, a, b, c * down, "beta undoes the scale of C"),
    ]
    updates = [
        GemmUpdate(x, y, None, runner.form(shape, seed + number)).scaled(alpha, beta, z)
        for number, (alpha, beta, x, y, z, _) in enumerate(cases)
    ]
    for update, got, case in zip(updates, runner.updates(updates, seed), cases, strict=True):
        with np.errstate(all="ignore"):
            want = update.wanted().astype(np.float32)
        ok = (got == want) | (np.isnan(got) & np.isnan(want))
        wrong = first_wrong(got, ok, want, f"{case[-1]}, {update}")
        spared = ok | (np.isnan(got) & np.isinf(want))
        if wrong is not None and not (spared.all() and compensates(runner, seed)):
            return wrong
    return None


def scaled_reals(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Reals with scalars that round: each element within γ_(k+3)·(|alpha|·|A|·|B| + |beta|·|C|) of the exact update,
    and the mean error no larger than that of f32.

    Kills scalars, sums and a former C of short mantissa. An honest kernel passes by theorem, whether it multiplies A, B
    or the sums by alpha, and whenever it adds beta·C (`GemmUpdate.bound`). For the mean, see `rounding`: the partial
    sums may contain beta·C, and s² of a sum of two is at most twice the sum of their squares.
    """
    update, got = _real_update(runner, shape, seed)
    wrong = _outside(update, got, 0)
    if wrong is not None or not got.size:
        return wrong
    want, (alpha, beta) = update.wanted(), (update.form.alpha, update.form.beta)
    products = alpha * rms_unit(update.a, update.b, product_f64(update.a, update.b))
    former = 0.0 if update.c is None else U32 * np.sqrt(shape.k + 2) * beta * update.c.astype(np.float64)
    unit = np.sqrt(2 * (products**2 + former**2)) + U32 * np.abs(want)
    error = (got - want) / np.maximum(unit, np.finfo(np.float64).tiny)
    mean = float(np.sqrt(np.mean(error**2)))
    if mean <= (1 if error.size >= FEW else 2):
        return None
    return worst_element(got, error, want, f"mean error {mean:.1f} times the limit on reals, {update}")


def scaled_reals_fast(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """The data of `scaled-reals` for a fast scheme, which gets its normwise bound for the product.

    Kills what `scaled-reals` kills, in kernels that were classified as a fast scheme. An honest fast scheme passes
    because the product is normwise stable and the update adds two roundings.
    """
    levels = max(runner.examination.granted_levels(shape), 1)
    return _outside(*_real_update(runner, shape, seed), levels)


def _real_update(runner: KernelRunner, shape: Shape, seed: int) -> tuple[GemmUpdate, F32]:
    """Reals with the scalars of a seed, and what the kernel made of them; six seeds cover all pairs."""
    rng = generator(seed)
    a, b = reals(rng, shape.m, shape.k), reals(rng, shape.k, shape.n)
    rows, cols = powers_of_two(rng, shape.m, FORMER_REACH)[:, None], powers_of_two(rng, shape.n, FORMER_REACH)
    former = reals(rng, shape.m, shape.n) * rows * cols
    alpha, beta = (*REAL_PAIRS, tuple(rng.uniform(-2, 2, 2)))[seed % (len(REAL_PAIRS) + 1)]
    update = GemmUpdate(a, b, None, runner.form(shape, seed)).scaled(alpha, beta, former if beta else None)
    return update, runner.updates([update], seed)[0]


def _outside(update: GemmUpdate, got: F32, levels: int) -> Counterexample | None:
    want = update.wanted()
    with np.errstate(all="ignore"):
        ok = np.abs(got - want) <= update.bound(levels)
    return first_wrong(got, ok, want, f"outside the bound on reals, {update}")


def small(examination: Examination) -> Iterator[Shape]:
    """The sblat3 set, and tile edges."""
    yield from strategies.degenerate(examination)
    yield from strategies.edges(examination)


def in_blocks(examination: Examination) -> Iterator[Shape]:
    """Secret shapes with several blocks of k, of rows and of columns, and the largest timed one of up to 256³."""
    draw = random.Random(examination.seed)
    yield Shape(draw.randint(30, 60), draw.randint(520, 700), draw.randint(30, 60))
    yield Shape(draw.randint(9, 20), draw.randint(2050, 2300), draw.randint(9, 20))
    yield secret(draw, 257, 290)
    if examination.profile is not Profile.QUICK:
        yield Shape(draw.randint(1030, 1100), draw.randint(30, 60), draw.randint(30, 60))
        yield Shape(draw.randint(30, 60), draw.randint(30, 60), draw.randint(1030, 1100))
        yield secret(draw, 330, 400)
    fitting = [shape for shape in examination.timed_shapes if 0 < shape.flops <= SQUARE_FLOPS]
    if fitting:
        yield max(fitting, key=lambda shape: (shape.flops, shape))


def timed_and_others(examination: Examination) -> Iterator[Shape]:
    """The timed shapes, then every larger shape that `exact` is asked at."""
    yield from strategies.timed(examination)
    yield from path_changes.everywhere(examination)


def updated(examination: Examination) -> Iterator[Shape]:
    """Empty products, single elements, ragged shapes, and a secret one with packed blocks."""
    draw = random.Random(examination.seed)
    for extents in ((5, 0, 7), (1, 1, 1), (3, 2, 5), (17, 33, 19), (70, 66, 34)):
        yield Shape(*extents)
    yield secret(draw, 131, 200)
    yield Shape(draw.randint(100, 200), 0, draw.randint(100, 200))
    if examination.profile is not Profile.QUICK:
        yield secret(draw, 260, 330)
        yield Shape(draw.randint(8, 24), draw.randint(520, 700), draw.randint(8, 24))


def rounded(examination: Examination) -> Iterator[Shape]:
    """Each shape for rounding errors six times, because the seed selects the scalars; then larger ones."""
    for shape in strategies.precise(examination):
        yield from itertools.repeat(shape, 6)
    yield from thick_elongated(examination)
    yield from strategies.large(2)(examination)


ORACLES = (
    Oracle("scalars", Gate.SHAPES, scalars, small, batch=scalars_batch, needs_forms=True),
    Oracle(
        "scalars-everywhere",
        Gate.SHAPES,
        scalars,
        timed_and_others,
        patience_s=4.0,
        needs_forms=True,
    ),
    Oracle(
        "block-scalars",
        Gate.SHAPES,
        block_scalars,
        in_blocks,
        patience_s=3.0,
        needs_forms=True,
        shrinkable=False,
    ),
    Oracle("beta-zero", Gate.VALUES, beta_zero, updated, needs_forms=True),
    Oracle("beta-alone", Gate.VALUES, beta_alone, updated, needs_forms=True, shrinkable=False),
    Oracle(
        "scalar-specials",
        Gate.VALUES,
        scalar_specials,
        updated,
        AppliesTo.CLASSICAL,
        smallest=1,
        needs_forms=True,
        counts_padding=True,
    ),
    Oracle(
        "scaled-reals",
        Gate.VALUES,
        scaled_reals,
        rounded,
        AppliesTo.CLASSICAL,
        needs_forms=True,
        patience_s=3.0,
    ),
    Oracle(
        "scaled-reals-fast",
        Gate.VALUES,
        scaled_reals_fast,
        rounded,
        AppliesTo.FAST_SCHEME,
        needs_forms=True,
        patience_s=3.0,
    ),
)
