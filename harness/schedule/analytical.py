"""The first proposal, without measurements: register tile and cache blocks from this machine's registers and caches.

After Low, Igual, Smith, Quintana-Orti: "Analytical Modeling Is Enough for High-Performance BLIS" (ACM TOMS 2016), with
vectors along the columns, because C is row-major.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

from harness.candidate import ThreadClass
from harness.machine import Machine
from harness.schedule.model import Schedule
from harness.schedule.vector_units import UNITS, Isa

_LINE_BYTES = 64
_FLOAT_BYTES = 4
_LARGEST_BLOCK_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Cache:
    """One cache level: size in bytes and associativity."""

    bytes: int
    ways: int

    @property
    def way_bytes(self) -> int:
        """Bytes in one way: the number of sets times the line."""
        return max(_LINE_BYTES, self.bytes // self.ways)


def caches(machine: Machine) -> tuple[Cache, Cache, Cache]:
    """L1d, L2 and L3 with the usual associativity for these sizes, because systems report the size but rarely
    the ways.
    """
    l1_ways = {32 << 10: 8, 48 << 10: 12, 64 << 10: 4, 128 << 10: 8}.get(machine.l1d_bytes, 8)
    l2_ways = {1280 << 10: 20, 2 << 20: 16, 256 << 10: 4}.get(machine.l2_bytes, 8)
    return Cache(machine.l1d_bytes, l1_ways), Cache(machine.l2_bytes, l2_ways), Cache(machine.l3_bytes, 16)


def first(
    machine: Machine, threads: ThreadClass = 1, *, family: str | None = None, isa: str | None = None
) -> Schedule:
    """The first schedule for `machine`.

    `isa` defaults to the machine's widest unit, `family` to packed_intrinsics where there is one, else packed. Raises
    ValueError for names that Schedule does not know or that do not go together.
    """
    unit = cast(Isa, isa or machine.vector)
    chosen = family or ("packed" if unit == "portable" else "packed_intrinsics")
    if chosen in ("naive", "blocked"):
        return Schedule.model_validate({"family": chosen, "isa": unit, "threads": threads}).normalise()
    mr, nr = tile(machine, unit, chosen)
    kc = depth(machine, unit, mr, nr)
    values: dict[str, Any] = {
        "family": chosen,
        "isa": unit,
        "mr": mr,
        "nr": nr,
        "kc": kc,
        "mc": mr,
        "nc": columns(machine, unit, nr, kc),
        "unroll": 4,
        "resident": "a",
        "pack_a": "strip",
        "pack_b": "panel",
        "direct_edge": direct_edge(machine),
        "threads": threads,
        "split": "grid",
        "tasks_per_thread": 1 if len(machine.cores) <= 4 else 2,
    }
    return Schedule.model_validate(values).normalise()


def fmas_per_cycle(machine: Machine, unit: str) -> int:
    """Vector FMAs that one core starts per cycle. AMD's family 25 (Zen 4) executes 512 bits in two halves."""
    if unit == "avx512":
        return 1 if "family 25 " in machine.cpu else 2
    return 4 if unit == "neon" else 2


def block_bytes(machine: Machine, unit: str) -> int:
    """Bytes of the packed block of B, which streams past the resident micro-panel of A.

    On a core that starts one FMA per cycle, the prefetchers have time to bring B from L3, so the block may be twice L2:
    A is packed and C updated less often. On a faster core L3 would be the bottleneck, so B stays in L2.
    """
    _, l2, l3 = caches(machine)
    if fmas_per_cycle(machine, unit) == 1:
        return max(l2.bytes * 3 // 4, min(2 * l2.bytes, l3.bytes // 8, _LARGEST_BLOCK_BYTES))
    return min(l2.bytes * 3 // 4, _LARGEST_BLOCK_BYTES)


def tile(machine: Machine, unit: Isa, family: str) -> tuple[int, int]:
    """Rows and columns of the first register tile: the best of the unit's list, with one exception.

    Where one FMA starts per cycle, loads are cheap, and the tile of 64 columns reads long stretches of B: on Zen 4 it
    was fastest at small sizes with cold operands, and equal elsewhere.
    """
    if unit == "avx512" and fmas_per_cycle(machine, unit) == 1:
        return 6, 64
    facts = UNITS[unit]
    tiles = facts.tiles if family == "packed_intrinsics" else facts.safe_tiles
    mr, _, nr = tiles[0].partition("x")
    return int(mr), int(nr)


def depth(machine: Machine, unit: str, mr: int, nr: int) -> int:
    """KC in elements: at most 512, above which updating C costs next to nothing, and at most half the width of B's
    block, because every row of A is packed once per block.

    Where several FMAs start per cycle, the micro-panel of A (mr × KC) and the strip of B (KC × nr) share L1, as in Low
    et al.: if both do not fit, the passing strip evicts the panel that should stay (at 1024³ on a core with 48 KiB: KC
    256 gave 1.13 × BLAS, 384 1.07 and 512 0.96). A core that starts one FMA per cycle leaves the hardware prefetchers
    time to hide that, and only the panel of A counts.
    """
    l1, _, _ = caches(machine)
    together = mr if fmas_per_cycle(machine, unit) == 1 else mr + nr
    resident = _down((l1.bytes - (2 if together == mr else 1) * l1.way_bytes) / (together * _FLOAT_BYTES), 64)
    shape = _down(math.sqrt(block_bytes(machine, unit) / (2 * _FLOAT_BYTES)), 64)
    return max(192, min(512, resident, shape))


def columns(machine: Machine, unit: str, nr: int, kc: int) -> int:
    """NC in elements: the columns that the block of B holds at this depth, in whole strips."""
    wide = _down(block_bytes(machine, unit) / (kc * _FLOAT_BYTES), nr)
    return max(4 * nr, min(wide, 4096 // nr * nr))


def direct_edge(machine: Machine) -> int:
    """Edge of the largest cube whose B fills half of L2; up to that size, prefetching makes packing unnecessary."""
    return min(320, int(math.sqrt(machine.l2_bytes / (2 * _FLOAT_BYTES))))


def _down(value: float, step: int) -> int:
    return int(value) // step * step
