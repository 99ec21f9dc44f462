"""What C holds before a call."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.judge.poison import PAYLOAD, POISON_FINITE, POISON_NAN, poison
from harness.judge.worker.calls import F32


def expected(rows: int, cols: int, salt: int, kind: int) -> NDArray[np.uint32]:
    bits = np.arange(rows * cols, dtype=np.uint32).reshape(rows, cols)
    bits ^= np.uint32(salt)
    bits &= np.uint32(PAYLOAD)
    match kind:
        case 1:
            return np.zeros_like(bits)
        case 2 | 7:
            return ((bits % 8191 + 0.37) / 100).astype(np.float32).view(np.uint32)
        case 3:
            return (bits % 97).astype(np.float32).view(np.uint32)
        case 0 | 5:
            return bits | POISON_FINITE
        case _:
            return bits | POISON_NAN


def by_columns(rows: int, cols: int) -> F32:
    return np.full((cols + 1, rows + 2), np.nan, np.float32)[:cols, :rows].T


@pytest.mark.parametrize("kind", range(10))
@pytest.mark.parametrize(("rows", "cols"), [(0, 3), (1, 1), (5, 7), (64, 64), (2100, 2000)])
def test_each_kind_has_its_values(kind: int, rows: int, cols: int) -> None:
    for c in (np.full((rows, cols), np.nan, np.float32), by_columns(rows, cols)):
        poison(c, 0x2ABCDE, kind)
        assert (c.view(np.uint32) == expected(rows, cols, 0x2ABCDE, kind)).all()


def test_one_kind_turns_a_former_result_around() -> None:
    c = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    poison(c, 1, 7)
    assert c.tolist() == [[6, 5, 4], [3, 2, 1]]
