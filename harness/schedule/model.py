"""Schedule, the description of one kernel, and Proposal, a Schedule with the reasons for it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from harness.candidate import ThreadClass, Tier
from harness.schedule.families import FAMILIES, Family
from harness.schedule.loops import Loop
from harness.schedule.vector_units import UNITS, Isa, tile_registers
from harness.shapes import Shape

# The regions of shapes that may have a code path of their own, in the order in which a kernel asks for them.
ShapeRegion = Literal["small", "few_rows", "shallow", "few_columns"]
REGIONS: tuple[ShapeRegion, ...] = get_args(ShapeRegion)
# The code path of the shapes in no region.
GENERAL = "general"
# Keys are kept in records, so these do not change the keys of schedules that leave them at their defaults.
_NEWER_KNOBS = ("prefetch_next", "fuse_b", "late_c", "paths")
Packing = Literal["none", "strip", "panel"]

# Limit on the packing buffers of one thread.
MAX_SCRATCH_BYTES = 64 << 20


class Bilinear(BaseModel):
    """Strassen-like recursion; sums of blocks are formed while packing, and the other knobs describe the kernel that
    multiplies them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scheme: str = Field(
        pattern="^[a-z0-9_]{1,40}$", description="name of a shipped scheme, e.g. strassen, or of your own"
    )
    program: str = Field(
        default="",
        max_length=20_000,
        description="your own scheme in symbols, e.g. M1 = (a11 + a22)(b11 + b22); ...; c11 = M1 + M4 - M5 + M7",
    )
    levels: int = Field(default=1, ge=1, le=3)
    cutoff: int = Field(
        default=1024, ge=32, le=16384, description="recurse only while m, k and n are all at least this"
    )
    inner: Literal["packed", "packed_intrinsics"] = "packed_intrinsics"


