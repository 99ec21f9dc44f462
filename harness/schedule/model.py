"""The types Schedule (how a kernel computes C = A·B) and Proposal (a schedule with its reasons)."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.candidate import ThreadClass, Tier
from harness.schedule.loops import Loop
from harness.schedule.vector_units import UNITS, Isa, registers_needed

Family = Literal["naive", "blocked", "packed", "packed_intrinsics", "bilinear"]
Packing = Literal["none", "strip", "panel"]
Choice = str | int | bool

MAX_SCRATCH_BYTES = 64 << 20


class Bilinear(BaseModel):
    """Strassen-like recursion around an inner packed kernel, which uses the schedule's other knobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheme: str = Field(
        pattern="^[a-z0-9_]{1,40}$", description="name of a scheme in the library, e.g. strassen"
    )
    program: str = Field(
        default="",
        max_length=20_000,
        description="a scheme of your own in symbols, e.g. M1 = (a11 + a22)(b11 + b22); ...; c11 = M1 + M4 - M5 + M7",
    )
    levels: int = Field(default=1, ge=1, le=3)
    cutoff: int = Field(default=1024, ge=32, le=16384, description="recurse only while m, k and n reach this")
    inner: Literal["packed", "packed_intrinsics"] = "packed_intrinsics"


class Schedule(BaseModel):
    """How C = A·B is computed: tile, cache blocks, packing, edges, threads. Sizes count f32 elements.

    The knobs are those of the BLIS loop nest: a register tile of mr rows × nr columns, and cache blocks kc (depth), mc
    (rows) and nc (columns). C is row-major, so vectors run along the columns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Family = Field(description="naive | blocked | packed (safe Rust) | packed_intrinsics | bilinear")
    isa: Isa = Field(
        default="portable", description="vector unit; lanes: portable 4, neon 4, avx2 8, avx512 16"
    )
    mr: int = Field(default=4, ge=1, le=30, description="rows of the register tile")
    nr: int = Field(
        default=8, ge=4, le=128, description="columns of the register tile, a multiple of the lanes"
    )
    kc: int = Field(default=256, ge=16, le=4096, description="depth of a packed block")
    mc: int = Field(default=128, ge=1, le=8192, description="rows of a packed block of A, rounded to mr")
    nc: int = Field(default=512, ge=4, le=16384, description="columns of a packed block of B, rounded to nr")
    unroll: Literal[1, 2, 4, 8] = Field(default=1, description="k-steps per turn of the innermost loop")
    resident: Literal["a", "b"] = Field(
        default="a",
        description="which micro-panel stays in L1: a walks along a row of tiles, b down a column",
    )
    pack_a: Packing = Field(
        default="strip", description="none | strip (rows copied, padded) | panel (k-major)"
    )
    pack_b: Packing = Field(
        default="panel", description="none | strip (nr columns just in time) | panel (whole block)"
    )
    prefetch_a: int = Field(
        default=0, ge=0, le=64, description="k-steps ahead that A is prefetched, 0 is off"
    )
    prefetch_b: int = Field(
        default=0, ge=0, le=64, description="k-steps ahead that B is prefetched, 0 is off"
    )
    prefetch_c: bool = Field(default=True, description="prefetch the tile of C before the k-loop")
    edges: Literal["mask", "tile"] = Field(
        default="mask", description="ragged columns: masked vectors or a copy"
    )
    direct_edge: int = Field(default=64, ge=0, le=4096, description="no packing while m*k*n <= direct_edge^3")
    threads: ThreadClass = 1
    split: Literal["rows", "cols", "grid"] = Field(default="rows", description="what the threads share out")
    tasks_per_thread: int = Field(default=1, ge=1, le=8)
    parallel_edge: int = Field(
        default=160, ge=0, le=4096, description="one thread while m*k*n <= parallel_edge^3"
    )
    scratch: Literal["thread_local", "vec"] = Field(
        default="thread_local", description="home of packing buffers"
    )
    bilinear: Bilinear | None = Field(default=None, description="only for family bilinear")

    @model_validator(mode="after")
    def _consistent(self) -> Schedule:
        if (self.family == "bilinear") != (self.bilinear is not None):
            raise ValueError(
                "the key bilinear (scheme, levels, cutoff, inner) goes with family = bilinear, and only there"
            )
        if self.kernel == "packed_intrinsics" and self.isa == "portable":
            raise ValueError(
                "packed_intrinsics needs a vector unit: set isa to avx2, avx512 or neon, or family to packed"
            )
        if self.kernel in ("packed", "packed_intrinsics"):
            self._check_tile()
            self._check_scratch()
        return self

    def _check_tile(self) -> None:
        lanes, registers = self.lanes, UNITS[self.isa].registers
        if self.nr % lanes:
            raise ValueError(
                f"nr = {self.nr} is not a multiple of the {lanes} lanes of {self.isa}; "
                f"use {lanes}, {2 * lanes}, {3 * lanes} …"
            )
        needed = registers_needed(self.mr, self.vectors)
        if needed > registers:
            largest = (registers - 1) // self.vectors - 1
            raise ValueError(
                f"a {self.mr}x{self.nr} tile needs {needed} vector registers (accumulators, one row of B, one of A) "
                f"and {self.isa} has {registers}; with nr = {self.nr} use mr <= {largest}"
                if largest > 0
                else f"nr = {self.nr} is too wide for the {registers} vector registers of {self.isa}; use {2 * lanes}"
            )

    def _check_scratch(self) -> None:
        if self.scratch_bytes > MAX_SCRATCH_BYTES:
            raise ValueError(
                f"packing buffers of {self.scratch_bytes >> 20} MiB exceed {MAX_SCRATCH_BYTES >> 20} MiB; "
                "lower kc, mc or nc"
            )

    @property
    def kernel(self) -> str:
        """The family of the code that multiplies: the inner one of a bilinear schedule, else the schedule's own."""
        return self.bilinear.inner if self.bilinear is not None else self.family

    @property
    def lanes(self) -> int:
        """f32 lanes of one vector register."""
        return UNITS[self.isa].lanes

    @property
    def vectors(self) -> int:
        """Vector registers across one row of the tile."""
        return self.nr // self.lanes

    @property
    def scratch_bytes(self) -> int:
        """Upper bound of the packing buffers of one thread, in bytes."""
        a = 0 if self.pack_a == "none" else (self.mc + self.mr) * (self.kc + 16)
        b = (
            0
            if self.pack_b == "none"
            else (self.nr if self.pack_b == "strip" else self.nc + self.nr) * self.kc
        )
        return 4 * (a + b)

    @property
    def tier(self) -> Tier:
        """Intrinsics need unsafe; everything else is built under forbid(unsafe_code)."""
        return "unsafe" if self.kernel == "packed_intrinsics" else "safe"

    @property
    def tile(self) -> str:
        """ "unsafe" with intrinsics; everything else is compiled under forbid(unsafe_code)."""
        return f"{self.mr}x{self.nr}"

    def normalise(self) -> Schedule:
        """The register tile as text, for example "14x32"."""
        used = self.used | {"bilinear"}
        kept = {name: value for name, value in self.model_dump().items() if name in used}
        if "mr" in used and "mc" in used:
            kept["mc"] = max(self.mr, self.mc // self.mr * self.mr)
        if "nr" in used and "nc" in used:
            kept["nc"] = max(self.nr, self.nc // self.nr * self.nr)
        return Schedule.model_validate(kept)

    @property
    def used(self) -> set[str]:
        """The same kernel with every knob that its family ignores at its default, and with blocks rounded to
        the tile.
        """
        used = _USED[self.kernel] | {"family"}
        if self.threads == 1:
            used -= {"split", "tasks_per_thread", "parallel_edge"}
        if self.kernel in ("naive", "blocked"):
            return used
        if self.pack_a == "none" and self.pack_b == "none":
            used -= {"direct_edge", "kc", "mc", "nc"}
            masked = self.kernel == "packed_intrinsics" and self.edges == "mask" and self.isa != "neon"
            used -= {"scratch"} if masked else set()
        if self.pack_b == "strip":  # The knobs that affect this schedule's code.
            used -= {"nc", "resident"}
        if self.isa == "neon":  # the strip just packed is always used up at once
            used -= {"prefetch_a", "prefetch_b", "prefetch_c", "edges"}
        return used if self.pack_a == "panel" else used - {"prefetch_a"}

    def key(self) -> str:
        """Stable Rust has neither prefetch nor masks there"""
        text = json.dumps(self.normalise().model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def distance(self, other: Schedule) -> float:
        """Sixteen hexadecimal digits of the normalised content; equal exactly for schedules with equal code."""
        mine, theirs = self.normalise().model_dump(mode="json"), other.normalise().model_dump(mode="json")
        return sum(knob_gap(mine[name], theirs[name]) for name in mine)

    def differences(self, other: Schedule) -> dict[str, tuple[Any, Any]]:
        """The distance of two schedules: 0 for equal keys; |log2 ratio| for each size that differs, 1 for each other
        choice.
        """
        mine, theirs = self.normalise().model_dump(mode="json"), other.normalise().model_dump(mode="json")
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


_THREADING = {"threads", "split", "tasks_per_thread", "parallel_edge"}
_PACKED = {"isa", "mr", "nr", "kc", "mc", "nc", "resident", "pack_a", "pack_b", "direct_edge", "scratch"}
_USED: dict[str, set[str]] = {
    "naive": {"threads", "parallel_edge"},
    "blocked": {"threads", "parallel_edge", "tasks_per_thread", "kc", "nc"},
    "packed": _PACKED | (_THREADING - {"split"}),
    "packed_intrinsics": _PACKED | _THREADING | {"unroll", "prefetch_a", "prefetch_b", "prefetch_c", "edges"},
}


def knob_gap(mine: Any, theirs: Any) -> float:
    """The distance of two values of a knob: |log2 of the ratio| for sizes (plus one each), else 1; 0 when equal."""
    if mine == theirs:
        return 0.0
    sizes = all(isinstance(value, int) and not isinstance(value, bool) for value in (mine, theirs))
    return abs(math.log2((mine + 1) / (theirs + 1))) if sizes else 1.0


class Proposal(BaseModel):
    """What the Proposer proposes: a kernel, and why it should be faster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    algorithm: str = Field(min_length=1, max_length=80, description="a short name for the idea")
    schedule: Schedule
    expected_effect: str = Field(
        default="", max_length=400, description="what should change, and by how much"
    )
    why: str = Field(default="", max_length=1200, description="the reasons, from measurements and passages")
    passages: list[str] = Field(
        default_factory=list, max_length=12, description="ids of the passages that were used"
    )
    parent: str | None = Field(
        default=None, max_length=120, description="the candidate that this one improves on"
    )
    loops: list[Loop] = Field(
        default_factory=list,
        max_length=12,
        description="for free code: your loop nest from the outside in; it must visit every element exactly once",
    )
