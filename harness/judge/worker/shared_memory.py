"""Shared memory between parent and worker: three sealed regions A, B and C, and the placement of products in them."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.errors import HarnessFaultError
from harness.judge.worker.calls import F32, Layout, Placement, Slot
from harness.judge.worker.process import dup_high
from harness.operation.forms import Strides
from harness.shapes import Shape

PAGE = mmap.PAGESIZE
LINE_BYTES = 64
# Room for guard pages between many small products; untouched pages cost nothing.
SLACK_BYTES = 64 << 20
WIDEST_FENCE = 64 << 10


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes of the largest layout in each region."""

    a_bytes: int
    b_bytes: int
    c_bytes: int

    @classmethod
    def of(cls, shapes: Sequence[Shape]) -> Capacity:
        """Room for all these products at once, in any placement."""
        line = LINE_BYTES + 4
        return cls(
            sum(4 * s.m * s.k + line for s in shapes),
            sum(4 * s.k * s.n + line for s in shapes),
            sum(4 * s.m * s.n + line for s in shapes),
        )

    @classmethod
    def of_any(cls, layouts: Sequence[Layout]) -> Capacity:
        """Room for any one of these batches, aligned."""
        sizes = [(layout, layout.block_bytes) for layout in layouts]
        return cls(
            max(layout.a_count * _lines(a + layout.inset) for layout, (a, _, _) in sizes),
            max(layout.b_count * _lines(b + layout.inset) for layout, (_, b, _) in sizes),
            max(len(layout.pairs) * _lines(c + layout.inset) for layout, (_, _, c) in sizes),
        )


@dataclass(frozen=True, slots=True)
class PlacedSlot(Slot):
    """A slot with the byte offsets of its elements [0, 0] in the regions, and the layout that it belongs to.

    `b_in_a`: B lies in the region of A.
    """

    offsets: tuple[int, int, int]
    layout: int
    b_in_a: bool = field(default=False, kw_only=True)

    def extents(self) -> list[tuple[int, int]]:
        """First byte and number of bytes of A, B and C in their regions, gaps included."""
        (m, k, n), form = self.shape, self.form
        if form is None:
            return list(zip(self.offsets, (4 * m * k, 4 * k * n, 4 * m * n), strict=True))
        matrices = zip(self.offsets, (form.a, form.b, form.c), ((m, k), (k, n), (m, n)), strict=True)
        return [(at - 4 * strides.first(*size), 4 * strides.span(*size)) for at, strides, size in matrices]


@dataclass(frozen=True, slots=True)
class OpenRange:
    """Whole pages of a region (0 = A, 1 = B, 2 = C) that stay accessible in the worker; the rest is protected."""

    region: int
    start: int
    length: int


class Region:
    """One block of shared memory. `descriptor` is for the worker; for A and B it can never be mapped writable."""

    def __init__(
        self, name: str, capacity_bytes: int, *, writable: bool, slack_bytes: int = SLACK_BYTES
    ) -> None:
        self.size = _pages(capacity_bytes) + slack_bytes
        owner = _anonymous_file(name, self.size)
        try:
            self.memory = mmap.mmap(owner, self.size)
            self.descriptor = dup_high(os.dup(owner) if writable else _read_only(owner))
        finally:
            os.close(owner)
        self._finalizer = weakref.finalize(self, os.close, self.descriptor)

    def release(self) -> None:
        """Close the descriptor once the worker has its own; safe to call twice."""
        self._finalizer()

    def view(self, offset: int, rows: int, cols: int, strides: Strides | None = None) -> F32:
        """A writable matrix in this region; `offset` is that of its element [0, 0]. Without strides it is row-major."""
        if strides is None or not rows or not cols:
            return np.ndarray((rows, cols), np.float32, self.memory, offset)
        steps = (4 * strides.row, 4 * strides.col)
        return np.ndarray((rows, cols), np.float32, self.memory, offset, steps)

    def block(self, offset: int, floats: int) -> F32:
        """Writable floats that follow each other in this region."""
        return np.frombuffer(self.memory, np.float32, floats, offset)

    def close(self) -> None:
        """Unmap the memory; where a view is still in use, when the last view is gone."""
        self.release()
        del self.memory


def plan(
    sizes: Sequence[int], placement: Placement, region: Region, index: int, inset: int = 0
) -> tuple[list[int], list[OpenRange]]:
    """Byte offsets for blocks of `sizes` bytes in `region`, and the pages around them that must stay accessible.

    Aligned blocks follow each other without guard pages, as the clock needs, each `inset` bytes after the beginning of
    a 64-byte line. In the other placements, which have no inset, every block has its own pages with a guard page on
    both sides. Raises HarnessFaultError when they do not fit.
    """
    if placement is Placement.ALIGNED:
        offsets, cursor = [], 0
        for size in sizes:
            offsets.append(cursor + inset)
            cursor += _lines(size + inset)
        _must_fit(cursor, region)
        return offsets, [OpenRange(index, 0, region.size)]
    data = [_pages(size + (4 if placement is Placement.UNALIGNED else 0)) for size in sizes]
    fence = min(WIDEST_FENCE, (region.size - sum(data)) // (len(data) + 1) // PAGE * PAGE)
    if fence < PAGE:
        raise HarnessFaultError(f"{len(sizes)} fenced products do not fit into {region.size} bytes")
    offsets, ranges, cursor = [], [], fence
    for size, length in zip(sizes, data, strict=True):
        offsets.append(cursor + _inset(size, length, placement))
        if length:
            ranges.append(OpenRange(index, cursor, length))
        cursor += length + fence
    return offsets, ranges


def _inset(size: int, length: int, placement: Placement) -> int:
    match placement:
        case Placement.RIGHT:
            return length - size
        case Placement.UNALIGNED:
            return 4
        case _:
            return 0


def _must_fit(needed: int, region: Region) -> None:
    if needed > region.size:
        raise HarnessFaultError(
            f"products need {needed} bytes in a region of {region.size}; ask for more capacity"
        )


def _lines(size: int) -> int:
    return -(-size // LINE_BYTES) * LINE_BYTES


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _anonymous_file(name: str, size: int) -> int:
    """An anonymous file, sealed where the system supports it, so that nobody can shrink it while the parent uses it."""
    if sys.platform == "linux":
        import fcntl

        descriptor = os.memfd_create(f"roundtable-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, size)
        fcntl.fcntl(
            descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        )
        return descriptor
    descriptor, path = tempfile.mkstemp(prefix="roundtable-")
    os.unlink(path)  # noqa: PTH108
    os.ftruncate(descriptor, size)
    return descriptor


def _read_only(descriptor: int) -> int:
    """The same file through a descriptor that cannot be mapped writable."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return os.open(f"{folder}/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
    raise HarnessFaultError("a descriptor cannot be reopened read-only; is /proc mounted?")