class ShapePath(BaseModel):
    """A code path for one region of shapes: `most` bounds m for few_rows, k for shallow and n for few_columns; a
    product is small while m*k*n <= most^3.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: ShapeRegion
    most: int = Field(ge=1, le=16384, description="the border: the largest extent in the region, in elements")
    schedule: Schedule

    def holds(self, shape: Shape) -> bool:
        """Whether the shape is in the region."""
        m, k, n = shape[:3]
        if self.region == "small":
            return m * k * n <= self.most**3
        return {"few_rows": m, "shallow": k, "few_columns": n}[self.region] <= self.most


class Schedule(BaseModel):
    """How one kernel computes C = A·B: register tile, cache blocks, packing, edges, threads. Sizes are f32 elements.

    The knobs are those of the BLIS loop nest: a register tile of mr rows × nr columns, and cache blocks of kc (depth),
    mc (rows) and nc (columns). C is row-major, so vectors run along the columns.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Family = Field(
        description="naive | blocked | packed (safe Rust) | packed_intrinsics | bilinear; "
        "for sgemm strided (safe Rust) | strided_intrinsics"
    )
    isa: Isa = Field(
        default="portable", description="vector unit; lanes: portable 4, neon 4, avx2 8, avx512 16"
    )
    mr: int = Field(default=4, ge=1, le=30, description="rows of the register tile")
    nr: int = Field(
        default=8, ge=4, le=128, description="columns of the register tile, a multiple of the lanes"
    )
    kc: int = Field(default=256, ge=16, le=4096, description="depth (k) of a packed block")
    mc: int = Field(default=128, ge=1, le=8192, description="rows of a packed block of A, rounded to mr")
    nc: int = Field(default=512, ge=4, le=16384, description="columns of a packed block of B, rounded to nr")
    unroll: Literal[1, 2, 4, 8] = Field(default=1, description="k-steps per iteration of the innermost loop")
    resident: Literal["a", "b"] = Field(
        default="a",
        description="micro-panel that stays in L1: a visits tiles along a row of C, b down a column",
    )
    pack_a: Packing = Field(
        default="strip", description="none | strip (rows copied, padded) | panel (k-major)"
    )
    pack_b: Packing = Field(
        default="panel", description="none | strip (nr columns, just before use) | panel (whole block)"
    )
    prefetch_a: int = Field(
        default=0, ge=0, le=64, description="prefetch distance for A in k-steps, 0 is off"
    )
    prefetch_b: int = Field(
        default=0, ge=0, le=64, description="prefetch distance for B in k-steps, 0 is off"
    )
    prefetch_c: bool = Field(default=True, description="prefetch the tile of C before the k-loop")
    prefetch_next: bool = Field(
        default=False,
        description="prefetch the next block of B into L2 while one is multiplied; only with pack_b = panel",
    )
    fuse_b: bool = Field(
        default=False,
        description="the first tile of each strip of B packs it while multiplying; only with pack_b = panel, for sgemm "
        "with strip",
    )
    late_c: bool = Field(
        default=False, description="when adding to C, read it after the k-loop and not before"
    )
    edges: Literal["mask", "tile"] = Field(
        default="mask",
        description="columns beyond the last full vector: masked loads and stores, or a copy of the tile",
    )
    direct_edge: int = Field(default=64, ge=0, le=4096, description="no packing while m*k*n <= direct_edge^3")
    thin: bool = Field(
        default=False,
        description="C with one to three rows: a large B is streamed row by row instead of in tiles",
    )
    threads: ThreadClass = 1
    split: Literal["rows", "cols", "grid"] = Field(
        default="rows", description="what is divided among the threads"
    )
    tasks_per_thread: int = Field(default=1, ge=1, le=8)
    parallel_edge: int = Field(
        default=160, ge=0, le=4096, description="one thread while m*k*n <= parallel_edge^3"
    )
    scratch: Literal["thread_local", "vec"] = Field(
        default="thread_local", description="where packing buffers live"
    )
    bilinear: Bilinear | None = Field(default=None, description="only for family bilinear")
    # Not in the JSON schema: it would be recursive, and grammars of language models are not.
    paths: SkipJsonSchema[tuple[ShapePath, ...] | None] = Field(
        default=None,
        max_length=len(REGIONS),
        description="code paths for regions of shapes, in the order of REGIONS; the other knobs describe the rest",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Schedule:
        if (self.family == "bilinear") != (self.bilinear is not None):
            raise ValueError(
                "family = bilinear needs the key bilinear (scheme, levels, cutoff, inner); no other family has it"
            )
        if FAMILIES[self.kernel].needs_unsafe and self.isa == "portable":
            raise ValueError(
                f"{self.kernel} needs a vector unit: set isa to avx2, avx512 or neon, or family to packed"
            )
        if FAMILIES[self.kernel].has_strides and self.pack_b == "none":
            raise ValueError(
                "pack_b: kernels of sgemm must be able to pack B, which may lie by columns: strip or panel"
            )
        if self.tiled:
            self._check_tile()
            self._check_scratch()
        self._check_paths()
        return self

    def _check_tile(self) -> None:
        lanes, registers = self.lanes, UNITS[self.isa].registers
        if self.nr % lanes:
            raise ValueError(
                f"nr = {self.nr} is not a multiple of the {lanes} lanes of {self.isa}; "
                f"use {lanes}, {2 * lanes}, {3 * lanes} …"
            )
        needed = tile_registers(self.mr, self.vectors)
        if needed > registers:
            largest = (registers - 1) // self.vectors - 1
            raise ValueError(
                f"a {self.mr}x{self.nr} tile needs {needed} vector registers (accumulators, one row of B, one of A) "
                f"and {self.isa} has {registers}; with nr = {self.nr} use mr <= {largest}"
                if largest > 0
                else f"nr = {self.nr} is too wide for the {registers} vector registers of {self.isa}; use {2 * lanes}"
            )

    def _check_paths(self) -> None:
        regions = [path.region for path in self.paths or ()]
        if regions != [region for region in REGIONS if region in regions]:
            raise ValueError(f"paths: each region once, in the order {', '.join(REGIONS)}")
        if self.paths and (self.bilinear is not None or FAMILIES[self.family].has_strides):
            raise ValueError(f"paths: kernels of family {self.family} have one code path")
        for path in self.paths or ():
            part = path.schedule
            if part.paths or (part.family, part.isa, part.threads) != (self.family, self.isa, self.threads):
                raise ValueError(
                    f"paths: {path.region} must have family {self.family}, isa {self.isa} and threads {self.threads} "
                    "like the rest, and no paths of its own"
                )

    def _check_scratch(self) -> None:
        if self.scratch_bytes > MAX_SCRATCH_BYTES:
            raise ValueError(
                f"packing buffers of {self.scratch_bytes >> 20} MiB exceed {MAX_SCRATCH_BYTES >> 20} MiB; "
                "lower kc, mc or nc"
            )

    @property
    def kernel(self) -> str:
        """The family of the code that multiplies blocks: `bilinear.inner` for a bilinear schedule, else `family`."""
        return self.bilinear.inner if self.bilinear is not None else self.family

    @property
    def tiled(self) -> bool:
        """Whether the code is the BLIS loop nest around a register tile."""
        return FAMILIES[self.kernel].tiled

    @property
    def lanes(self) -> int:
        """f32 values per vector register."""
        return UNITS[self.isa].lanes

    @property
    def vectors(self) -> int:
        """Vector registers in one row of the register tile."""
        return self.nr // self.lanes

    @property
    def scratch_bytes(self) -> int:
        """Upper bound on the packing buffers of one thread, those of all code paths together, in bytes."""
        a = 0 if self.pack_a == "none" else (self.mc + self.mr) * (self.kc + 16)
        b = (
            0
            if self.pack_b == "none"
            else (self.nr if self.pack_b == "strip" else self.nc + self.nr) * self.kc
        )
        return 4 * (a + b) + sum(path.schedule.scratch_bytes for path in self.paths or ())

    @property
    def tier(self) -> Tier:
        """Kernels with intrinsics are "unsafe"; the others are compiled under forbid(unsafe_code)."""
        return "unsafe" if FAMILIES[self.kernel].needs_unsafe else "safe"

    @property
    def tile(self) -> str:
        """The register tile as text, "14x32": MR rows by NR columns."""
        return f"{self.mr}x{self.nr}"

    def normalise(self) -> Schedule:
        """The same kernel in canonical form: ignored knobs at their defaults, mc and nc rounded down to the tile."""
        used = self.used | {"bilinear"}
        values = {name: value for name, value in self.model_dump().items() if name in used}
        if "mr" in used and "mc" in used:
            values["mc"] = max(self.mr, self.mc // self.mr * self.mr)
        if "nr" in used and "nc" in used:
            values["nc"] = max(self.nr, self.nc // self.nr * self.nr)
        paths = tuple(
            path.model_copy(update={"schedule": path.schedule.normalise()}) for path in self.paths or ()
        )
        return Schedule.model_validate(values | {"paths": paths or None})

    @property
    def parts(self) -> dict[str, Schedule]:
        """The schedule of each code path by its region, in the order in which the kernel asks for them."""
        general = self.model_copy(update={"paths": None})
        return {path.region: path.schedule for path in self.paths or ()} | {GENERAL: general}

    def path_of(self, shape: Shape) -> str:
        """The name of the code path that multiplies a shape: a region, or general."""
        return next((path.region for path in self.paths or () if path.holds(shape)), GENERAL)

    def at(self, shapes: Sequence[Shape]) -> Schedule:
        """The code path that multiplies all of these shapes, or the whole schedule where several do."""
        names = {self.path_of(shape) for shape in shapes}
        return self.parts[names.pop()] if len(names) == 1 else self

    def border(self, region: str) -> int | None:
        """`most` of the code path of a region; None without one."""
        return next((path.most for path in self.paths or () if path.region == region), None)

    def with_part(self, region: str, part: Schedule, most: int | None = None) -> Schedule:
        """The schedule with another code path in one region, or for the rest; with another border, if one is given."""
        if region == GENERAL:
            return Schedule.model_validate(part.model_dump() | {"paths": self.model_dump()["paths"]})
        paths = [
            path.model_copy(update={"schedule": part, "most": most or path.most})
            if path.region == region
            else path
            for path in self.paths or ()
        ]
        return Schedule.model_validate(self.model_dump() | {"paths": [path.model_dump() for path in paths]})

    @property
    def used(self) -> set[str]:
        """The knobs that affect the code of this schedule."""
        used = {*FAMILIES[self.kernel].knobs, "family"}
        if self.threads == 1:
            used -= {"split", "tasks_per_thread", "parallel_edge"}
        if not self.tiled:
            return used
        if self.pack_a == "none" and self.pack_b == "none":
            used -= {"direct_edge", "kc", "mc", "nc", "late_c"}
            masked = self.kernel == "packed_intrinsics" and self.edges == "mask" and self.isa != "neon"
            used -= {"scratch"} if masked else set()
        if self.pack_b == "strip" and not FAMILIES[self.kernel].has_strides:
            # Each strip is used up, down the column, right after packing.
            used -= {"nc", "resident"}
        if self.isa == "neon":  # stable Rust has no NEON prefetch, and NEON has no masks
            used -= {"prefetch_a", "prefetch_b", "prefetch_c", "prefetch_next", "edges"}
        if self.pack_b != "panel":
            used -= {"prefetch_next"}
        if self.pack_b != ("strip" if FAMILIES[self.kernel].has_strides else "panel"):
            used -= {"fuse_b"}
        if self.bilinear is not None:  # sums of blocks are always packed
            used = (used | {"kc", "mc", "nc"}) - {"fuse_b"}
        return used if self.pack_a == "panel" else used - {"prefetch_a"}

    def key(self) -> str:
        """Sixteen hexadecimal digits that identify the kernel: schedules with equal keys render the same code."""
        plain = self.normalise().model_dump(mode="json")
        for name in _NEWER_KNOBS:
            for one in [plain, *(path["schedule"] for path in plain["paths"] or ())]:
                if one[name] == Schedule.model_fields[name].default:
                    del one[name]
        text = json.dumps(plain, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def distance(self, other: Schedule) -> float:
        """How different two schedules are; 0 if their keys are equal.

        Each numeric knob that differs adds |log2 ratio| (of the values plus 1), any other knob adds 1.
        """
        return sum(knob_distance(mine, theirs) for mine, theirs in self.differences(other).values())

    def differences(self, other: Schedule) -> dict[str, tuple[Any, Any]]:
        """The knobs that differ after `normalise`, as {name: (value here, value in other)}; those of another code path
        have its region before their name, as in "few_rows.kc".
        """
        mine, theirs = self.normalise()._flat(), other.normalise()._flat()
        both = {name: (mine.get(name), theirs.get(name)) for name in mine | theirs}
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}

    def _flat(self) -> dict[str, Any]:
        values = self.model_dump(mode="json", exclude={"paths"})
        for path in self.paths or ():
            knobs = {"most": path.most} | path.schedule._flat()
            values |= {f"{path.region}.{name}": value for name, value in knobs.items()}
        return values


def knob_distance(mine: Any, theirs: Any) -> float:
    """0 for equal values, |log2 ratio| (of the values plus 1) for sizes, 1 for other choices."""
    if mine == theirs:
        return 0.0
    sizes = all(isinstance(value, int) and not isinstance(value, bool) for value in (mine, theirs))
    return abs(math.log2((mine + 1) / (theirs + 1))) if sizes else 1.0


class Proposal(BaseModel):
    """What a model or tuner proposes: a kernel, and why it should be faster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    algorithm: str = Field(min_length=1, max_length=80, description="a short name for the idea")
    schedule: Schedule
    expected_effect: str = Field(
        default="", max_length=400, description="what should change, and by how much"
    )
    why: str = Field(default="", max_length=1200, description="reasons, based on measurements and passages")
    passages: list[str] = Field(
        default_factory=list, max_length=12, description="ids of the literature passages used"
    )
    parent: str | None = Field(
        default=None, max_length=120, description="name of the candidate that this one improves"
    )
    loops: list[Loop] = Field(
        default_factory=list,
        max_length=12,
        description="for hand-written code: its loop nest, outermost first; it must visit every element exactly once",
    )
