"""The memory of timed batches: the slots of one layout in one worker, filled, poisoned and read in few copies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.random import Generator

from harness.clock.data import TurnData
from harness.judge.worker.calls import F32, Layout, Slot

# Base values of C before a turn: quiet NaN, large numbers (above 1e35), ordinary ones (8 to 12). The low bits
# differ per element.
NAN, LARGE, ORDINARY = 0x7FC00000, 0x7A000000, 0x41000000
LOW_BITS = 0x3FFFFF


class Batch:
    """The slots of a layout in one worker's shared memory."""

    def __init__(self, layout: Layout, slots: Sequence[Slot]) -> None:
        self.slots = tuple(slots)
        together = list(zip(layout.pairs, slots, strict=True))
        a, b = {i: slot.a for (i, _), slot in together}, {j: slot.b for (_, j), slot in together}
        self._a = _stacks([a[i] for i in range(layout.a_count)])
        self._b = _stacks([b[j] for j in range(layout.b_count)])
        self._c = _stacks([slot.c for slot in slots])
        low = np.arange(slots[0].c.size, dtype=np.uint32) & np.uint32(LOW_BITS)
        self._poison = (low | np.uint32(NAN)).reshape(slots[0].c.shape)

    def lay(self, data: TurnData, rng: Generator) -> None:
        """Copy `data` to the same addresses as before, and fill C: with what the form adds to, else with values that
        are not the answer.

        The fill differs from element to element, from product to product and from turn to turn. Neither a previous fill
        nor zeros nor a previous product is the answer, and the fill reveals neither whether a clock is running nor
        where a turn begins.
        """
        _fill(self._a, data.a)
        _fill(self._b, data.b)
        if data.before is not None:
            for stack in self._c:
                stack[...] = data.before
            return
        for stack in self._c:
            count = len(stack)
            kinds = np.array((NAN, NAN, LARGE, ORDINARY), np.uint32)[rng.integers(4, size=count)]
            changes = kinds ^ np.uint32(NAN) ^ rng.integers(LOW_BITS + 1, size=count, dtype=np.uint32)
            np.bitwise_xor(self._poison, changes[:, np.newaxis, np.newaxis], out=stack.view(np.uint32))

    def outputs(self, into: F32 | None) -> F32:
        """Copy every C into `into` (products, m, n), or into new memory, and return it."""
        return np.concatenate(self._c, out=into)


def _fill(stacks: Sequence[F32], source: F32) -> None:
    start = 0
    for stack in stacks:
        stack[...] = source[start : start + len(stack)]
        start += len(stack)


def _stacks(views: Sequence[F32]) -> list[F32]:
    """The views grouped into stacks (s, rows, cols) over evenly spaced memory, for fewer and longer copies."""
    if len(views) < 2:
        return [view[np.newaxis] for view in views]
    address = [view.ctypes.data for view in views]
    steps = {after - before for before, after in pairwise(address)}
    if len(steps) != 1 or min(steps) <= 0:
        return [view[np.newaxis] for view in views]
    first = views[0]
    return [as_strided(first, (len(views), *first.shape), (steps.pop(), *first.strides))]
