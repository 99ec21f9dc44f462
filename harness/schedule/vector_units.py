"""The vector units that kernels are written for: lanes, registers, CPU features and their names in Rust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Isa = Literal["portable", "avx2", "avx512", "neon"]

# Independent FMA chains that hide the latency: 4 cycles of latency times 2 vector FMAs per cycle. This is the smallest
# number that common cores need (Haswell's AVX2 needs 5 x 2 = 10, Apple's NEON 4 x 4 = 16), so advice and refusals that
# are based on it hold on all of them.
FMAS_IN_FLIGHT = 8


@dataclass(frozen=True, slots=True)
class VectorUnit:
    """One vector instruction set.

    lanes: f32 values per vector register. registers: architectural vector registers. cpu_features: flags that the CPU
    must report. arch: Rust's `target_arch`. target_feature: the argument of Rust's `#[target_feature(enable = …)]`.
    register_class: the operand class of one vector register in Rust's `asm!`. The last three are empty for "portable",
    whose kernels contain no intrinsics.
    """

    lanes: int
    registers: int
    cpu_features: tuple[str, ...] = ()
    arch: str = ""
    target_feature: str = ""
    register_class: str = ""


UNITS: dict[str, VectorUnit] = {
    "portable": VectorUnit(lanes=4, registers=16),
    "avx2": VectorUnit(8, 16, ("avx2", "fma"), "x86_64", "avx2,fma", "ymm_reg"),
    "avx512": VectorUnit(16, 32, ("avx512f", "avx512vl"), "x86_64", "avx512f", "zmm_reg"),
    "neon": VectorUnit(4, 32, ("neon",), "aarch64", "neon", "vreg"),
}


def tile_registers(mr: int, vectors: int) -> int:
    """Vector registers of a micro-kernel: mr x vectors accumulators, one row of B, one broadcast element of A."""
    return mr * vectors + vectors + 1
