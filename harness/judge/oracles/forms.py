"""Oracles of an sgemm kernel's arrangements: every kind of strides, overlapping operands, changes between calls."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from harness.judge.examination import Examination
from harness.judge.gaps import elements_of
from harness.judge.inputs import generator, small_integers, whole
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles.oracle import Oracle
from harness.judge.reference import exact_f32, unequal
from harness.judge.strategies import secret
from harness.judge.updates import GemmUpdate
from harness.judge.worker.calls import F32, Placement
from harness.operation.arrangements import OPERAND_KINDS, RESULT_KINDS, reversed_some, strides_of
from harness.operation.forms import CallForm, Strides
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

# Strides of A or B whose elements are not distinct: repeated rows or columns, one element everywhere, windows that
# slide over a signal.
OVERLAPPING = ((0, 1), (1, 0), (0, 0), (1, 1), (2, 1), (1, 2))
OVERLAPPING_BACKWARDS = ((-1, 1), (1, -1), (-1, -1), (0, -1), (-2, 1))
# Alpha and beta of calls at the same addresses.
SCALARS = ((1.0, 0.0), (1.0, 1.0), (2.0, 0.0), (-1.0, 0.5))
# Forms of one shape that follow each other in random order.
FORMS_IN_TURN = 6


def first_unequal(
    runner: KernelRunner,
    updates: Sequence[GemmUpdate],
    seed: int,
    what: str,
    placement: Placement | None = None,
) -> Counterexample | None:
    """Run exact updates in one round trip; the first wrong element of any."""
    for update, got in zip(updates, runner.updates(updates, seed, placement), strict=True):
        wrong = unequal(got, update.exact(), f"{what}, {update}")
        if wrong is not None:
            return wrong
    return None


def layouts(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers in every pair of arrangements of A and B, with C in each in turn; where allowed, in reverse order, too.

    Kills strides that are ignored, swapped, or assumed to be 1 where another is. An honest kernel passes because the
    sums are exact and its result does not depend on where the elements lie.
    """
    rng, draw = generator(seed), random.Random(seed)
    a, b = small_integers(rng, shape)
    m, k, n = shape
    negative = runner.examination.tier == "unsafe"
    kinds, results = sorted(set(OPERAND_KINDS)), sorted(set(RESULT_KINDS))
    shift = draw.randrange(len(results))
    updates = []
    for (x, kind_a), (y, kind_b) in itertools.product(enumerate(kinds), enumerate(kinds)):
        of_a, of_b = strides_of(kind_a, m, k, draw), strides_of(kind_b, k, n, draw)
        # Each kind of C meets each kind of A, and each kind of B.
        of_c = strides_of(results[(x + y + shift) % len(results)], m, n, draw)
        updates.append(GemmUpdate(a, b, None, CallForm(of_a, of_b, of_c)))
        if negative and kind_a != kind_b:
            parts = [reversed_some(x, draw) if draw.randrange(2) else x for x in (of_a, of_b, of_c)]
            updates.append(GemmUpdate(a, b, None, CallForm(parts[0], parts[1], parts[2])))
    draw.shuffle(updates)
    return first_unequal(runner, updates, seed, "integers")


