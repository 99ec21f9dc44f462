"""The first proposal without any measurement: tile and blocks from this machine's registers and caches.

After Low, Igual, Smith, Quintana-Orti: "Analytical Modeling Is Enough for High-Performance BLIS" (ACM TOMS 2016),
with the vector side along the columns, because C is row-major.
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
    """L1d, L2 and L3 with their usual associativity at these sizes: systems tell the size, rarely the ways."""
    l1_ways = {32 << 10: 8, 48 << 10: 12, 64 << 10: 4, 128 << 10: 8}.get(machine.l1d_bytes, 8)
    l2_ways = {1280 << 10: 20, 2 << 20: 16, 256 << 10: 4}.get(machine.l2_bytes, 8)
    return Cache(machine.l1d_bytes, l1_ways), Cache(machine.l2_bytes, l2_ways), Cache(machine.l3_bytes, 16)


def first(
    machine: Machine, threads: ThreadClass = 1, *, family: str | None = None, isa: str | None = None
) -> Schedule:
    """The schedule to begin with on `machine`.

    `isa` defaults to the machine's widest unit, `family` to packed_intrinsics where there is one, else packed.
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
    """Vector multiply-adds that one core starts per cycle; AMD's family 25 (Zen 4) pairs two halves for 512 bits."""
    if unit == "avx512":
        return 1 if "family 25 " in machine.cpu else 2
    return 4 if unit == "neon" else 2


def block_bytes(machine: Machine, unit: str) -> int:
    """Bytes of the packed block of B, which streams past the resident panel of A.

    A core that starts one multiply-add per cycle leaves the prefetchers time to bring B from L3, and the block may be
    twice L2: A is copied and C is updated less often. A faster core would outrun L3, so there B stays in L2.
    """
    _, l2, l3 = caches(machine)
    if fmas_per_cycle(machine, unit) == 1:
        return max(l2.bytes * 3 // 4, min(2 * l2.bytes, l3.bytes // 8, _LARGEST_BLOCK_BYTES))
    return min(l2.bytes * 3 // 4, _LARGEST_BLOCK_BYTES)


def tile(machine: Machine, unit: Isa, family: str) -> tuple[int, int]:
    """The register tile to begin with, rows and columns: the first of its list, but one.

    Where one multiply-add starts per cycle, loads are plentiful, and the tile of 64 columns reads whole stretches of
    B: it was the fastest at small sizes whose operands no cache held yet, and level elsewhere (measured on Zen 4).
    """
    if unit == "avx512" and fmas_per_cycle(machine, unit) == 1:
        return 6, 64
    facts = UNITS[unit]
    tiles = facts.tiles if family == "packed_intrinsics" else facts.safe_tiles
    mr, _, nr = tiles[0].partition("x")
    return int(mr), int(nr)


def depth(machine: Machine, unit: str, mr: int, nr: int) -> int:
    """KC in elements. At most 512, beyond which C costs nothing any more, and no deeper than half the block of B is
    wide: every row of A is copied once per block.

    Where several multiply-adds start per cycle, the micro-panel of A (mr x KC) and the strip of B (KC x nr) share L1,
    as Low et al. have it: if both do not fit, the strip that passes by drives out the panel that should stay (at 1024^3
    on a core with 48 KiB, KC 256 gave 1.13 x BLAS, 384 1.07 and 512 0.96). A core that starts one per cycle leaves the
    hardware prefetchers time to hide that, and there the panel of A alone counts.
    """
    l1, _, _ = caches(machine)
    together = mr if fmas_per_cycle(machine, unit) == 1 else mr + nr
    resident = _down((l1.bytes - (2 if together == mr else 1) * l1.way_bytes) / (together * _FLOAT_BYTES), 64)
    shape = _down(math.sqrt(block_bytes(machine, unit) / (2 * _FLOAT_BYTES)), 64)
    return max(192, min(512, resident, shape))


def columns(machine: Machine, unit: str, nr: int, kc: int) -> int:
    """NC in elements: what the block of B holds at this depth, in whole strips."""
    wide = _down(block_bytes(machine, unit) / (kc * _FLOAT_BYTES), nr)
    return max(4 * nr, min(wide, 4096 // nr * nr))


def direct_edge(machine: Machine) -> int:
    """Edge of the largest cube whose B fills half of L2: up to there the prefetchers make packing needless."""
    return min(320, int(math.sqrt(machine.l2_bytes / (2 * _FLOAT_BYTES))))


def _down(value: float, step: int) -> int:
    return int(value) // step * step
