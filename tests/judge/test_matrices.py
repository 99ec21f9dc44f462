"""Matrices of any order are copied and compared in every element."""

from __future__ import annotations

import numpy as np
import pytest

from harness.judge.matrices import SMALL, STRIP, assign, copied, same_bits
from harness.judge.worker.calls import F32

SHAPES = [
    (0, 5),
    (5, 0),
    (1, 1),
    (3, 7),
    (STRIP + 1, SMALL // STRIP),
    (SMALL // STRIP, STRIP + 1),
    (700, 611),
]


def layouts(rows: int, cols: int) -> list[F32]:
    """The ways in which an operand may lie: by rows, by columns, padded, reversed, and apart in both directions."""
    memory = np.zeros((3 * rows + 1, 3 * cols + 1), np.float32)
    turned = np.zeros((3 * cols + 1, 3 * rows + 1), np.float32).T
    found = [np.zeros((rows, cols), np.float32), np.zeros((cols, rows), np.float32).T]
    for x in (memory, turned):
        found += [x[:rows, :cols], x[:rows, :cols][::-1, ::-1], x[: 2 * rows : 2, : 3 * cols : 3]]
    return found


@pytest.mark.parametrize(("rows", "cols"), SHAPES)
def test_every_element_counts(rows: int, cols: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((rows, cols)).astype(np.float32)
    for to in layouts(rows, cols):
        assign(to, x)
        assert (to == x).all()
        assert copied(to).tobytes() == x.tobytes()
        assert same_bits(to, x)
        assert same_bits(x, to)
        if not x.size:
            continue
        for spot in (0, x.size - 1, int(rng.integers(x.size))):
            at = np.unravel_index(spot, x.shape)
            to[at] = np.nextafter(to[at], np.float32(np.inf))
            assert not same_bits(to, x)
            assert not same_bits(x, to)
            to[at] = x[at]


def test_bits_are_compared_and_not_values() -> None:
    zero, nan = np.zeros((1, 1), np.float32), np.full((1, 1), np.nan, np.float32)
    assert not same_bits(zero, -zero)
    assert same_bits(nan, nan.copy())
