"""Oracles of structure: exact integers at every kind of shape, every element compared bit for bit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from harness.judge import regions, strategies
from harness.judge.inputs import generator, small_integers
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles.oracle import Oracle
from harness.judge.reference import exact_f32, unequal
from harness.judge.worker.calls import F32, Placement
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate


def exact(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Small random integers, compared bit for bit on a poisoned C.

    Kills everything that is not the product: zeros, constants, averages, a transposed operand, missing tiles, tails and
    blocks, stale or unwritten elements. An honest kernel passes because every partial sum, in any order and with or
    without FMA, is an integer far below 2^24 and therefore exact.
    """
    a, b = small_integers(generator(seed), shape)
    return unequal(runner.product(a, b, seed), exact_f32(a, b), "integer data")


def exact_batch(
    runner: KernelRunner, cases: Sequence[tuple[Shape, int]]
) -> tuple[Shape, int, Counterexample] | None:
    """`exact` for many small cases of one placement in one round trip; returns the first wrong one."""
    data = [small_integers(generator(seed), shape) for shape, seed in cases]
    products = runner.products(data, cases[0][1], arranged=[seed for _, seed in cases])
    for (shape, seed), (a, b), got in zip(cases, data, products, strict=True):
        wrong = unequal(got, exact_f32(a, b), "integer data")
        if wrong is not None:
            return shape, seed, wrong
    return None


