"""The facts about each vector unit: lanes, registers, CPU features, Rust names, and register tiles worth trying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Isa = Literal["portable", "avx2", "avx512", "neon"]


@dataclass(frozen=True, slots=True)
class VectorUnit:
    """One vector unit as kernels use it.

    lanes: f32 elements per vector register.
    registers: architectural vector registers.
    fma_chains: independent FMA chains that hide the latency, latency × FMAs per cycle. It is the smallest value over
    the known cores with this unit (AVX2: 8 on Skylake, 10 on Haswell; NEON: 8 on Neoverse N1, 16 on Apple M1), so that
    fewer chains are too few on every core.
    cpu_features: features that a machine must have, as in Machine.isa.
    target_features: the argument of #[target_feature(enable = …)]; empty where no intrinsics are used.
    register_class: the register class of asm! operands.
    arch: the Rust target_arch.
    tiles: register tiles MR×NR for kernels with intrinsics, best first as published or measured; all leave registers
    for a row of B and a broadcast element of A.
    safe_tiles: the same for safe Rust, where the compiler spills larger arrays of accumulators.
    """

    lanes: int
    registers: int
    fma_chains: int
    cpu_features: tuple[str, ...] = ()
    target_features: str = ""
    register_class: str = ""
    arch: str = ""
    tiles: tuple[str, ...] = ()
    safe_tiles: tuple[str, ...] = ()


_NARROW_TILES = ("4x8", "6x8", "4x12", "2x16")
UNITS: dict[Isa, VectorUnit] = {
    "portable": VectorUnit(
        lanes=4, registers=16, fma_chains=8, tiles=_NARROW_TILES, safe_tiles=_NARROW_TILES
    ),
    "avx2": VectorUnit(
        lanes=8,
        registers=16,
        fma_chains=8,
        cpu_features=("avx2", "fma"),
        target_features="avx2,fma",
        register_class="ymm_reg",
        arch="x86_64",
        tiles=("6x16", "4x24", "5x16", "4x16", "3x24", "2x32"),
        safe_tiles=("6x16", "4x16", "4x24", "5x16", "8x8"),
    ),
    "avx512": VectorUnit(
        lanes=16,
        registers=32,
        fma_chains=8,
        cpu_features=("avx512f", "avx512vl"),
        target_features="avx512f",
        register_class="zmm_reg",
        arch="x86_64",
        tiles=("12x32", "6x64", "8x48", "14x32", "9x48", "10x32", "8x32", "13x32", "6x48"),
        safe_tiles=("6x64", "12x32", "8x32", "8x48", "10x32", "6x48"),
    ),
    "neon": VectorUnit(
        lanes=4,
        registers=32,
        fma_chains=8,
        cpu_features=("neon",),
        target_features="neon",
        register_class="vreg",
        arch="aarch64",
        tiles=("8x12", "6x16", "8x8", "12x8", "4x16", "5x16"),
        safe_tiles=("6x8", "8x8", "4x16", "4x8"),
    ),
}
assert set(UNITS) == set(get_args(Isa))


def registers_needed(mr: int, vectors: int) -> int:
    """Vector registers of a micro-kernel's inner loop for a tile of mr rows and `vectors` vectors per row.

    mr × vectors accumulators, one row of B, and one broadcast element of A.
    """
    return mr * vectors + vectors + 1
