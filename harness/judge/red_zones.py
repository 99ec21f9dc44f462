"""Red zones: the writable bytes around each C, marked before a call and compared after it."""

from __future__ import annotations

import mmap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.judge.worker.calls import F32, Placement, Slot
from harness.judge.worker.shared_memory import LINE_BYTES, PlacedSlot

# Bytes to check behind the last C of an aligned batch, where no guard page follows.
BEHIND = mmap.PAGESIZE


class RedZones:
    """The writable bytes beside every C of a batch. Guard pages stop writes that leave the page; these detect the
    others.

    Slots that are not in shared memory have no red zones.
    """

    def __init__(self, slots: Sequence[Slot], placement: Placement, salt: int) -> None:
        self._mark = np.uint8(salt % 251 + 1)
        self._zones: list[tuple[int, str, NDArray[np.uint8]]] = []
        for index, slot in enumerate(slots):
            memory = _memory(slot.c)
            if memory is None or not isinstance(slot, PlacedSlot):
                continue
            start, length = slot.extents()[2]
            end = start + length
            before, behind = _reach(start, end, placement, index == len(slots) - 1)
            for place, low, high in (("before", before, start), ("behind", end, min(behind, memory.size))):
                if low < high:
                    self._zones.append((index, place, memory[low:high]))
        for _, _, zone in self._zones:
            zone[:] = self._mark

    def touched(self) -> str | None:
        """A description of the first changed byte; None when nothing changed."""
        for index, place, zone in self._zones:
            same = zone == self._mark
            if same.all():
                continue
            changed = np.flatnonzero(~same)
            away = len(zone) - int(changed[-1]) if place == "before" else int(changed[0])
            return f"{len(changed)} bytes {place} C of call {index} changed, {away} bytes away"
        return None


def _reach(start: int, end: int, placement: Placement, last: bool) -> tuple[int, int]:
    """Start and end of the accessible bytes around C that belong to no other C."""
    if placement is not Placement.ALIGNED:
        return start // mmap.PAGESIZE * mmap.PAGESIZE, -(-end // mmap.PAGESIZE) * mmap.PAGESIZE
    return start, -(-end // LINE_BYTES) * LINE_BYTES + (BEHIND if last else 0)


def _memory(c: F32) -> NDArray[np.uint8] | None:
    """The whole region that contains C."""
    base: object = c
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return np.frombuffer(base, np.uint8) if isinstance(base, mmap.mmap) else None
