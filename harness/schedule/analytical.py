"""The first schedule, computed without measurement from the machine's vector registers and caches.

Based on Low, Igual, Smith, Quintana-Orti: "Analytical Modeling Is Enough for High-Performance BLIS" (ACM TOMS 2016).
Vectors run along the columns here, because C is row-major.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

from harness.candidate import ThreadClass
from harness.machine import Machine
from harness.schedule.families import FAMILIES
from harness.schedule.model import Schedule, ShapeRegion
from harness.schedule.vector_units import Isa

_LINE_BYTES = 64
_FLOAT_BYTES = 4
# Largest packed block of B, however large the caches are.
_LARGEST_BLOCK_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Cache:
    """One cache level: its size in bytes and its associativity."""

    bytes: int
    ways: int

    @property
    def way_bytes(self) -> int:
        """Bytes in one way: the number of sets times the line size."""
        return max(_LINE_BYTES, self.bytes // self.ways)


def caches(machine: Machine) -> tuple[Cache, Cache, Cache]:
    """L1d, L2 and L3 caches. The system reports only sizes, so the associativity is the usual one for each size."""
    l1_ways = {32 << 10: 8, 48 << 10: 12, 64 << 10: 4, 128 << 10: 8}.get(machine.l1d_bytes, 8)
    l2_ways = {1280 << 10: 20, 2 << 20: 16, 256 << 10: 4}.get(machine.l2_bytes, 8)
    return Cache(machine.l1d_bytes, l1_ways), Cache(machine.l2_bytes, l2_ways), Cache(machine.l3_bytes, 16)


def first(
    machine: Machine, threads: ThreadClass = 1, *, family: str | None = None, isa: str | None = None
) -> Schedule:
    """The schedule to try first on `machine`.

    `isa` defaults to the machine's widest vector unit, `family` to packed_intrinsics, or to packed if the unit is
    portable. KeyError for an unknown `isa` of a tiled family; ValueError for any other name or combination that
    Schedule refuses.
    """
    unit = isa or machine.vector
    chosen = family or ("packed" if unit == "portable" else "packed_intrinsics")
    if chosen in FAMILIES and not FAMILIES[chosen].tiled:
        return Schedule.model_validate({"family": chosen, "isa": unit, "threads": threads}).normalise()
    mr, nr = tile(machine, unit, chosen)
    strip_stays = b_stays(unit, chosen)
    kc = kc_for(machine, unit, mr, nr, strip_stays)
    values: dict[str, Any] = {
        "family": chosen,
        "isa": cast(Isa, unit),
        "mr": mr,
        "nr": nr,
        "kc": kc,
        "mc": mc_for(machine, kc) // mr * mr if strip_stays else mr,
        "nc": nc_for(machine, unit, nr, kc, strip_stays),
        "unroll": 8 if strip_stays else 4,
        "resident": "b" if strip_stays else "a",
        # Measured where the strip of B stays: reading A in place was 0.5 % faster over the suite odd, level on default.
        "pack_a": "none" if strip_stays else "strip",
        "pack_b": "panel",
        # Ignored by the families that have no such choice.
        "fuse_b": True,
        "late_c": True,
        "direct_edge": direct_edge(machine, unit),
        "thin": True,
        "threads": threads,
        "split": "grid",
        "tasks_per_thread": 1 if len(machine.cores) <= 4 else 2,
    }
    if strip_stays and chosen == "strided_intrinsics":
        values |= _for_layouts(machine, mr)
    return Schedule.model_validate(values).normalise()


def _for_layouts(machine: Machine, mr: int) -> dict[str, Any]:
    """The knobs of sgemm where the strip of B stays: an operand that lies by columns is packed in any case.

    Strips of B are packed just before their use, so that they never leave the caches near the core; then the block of A
    may fill most of L2. On a Zen 3 core with 512 KiB of L2 (264 rows), in interleaved runs on a busy machine, the
    forward products of gpt2-train were 2 to 5 % faster than with B packed in blocks.
    """
    kc = 384
    mc = _down(0.78 * machine.l2_bytes / (_FLOAT_BYTES * kc), mr)
    return {"kc": kc, "mc": max(mr, mc), "pack_a": "panel", "pack_b": "strip"}


def for_sums(machine: Machine, schedule: Schedule) -> Schedule:
    """`schedule` with the cache blocks of a bilinear scheme, whose packing costs more because it adds blocks.

    A product is accumulated in a buffer, so depth costs nothing: KC = 1024 halves the passes over that buffer. The
    block of A takes 40 % of L2, as nothing else has to stay there; NC is wide, as every sum of A is formed once per NC
    columns. Measured on a Zen 3 core with Strassen's scheme against the classical kernel: at 2048^3 1.10 with KC = 1024
    and 1.09 with 512; at 4096^3 1.16 with NC = 512 and 1.24 with 1024.
    """
    kc = 1024
    mc = _down(0.4 * machine.l2_bytes / (_FLOAT_BYTES * (kc + 16)), schedule.mr)
    nc = _down(caches(machine)[2].bytes / 8 / (kc * _FLOAT_BYTES), schedule.nr)
    blocks = {"kc": kc, "mc": max(schedule.mr, mc), "nc": max(4 * schedule.nr, min(2048, nc))}
    return Schedule.model_validate(schedule.model_dump() | blocks)


def for_region(machine: Machine, schedule: Schedule, region: ShapeRegion) -> Schedule:
    """`schedule` for the shapes of one region, before anything is measured.

    With few rows each packed element of B is used a few times only, so reading B is the work: its packed block takes a
    seventh of L2, the next block is prefetched meanwhile, and A is read in place. With little depth the work is writing
    C: its rows are written from left to right. Ratios to OpenBLAS on a Zen 3 core, of the least times of calls by turns
    on a busy machine, each beside candidates/run6 with its blocks for large squares: at 64x768x2304 1.01 and 0.91,
    at 8x1024x1024 1.00 and 0.63 (0.98 and 0.89 in another run), at 1024x8x1024 2.05 and 1.54, at 768x16x50257 1.19 and
    0.49.
    """
    changes: dict[str, Any] = {}
    if region == "few_rows":
        kc = min(schedule.kc, 192)
        nc = max(4 * schedule.nr, _down(machine.l2_bytes / 7 / (_FLOAT_BYTES * kc), schedule.nr))
        changes = {"kc": kc, "nc": nc, "pack_a": "none", "direct_edge": 64, "prefetch_next": True}
    if region == "shallow":
        changes = {"resident": "a", "pack_a": "none"}
    return Schedule.model_validate(schedule.model_dump() | changes).normalise()


def fmas_per_cycle(machine: Machine, unit: str) -> int:
    """Vector FMAs that one core starts per cycle; 1 on Zen 4 (AMD family 25), which splits a 512-bit FMA in halves."""
    if unit == "avx512":
        return 1 if "family 25 " in machine.cpu else 2
    return 4 if unit == "neon" else 2


def b_stays(unit: str, family: str) -> bool:
    """Whether the strip of B stays in L1 while micro-panels of A are streamed, as in BLIS; otherwise the reverse.

    Per step of k a tile streams MR floats of A or NR of B. AVX2's 6x16 tile needs 24 or 64 bytes in 6 cycles, and the
    deep strip means few updates of C. Measured on a Zen 3 core against OpenBLAS at 512, 1024 and 2048: 1.02, 1.00 and
    1.00 with the strip of B resident (KC = 512), 1.00, 0.97 and 0.94 with the panel of A (KC = 256). In safe Rust,
    against the kernel with intrinsics: 1.00, 0.98 and 0.98, and 0.97, 0.93 and 0.89 (KC = 192). For the wide tiles of
    AVX-512 the panel of A was as good or better.
    """
    return unit == "avx2" and family in FAMILIES and FAMILIES[family].tiled


def mc_for(machine: Machine, kc: int) -> int:
    """MC in elements where B stays: the block of A fills 20 % of L2, beside the strips of B and the tiles of C."""
    return int(0.2 * machine.l2_bytes / (_FLOAT_BYTES * (kc + 16)))


def block_bytes(machine: Machine, unit: str) -> int:
    """Bytes of the packed block of B (KC x NC), which is streamed past the resident micro-panel of A.

    With one FMA per cycle the hardware prefetchers can bring B from L3 in time, so the block may be twice as large as
    L2; larger blocks mean that A is copied and C is updated less often. With more FMAs per cycle L3 is too slow, so the
    block stays in L2.
    """
    _, l2, l3 = caches(machine)
    if fmas_per_cycle(machine, unit) == 1:
        return max(l2.bytes * 3 // 4, min(2 * l2.bytes, l3.bytes // 8, _LARGEST_BLOCK_BYTES))
    return min(l2.bytes * 3 // 4, _LARGEST_BLOCK_BYTES)


def tile(machine: Machine, unit: str, family: str) -> tuple[int, int]:
    """(MR, NR) of the register tile to try first: the first in the family's list, except on cores like Zen 4.

    With one 512-bit FMA per cycle there are loads to spare, and a 6x64 tile reads B in longer contiguous runs. On Zen 4
    it was the fastest tile at small sizes with cold caches, and as fast as the others elsewhere (measured).
    """
    if unit == "avx512" and fmas_per_cycle(machine, unit) == 1:
        return 6, 64
    tiled = family if family in FAMILIES and FAMILIES[family].needs_unsafe else "packed"
    mr, _, nr = FAMILIES[tiled].tiles[unit][0].partition("x")
    return int(mr), int(nr)


def kc_for(machine: Machine, unit: str, mr: int, nr: int, strip_stays: bool = False) -> int:
    """KC in elements, between 192 and 512.

    Beyond 512 the updates of C cost almost nothing. KC also stays below half the width of the block of B, because every
    row of A is copied once per block.

    With several FMAs per cycle, the micro-panel of A (mr x KC) and the strip of B (KC x nr) must both fit L1, as in
    Low et al.; otherwise the streamed strip evicts the panel that should stay. Measured at 1024^3 on a core with 48 KiB
    of L1: KC = 256 reached 1.13 x BLAS, 384 1.07 x and 512 0.96 x. With one FMA per cycle the hardware prefetchers hide
    those misses, so only the panel of A has to fit. Where the strip of B stays (see `b_stays`), it may fill
    L1.
    """
    l1, _, _ = caches(machine)
    if strip_stays:
        return max(192, min(512, _down(l1.bytes / (nr * _FLOAT_BYTES), 64)))
    together = mr if fmas_per_cycle(machine, unit) == 1 else mr + nr
    resident = _down((l1.bytes - (2 if together == mr else 1) * l1.way_bytes) / (together * _FLOAT_BYTES), 64)
    shape = _down(math.sqrt(block_bytes(machine, unit) / (2 * _FLOAT_BYTES)), 64)
    return max(192, min(512, resident, shape))


def nc_for(machine: Machine, unit: str, nr: int, kc: int, strip_stays: bool = False) -> int:
    """NC in elements, a multiple of nr: the width at which the packed block of B has `block_bytes`; where its strip
    stays, an eighth of L3, and at most 2048.
    """
    if strip_stays:
        l3 = caches(machine)[2]
        return max(4 * nr, min(2048, _down(l3.bytes / 8 / (kc * _FLOAT_BYTES), nr)))
    wide = _down(block_bytes(machine, unit) / (kc * _FLOAT_BYTES), nr)
    return max(4 * nr, min(wide, 4096 // nr * nr))


def direct_edge(machine: Machine, unit: str) -> int:
    """Edge of the largest cube that is multiplied without packing: its B fills half of L2 (an eighth with AVX2), and
    at most 320. Measured on a Zen 3 core, at 255x257x253: 0.98 x OpenBLAS without packing, 1.06 with it.
    """
    share = 8 if unit == "avx2" else 2
    return min(320, int(math.sqrt(machine.l2_bytes / (share * _FLOAT_BYTES))))


def _down(value: float, step: int) -> int:
    return int(value) // step * step