def in_every_placement(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Small random integers in each placement: against the upper guard page, the lower one, unaligned and aligned.

    Kills vector loads and stores that assume an alignment, or check it for one matrix only. An honest kernel passes
    because its result does not depend on addresses.
    """
    a, b = small_integers(generator(seed), shape)
    want = exact_f32(a, b)
    for placement in Placement:
        wrong = unequal(
            runner.product(a, b, seed, placement), want, f"integer data, {placement.value} placement"
        )
        if wrong is not None:
            return wrong
    return None


def off_diagonal(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers with non-zero off-diagonal blocks only: A = [0 X; Y 0], B = [Z 0; 0 W], C = [0 XW; YZ 0].

    Kills kernels that compute only the diagonal blocks, or that decide from those blocks whether there is work to do.
    An honest kernel passes for the same reason as in `exact`.
    """
    a, b = small_integers(generator(seed), shape)
    m, k, n = (extent // 2 for extent in shape)
    a[:m, :k] = a[m:, k:] = 0
    b[:k, n:] = b[k:, :n] = 0
    return unequal(runner.product(a, b, seed), exact_f32(a, b), "integers in off-diagonal blocks")


def one_hot(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Basis probing: the kernel's bilinear tensor at this shape compared with the tensor of the matrix product.

    Up to 600 pairs (E_ip, E_qj) are all tried: for a bilinear kernel, a complete proof of the structure. Larger shapes
    are sampled, with E_ip against random integers and random integers against E_qj. Kills index errors that dense data
    hides, such as broken shortcuts for sparse rows. An honest kernel passes because all products but one are exact
    zeros.
    """
    rng = generator(seed)
    pairs = _basis_pairs(shape) if shape.m * shape.k * shape.k * shape.n <= 600 else _half_pairs(shape, rng)
    for start in range(0, len(pairs), 64):
        batch = pairs[start : start + 64]
        for (a, b), got in zip(batch, runner.products(batch, seed), strict=True):
            wrong = unequal(got, exact_f32(a, b), _where(a, b))
            if wrong is not None:
                return wrong
    return None


def _basis(rows: int, cols: int) -> list[F32]:
    """All matrices of that size with a single 1."""
    units = np.eye(rows * cols, dtype=np.float32).reshape(rows * cols, rows, cols)
    return list(units)


def _basis_pairs(shape: Shape) -> list[tuple[F32, F32]]:
    return list(itertools.product(_basis(shape.m, shape.k), _basis(shape.k, shape.n)))


def _half_pairs(shape: Shape, rng: np.random.Generator) -> list[tuple[F32, F32]]:
    """At most 48 unit matrices as A against a full B, and 48 as B against a full A."""
    a, b = small_integers(rng, shape)
    pairs = []
    for spot in rng.permutation(a.size)[:48]:
        unit = np.zeros_like(a)
        unit.flat[spot] = 1
        pairs.append((unit, b))
    for spot in rng.permutation(b.size)[:48]:
        unit = np.zeros_like(b)
        unit.flat[spot] = 1
        pairs.append((a, unit))
    return pairs


def _where(a: F32, b: F32) -> str:
    ones = [
        str(tuple(int(i) for i in np.argwhere(x)[0])) if np.count_nonzero(x) == 1 else "full" for x in (a, b)
    ]
    return f"one in A at {ones[0]}, in B at {ones[1]}"


def patterns(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers with structure on one side or both.

    Repeated rows and columns, constants, ones on a diagonal, few elements, triangles, bands, zeros; B equal to A or to
    its transpose; and near misses of all these. Kills wrong shortcuts for data that looks cheap: low rank, the
    identity, constants, sparse operands; and those that inspect the first rows or samples and assume that the rest is
    alike. An honest kernel passes for the same reason as in `exact`.
    """
    rng = generator(seed)
    a, b = small_integers(rng, shape)
    named = [(f"A {name}", (x, b)) for name, x in _structured(rng, a).items()]
    named += [(f"B {name}", (a, x)) for name, x in _structured(rng, b).items()]
    both = _structured(rng, a), _structured(rng, b)
    named += [(f"A and B {name}", (x, both[1][name])) for name, x in both[0].items()]
    named += [(f"A {name}", (x, b)) for name, x in _misleading(a).items()]
    named += [(f"B {name}", (a, x)) for name, x in _misleading(b).items()]
    if shape.m == shape.n:
        named += [
            ("A and its transpose", (a, a.T.copy())),
            ("A and nearly its transpose", (a, _but_one(a).T.copy())),
        ]
    if shape.m == shape.k == shape.n:
        named += [("A equal to B", (a, a.copy())), ("A nearly equal to B", (a, _but_one(a)))]
    for (name, (x, y)), got in zip(named, runner.products([pair for _, pair in named], seed), strict=True):
        wrong = unequal(got, exact_f32(x, y), name)
        if wrong is not None:
            return wrong
    return None


def relatives(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers at a large square: B is nearly A or its transpose, or all but one element of A or of B follow a pattern.

    Kills at large shapes what `patterns` kills at small ones: shortcuts for symmetric products, triangles and sparse
    operands that are recognised by samples. An honest kernel passes for the same reason as in `exact`.
    """
    rng = generator(seed)
    a, b = small_integers(rng, shape)
    spots = [(0, int(rng.integers(shape.k)) // 2), (int(rng.integers(1, shape.m)), 0)]
    named = [("B nearly the transpose of A", (a, _but_one(a).T.copy())), ("B nearly A", (a, _but_one(a)))]
    for name in ("a triangle", "all zeros"):
        for spot, transposed in zip(spots, (True, False), strict=True):
            x = _structured(rng, a.T if transposed else a)[name]
            x = x.T.copy() if transposed else x
            x[spot] = 7
            named += [(f"A {name} but for one element", (x, b)), (f"B {name} but for one element", (a, x))]
    # At other shapes than squares, as in a replayed case, only some of them are products.
    named = [(name, (x, y)) for name, (x, y) in named if x.shape[1] == y.shape[0]]
    for (name, (x, y)), got in zip(named, runner.products([pair for _, pair in named], seed), strict=True):
        wrong = unequal(got, exact_f32(x, y), name)
        if wrong is not None:
            return wrong
    return None


def _misleading(x: F32) -> dict[str, F32]:
    """Near misses of `_structured`: matrices that start like one, or equal one in nearly all elements."""
    first_zero, first_alike, first_lone, begins_alike = x.copy(), x.copy(), x.copy(), x.copy()
    first_zero[:1] = 0
    first_alike[1:2] = x[:1]
    first_lone[:1, 1:] = 0
    begins_alike[:, :16] = x[:1, :16]
    return {
        "with a first row of zeros": first_zero,
        "with two rows alike": first_alike,
        "with a first row like a diagonal's": first_lone,
        "with rows that begin alike": begins_alike,
        "all alike but for one": _but_one(np.full_like(x, 3)),
        "zero but for the end": np.where(
            np.arange(x.size).reshape(x.shape) == x.size - 1, np.float32(5), np.float32(0)
        ),
    }


def _but_one(x: F32) -> F32:
    """A copy with another value in one element of the last quarter."""
    changed = x.copy()
    if x.size:
        changed.flat[x.size - 1 - x.size // 7] += 1
    return changed


def _structured(rng: np.random.Generator, x: F32) -> dict[str, F32]:
    """Versions of a matrix of small integers, named by the structure that a shortcut might recognise."""
    rows, cols = x.shape
    few = np.zeros_like(x)
    if x.size:
        few.flat[rng.integers(x.size, size=3)] = 2
    up = np.arange(cols) - np.arange(rows)[:, None]
    return {
        "all zeros": np.zeros_like(x),
        "all alike": np.full_like(x, 3),
        "with equal rows": np.repeat(x[:1], rows, axis=0),
        "with equal columns": np.repeat(x[:, :1], cols, axis=1),
        "of rank two": np.where(np.arange(rows)[:, None] % 2 == 0, x[:1], -x[-1:]),
        "with ones on the diagonal": np.eye(rows, cols, dtype=np.float32),
        "with a diagonal": np.where(up == 0, x, np.float32(0)),
        "a triangle": np.where(up >= 0, x, np.float32(0)),
        "a band": np.where(abs(up) <= 1, x, np.float32(0)),
        "with three elements": few,
        "with one row": np.where(np.arange(rows)[:, None] == rows // 2, x, np.float32(0)),
        "with one column": np.where(np.arange(cols) == cols // 2, x, np.float32(0)),
        "without a sign": np.abs(x),
    }


ORACLES = (
    Oracle("exact", Gate.SHAPES, exact, strategies.first_shape),
    Oracle("off-diagonal", Gate.SHAPES, off_diagonal, strategies.block_multiples),
    Oracle("degenerate", Gate.SHAPES, exact, strategies.degenerate, batch=exact_batch),
    Oracle("one-hot", Gate.SHAPES, one_hot, strategies.tiny),
    Oracle("patterns", Gate.SHAPES, patterns, strategies.structured, smallest=1),
    Oracle("edges", Gate.SHAPES, exact, strategies.edges, batch=exact_batch),
    Oracle("extents", Gate.SHAPES, exact, strategies.every_extent, batch=exact_batch),
    Oracle("medium", Gate.SHAPES, exact, strategies.medium, patience_s=2.0),
    Oracle("regions", Gate.SHAPES, exact, regions.regions, patience_s=1.0),
    Oracle("relatives", Gate.SHAPES, relatives, regions.large_square, smallest=2, shrinkable=False),
    Oracle("placements", Gate.SHAPES, in_every_placement, strategies.misaligned),
    Oracle("elongated", Gate.SHAPES, exact, strategies.elongated, elongated=True),
    Oracle("near-timed", Gate.SHAPES, exact, strategies.near_timed),
    Oracle("timed-shapes", Gate.SHAPES, exact, strategies.timed),
    Oracle("drawn", Gate.SHAPES, exact, strategies.no_fixed_shapes, searched=True, shrinkable=False),
)
