"""The kernel families: which knobs each one uses, which register tiles are worth trying, which need unsafe Rust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.operation.operations import OPERATIONS, OperationName

Family = Literal[
    "naive", "blocked", "packed", "packed_intrinsics", "strided", "strided_intrinsics", "bilinear"
]


@dataclass(frozen=True, slots=True)
class KernelFamily:
    """One way to write the classical product; the family "bilinear" wraps a tiled one.

    knobs: the fields of Schedule that change the generated code. tiles: for each vector unit the register tiles worth
    trying, written "MRxNR", best first as published or measured; empty for families without a register tile.
    needs_unsafe: whether the code uses intrinsics. operation: what the kernel computes.
    """

    knobs: frozenset[str]
    tiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needs_unsafe: bool = False
    operation: OperationName = OperationName.MATMUL

    @property
    def has_strides(self) -> bool:
        """Whether its kernels are called with strides, alpha and beta."""
        return OPERATIONS[self.operation].has_forms

    @property
    def tiled(self) -> bool:
        """Whether the family has the BLIS loop nest around a register tile."""
        return bool(self.tiles)


_THREADING = frozenset({"threads", "split", "tasks_per_thread", "parallel_edge"})
_BLOCKING = frozenset(
    {"isa", "mr", "nr", "kc", "mc", "nc", "resident", "pack_a", "pack_b", "direct_edge", "scratch"}
)
_PREFETCHING = frozenset({"prefetch_a", "prefetch_b", "prefetch_c"})

FAMILIES: dict[str, KernelFamily] = {
    "naive": KernelFamily(frozenset({"threads", "parallel_edge"})),
    "blocked": KernelFamily(frozenset({"threads", "parallel_edge", "tasks_per_thread", "kc", "nc"})),
    "packed": KernelFamily(
        _BLOCKING | (_THREADING - {"split"}),
        # Larger tiles spill: the compiler no longer keeps the array of accumulators in registers.
        {
            "avx512": ("6x64", "12x32", "8x32", "8x48", "10x32", "6x48"),
            "avx2": ("6x16", "4x16", "4x24", "5x16", "8x8"),
            "neon": ("6x8", "8x8", "4x16", "4x8"),
            "portable": ("4x8", "6x8", "4x12", "2x16"),
        },
    ),
    "packed_intrinsics": KernelFamily(
        _BLOCKING
        | _THREADING
        | _PREFETCHING
        | {"prefetch_next", "fuse_b", "late_c", "unroll", "edges", "thin"},
        # All of these leave registers for one row of B and one broadcast element of A.
        {
            "avx512": ("12x32", "6x64", "8x48", "14x32", "9x48", "10x32", "8x32", "13x32", "6x48"),
            "avx2": ("6x16", "4x24", "5x16", "4x16", "3x24", "2x32"),
            "neon": ("8x12", "6x16", "8x8", "12x8", "4x16", "5x16"),
            "portable": ("4x8", "6x8", "4x12", "2x16"),
        },
        needs_unsafe=True,
    ),
}
# Operation sgemm: strides, alpha and beta. The safe family packs always; the other one packs what is large, and what is
# contiguous in no useful direction.
FAMILIES["strided"] = KernelFamily(
    frozenset({"isa", "mr", "nr", "kc", "mc", "nc", "resident", "scratch"}) | (_THREADING - {"split"}),
    FAMILIES["packed"].tiles,
    operation=OperationName.SGEMM,
)
FAMILIES["strided_intrinsics"] = KernelFamily(
    FAMILIES["packed_intrinsics"].knobs - {"prefetch_next", "late_c"},
    FAMILIES["packed_intrinsics"].tiles,
    needs_unsafe=True,
    operation=OperationName.SGEMM,
)
