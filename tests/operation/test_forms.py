"""Forms of a call: strides, memory, and what BLAS can express."""

from __future__ import annotations

import pytest

from harness.operation.forms import CallForm, Strides, by_columns, by_rows
from harness.shapes import Shape

SHAPE = Shape(3, 4, 5)


@pytest.mark.parametrize(
    "strides", [(5, 1), (7, 1), (1, 4), (2, 9), (-5, 1), (5, -1), (-2, -9), (0, 1), (0, 0)]
)
@pytest.mark.parametrize("size", [(3, 4), (1, 4), (3, 1), (1, 1)])
def test_a_span_holds_every_element_and_no_more(strides: tuple[int, int], size: tuple[int, int]) -> None:
    layout = Strides(*strides)
    rows, cols = size
    at = [layout.first(*size) + i * layout.row + j * layout.col for i in range(rows) for j in range(cols)]
    assert (min(at), max(at) + 1) == (0, layout.span(*size))


@pytest.mark.parametrize("size", [(0, 4), (3, 0), (0, 0)])
def test_an_empty_matrix_takes_no_memory(size: tuple[int, int]) -> None:
    assert (Strides(-7, 1).span(*size), Strides(-7, 1).first(*size)) == (0, 0)


def test_the_letters_are_those_of_blas() -> None:
    form = CallForm.transposed(SHAPE, "TN", padding=(1, 2, 3), alpha=0.5, beta=1.0)
    assert form == CallForm(Strides(1, 4), Strides(7, 1), Strides(8, 1), 0.5, 1.0)
    assert CallForm.transposed(SHAPE, "NN") == CallForm.contiguous(SHAPE)
    with pytest.raises(ValueError, match="write NN, NT, TN or TT"):
        CallForm.transposed(SHAPE, "NX")


@pytest.mark.parametrize(
    ("strides", "size", "known"),
    [
        (by_rows(4), (3, 4), True),
        (by_rows(4, 3), (3, 4), True),
        (by_columns(3, 2), (3, 4), True),
        (Strides(3, 1), (3, 4), False),  # rows overlap
        (Strides(8, 2), (3, 4), False),
        (Strides(-4, 1), (3, 4), False),
        (Strides(0, 1), (3, 4), False),
        (Strides(9, 2), (3, 1), True),  # a column with a stride is a matrix of one column
        (Strides(0, 1), (1, 4), True),
        (Strides(0, 1), (3, 0), True),
    ],
)
def test_blas_knows_leading_dimensions_only(strides: Strides, size: tuple[int, int], known: bool) -> None:
    assert strides.is_known_to_blas(*size) is known


def test_only_forms_without_negative_strides_have_slices() -> None:
    assert CallForm.transposed(SHAPE, "TT").has_slices()
    assert not CallForm(Strides(-4, 1), by_rows(5), by_rows(5)).has_slices()


def test_spans_count_gaps() -> None:
    assert CallForm.transposed(SHAPE, "NT", padding=(0, 1, 2)).spans(SHAPE) == (12, 5 * 4 + 4, 2 * 7 + 5)
