"""The memory between the elements of a matrix: NaN in A and B, a pattern in C that must survive the call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.judge.reference import Mask
from harness.judge.worker.calls import F32, Slot
from harness.operation.forms import CallForm, Strides

# Knuth's multiplicative hash, so that neighbouring words differ in all bits.
_SPREAD = np.uint32(2654435761)


class Gaps:
    """Fills the gaps of all slots; `touched` says afterwards whether a gap of C has changed.

    Create it before A, B and C are written, because it overwrites them.
    """

    def __init__(self, slots: Sequence[Slot], salt: int) -> None:
        self._watched: list[tuple[int, F32, Mask, NDArray[np.uint32]]] = []
        for index, slot in enumerate(slots):
            if slot.form is None or slot.blocks is None:
                continue
            (m, k, n), (a, b, c) = slot.shape, slot.blocks
            if a.size != m * k:
                a.fill(np.nan)
            if b.size != k * n:
                b.fill(np.nan)
            if c.size > m * n:
                pattern = (np.arange(c.size, dtype=np.uint32) + np.uint32(salt)) * _SPREAD
                c.view(np.uint32)[...] = pattern
                gaps = _gaps_of(slot.form, c.size, m, n)
                self._watched.append((index, c, gaps, pattern[gaps]))

    def touched(self) -> str | None:
        """A description of the first changed word; None when nothing changed."""
        for index, c, gaps, pattern in self._watched:
            changed = c.view(np.uint32)[gaps] != pattern
            if changed.any():
                first = int(np.flatnonzero(gaps)[int(np.argmax(changed))])
                count = int(np.count_nonzero(changed))
                return f"{count} floats between the elements of C of call {index} changed, the first {first} floats on"
        return None


def _gaps_of(form: CallForm, size: int, rows: int, cols: int) -> Mask:
    """The floats of a block of C that belong to no element."""
    gaps = np.ones(size, np.bool_)
    elements_of(gaps, form.c, rows, cols)[...] = False
    return gaps


def elements_of(block: NDArray[np.generic], strides: Strides, rows: int, cols: int) -> NDArray[np.generic]:
    """The elements of a matrix (rows×cols) in its block, as a view."""
    step = block.itemsize
    start = step * strides.first(rows, cols)
    steps = (step * strides.row, step * strides.col)
    return np.ndarray((rows, cols), block.dtype, block, start, steps)
