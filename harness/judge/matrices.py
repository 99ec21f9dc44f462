"""Copies and comparisons of matrices that may lie row by row or column by column.

numpy walks through both matrices in the order of one of them. The other one's elements are then far apart, and with
many rows (columns) each of its cache lines is fetched once for every element. So large matrices of different order are
handled in strips, of which all lines fit into the cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.judge.worker.calls import F32

# Elements up to which a matrix fits into the cache in any order.
SMALL = 1 << 18
# Rows or columns of a strip.
STRIP = 32


def assign(to: F32, x: F32) -> None:
    """Copy `x` into `to`, which has its shape."""
    if x.size <= SMALL:
        to[...] = x
        return
    for part, from_ in _strips(to, x):
        part[...] = from_


def copied(x: F32) -> F32:
    """A copy of the matrix, row by row."""
    copy = np.empty(x.shape, np.float32)
    assign(copy, x)
    return copy


def same_bits(x: F32, y: F32) -> bool:
    """Equal in every bit, so that a NaN equals itself and −0 differs from +0; both have the same shape."""
    if x.size <= SMALL:
        return _equal_bits(x, y)
    return all(_equal_bits(one, other) for one, other in _strips(y, x))


def _equal_bits(x: F32, y: F32) -> bool:
    return bool((x.view(np.uint32) == y.view(np.uint32)).all())


def _strips(x: F32, y: F32) -> Iterator[tuple[F32, F32]]:
    """Both matrices, or strips of them across the consecutive elements of `x`."""
    by_columns = _is_by_columns(x)
    if by_columns == _is_by_columns(y):
        yield x, y
    elif by_columns:
        for row in range(0, x.shape[0], STRIP):
            yield x[row : row + STRIP], y[row : row + STRIP]
    else:
        for col in range(0, x.shape[1], STRIP):
            yield x[:, col : col + STRIP], y[:, col : col + STRIP]


def _is_by_columns(x: F32) -> bool:
    """Whether the elements of a column are closer to each other than those of a row."""
    return abs(x.strides[0]) < abs(x.strides[1])
