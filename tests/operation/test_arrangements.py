"""Arrangements of a seed: every kind occurs, C has distinct elements, and large matrices take little more memory."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from harness.judge.gaps import elements_of
from harness.operation.arrangements import PADDINGS, drawn
from harness.operation.forms import CallForm, Strides
from harness.shapes import Shape

SEEDS = range(400)


def kind_of(strides: Strides, rows: int, cols: int) -> str:
    row, col = abs(strides.row), abs(strides.col)
    if col == 1:
        return "rows" if row == cols else "padded rows"
    if row == 1:
        return "columns" if col == rows else "padded columns"
    return "scattered"


def test_every_kind_of_each_matrix_occurs() -> None:
    shape = Shape(17, 9, 35)
    forms = [drawn(shape, seed, negative=True) for seed in SEEDS]
    for which, size in (("a", (17, 9)), ("b", (9, 35)), ("c", (17, 35))):
        matrices = [getattr(form, which) for form in forms]
        kinds = Counter(kind_of(strides, *size) for strides in matrices)
        assert set(kinds) == {"rows", "columns", "padded rows", "padded columns", "scattered"}
        assert {(x.row < 0, x.col < 0) for x in matrices} == {
            (i, j) for i in (False, True) for j in (False, True)
        }


def test_a_seed_gives_one_form_and_the_safe_tier_no_negative_stride() -> None:
    shape = Shape(5, 7, 6)
    for seed in SEEDS:
        form = drawn(shape, seed, negative=False)
        assert form == drawn(shape, seed, negative=False)
        assert form.has_slices()
        assert (form.alpha, form.beta) == (1.0, 0.0)


@pytest.mark.parametrize("shape", [Shape(4, 3, 5), Shape(1, 7, 5), Shape(5, 1, 1), Shape(130, 3, 140)])
def test_the_elements_of_every_matrix_are_distinct(shape: Shape) -> None:
    m, k, n = shape
    for seed in SEEDS:
        form = drawn(shape, seed, negative=True)
        for strides, size in ((form.a, (m, k)), (form.b, (k, n)), (form.c, (m, n))):
            places = np.arange(strides.span(*size))
            assert len(np.unique(elements_of(places, strides, *size))) == size[0] * size[1]


@pytest.mark.parametrize("shape", [Shape(512, 512, 512), Shape(8191, 19, 3), Shape(3, 19, 8191)])
def test_large_matrices_are_padded_by_little(shape: Shape) -> None:
    for seed in SEEDS:
        spans = drawn(shape, seed, negative=True).spans(shape)
        for span, usual in zip(spans, CallForm.contiguous(shape).spans(shape), strict=True):
            assert span <= max(3 * (1 << 14) + 3 * 8191, usual + max(PADDINGS) * 8191)