def overlapping(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers in A, B or both whose elements share memory: strides of 0, and windows that slide over a signal.

    Kills packing that writes through its operands, and strides of 0 that are taken for a contiguous matrix. An honest
    kernel passes because it only reads A and B.
    """
    rng = generator(seed)
    strides = [Strides(*pair) for pair in OVERLAPPING]
    if runner.examination.tier == "unsafe":
        strides += [Strides(*pair) for pair in OVERLAPPING_BACKWARDS]
    updates = []
    for number, shared in enumerate(strides):
        usual = runner.form(shape, seed + number)
        other = strides[number - 1]
        for form in (replace(usual, a=shared), replace(usual, b=shared), replace(usual, a=shared, b=other)):
            a = _readable(rng, form.a, shape.m, shape.k)
            b = _readable(rng, form.b, shape.k, shape.n)
            updates.append(GemmUpdate(a, b, None, form))
    return first_unequal(runner, updates, seed, "integers in operands that overlap themselves")


def _readable(rng: Generator, strides: Strides, rows: int, cols: int) -> F32:
    """A matrix of small integers that can lie in memory at these strides."""
    block = whole(rng, 1, strides.span(rows, cols), 3)[0]
    return np.ascontiguousarray(elements_of(block, strides, rows, cols))


def own_transpose(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers, A times its own transpose, and the transpose times A: one pointer, the strides swapped.

    Kills packed copies that are found again by their address, and shortcuts for operands at the same address. An honest
    kernel passes because it only reads both.
    """
    rng = generator(seed)
    for number, where in enumerate((shape, Shape(shape.k, shape.m, shape.n))):
        rows, cols = where.m, where.k
        a = small_integers(rng, Shape(rows, cols, rows))[0]
        usual = runner.form(Shape(rows, cols, rows), seed + number)
        form = replace(usual, b=Strides(usual.a.col, usual.a.row))
        b, got = runner.shared_product(a, rows, 0, seed, form)
        wrong = unequal(got, exact_f32(a, b), f"integers, A times its own transpose, {form.strides_text()}")
        if wrong is not None:
            return wrong
    return None


def changing_forms(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Integers at the same addresses in one process; strides, alpha or beta change from call to call, in random order.

    Kills packed copies and products that are found again by the addresses of the operands, whatever their strides,
    alpha or beta. An honest kernel passes because its result depends on its arguments only.
    """
    rng = generator(seed)
    m, k, n = shape
    forms = [runner.form(shape, seed + number) for number in range(FORMS_IN_TURN)]
    signals = [
        whole(rng, 1, max(strides.span(*size) for strides in every), 3)[0]
        for every, size in (([form.a for form in forms], (m, k)), ([form.b for form in forms], (k, n)))
    ]
    runner.close()
    calls = list(itertools.product(forms, SCALARS))
    for _ in range(2):
        for index in rng.permutation(len(calls)):
            form, (alpha, beta) = calls[index]
            a = np.ascontiguousarray(elements_of(signals[0], form.a, m, k))
            b = np.ascontiguousarray(elements_of(signals[1], form.b, k, n))
            update = GemmUpdate(a, b, None, form).scaled(alpha, beta, whole(rng, m, n, 99))
            wrong = first_unequal(runner, [update], seed, "integers at the same addresses", Placement.ALIGNED)
            if wrong is not None:
                return wrong
    return None


def laid_out(examination: Examination) -> Iterator[Shape]:
    """Small ragged shapes, single rows and columns, a shape with whole tiles, and secret ones with packed blocks."""
    draw = random.Random(examination.seed)
    for extents in ((3, 4, 5), (1, 7, 5), (5, 1, 7), (7, 5, 1), (17, 9, 35), (33, 70, 66)):
        yield Shape(*extents)
    yield secret(draw, 131, 190)
    if examination.profile is not Profile.QUICK:
        yield Shape(64, 64, 64)
        yield secret(draw, 257, 300)
        yield Shape(draw.randint(20, 40), draw.randint(520, 700), draw.randint(20, 40))


def self_overlapping(examination: Examination) -> Iterator[Shape]:
    """A small shape, a ragged one and a secret one with packed blocks."""
    yield Shape(4, 3, 5)
    yield Shape(17, 33, 19)
    yield secret(random.Random(examination.seed), 100, 150)


def squares_and_others(examination: Examination) -> Iterator[Shape]:
    """Squares, which look alike in both orders, and others; small, and with packed blocks."""
    draw = random.Random(examination.seed)
    edge = draw.randint(20, 60)
    yield Shape(edge, edge, edge)
    yield secret(draw, 40, 90)
    edge = draw.randint(130, 160)
    yield Shape(edge, edge, edge)


ORACLES = (
    Oracle("layouts", Gate.SHAPES, layouts, laid_out, needs_forms=True, shrinkable=False),
    Oracle("overlapping", Gate.SHAPES, overlapping, self_overlapping, needs_forms=True, shrinkable=False),
    Oracle(
        "own-transpose",
        Gate.CONDUCT,
        own_transpose,
        squares_and_others,
        smallest=1,
        needs_forms=True,
        shrinkable=False,
    ),
    Oracle(
        "changing-forms",
        Gate.CONDUCT,
        changing_forms,
        squares_and_others,
        smallest=1,
        needs_forms=True,
        shrinkable=False,
    ),
)
