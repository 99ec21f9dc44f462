"""The search space of one machine: the knobs that a tuner may change, and the choices for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from harness.candidate import ThreadClass
from harness.errors import UserError
from harness.machine import Machine
from harness.schedule.analytical import first, for_region, for_sums
from harness.schedule.families import FAMILIES
from harness.schedule.model import GENERAL, REGIONS, Packing, Schedule, ShapePath, ShapeRegion, knob_distance
from harness.shapes import Shape

Choice = str | int | bool
# Knobs that are fields of Schedule.bilinear, and the cut-offs worth trying, in elements.
_RECURSION = ("scheme", "levels", "cutoff")
_CUTOFFS = (256, 384, 512, 768, 1024, 1536, 2048, 4096)
# The cut-off to try first. On a Zen 3 core, Strassen's scheme was 7 % faster than the classical kernel at 1024^3 (one
# level), 11 % at 2048^3 (two), and 1 % slower at 512^3.
_FIRST_CUTOFF = 768
# The borders worth trying of each region. The search begins with the widest; a narrower one hands shapes to the next
# code path.
_BORDERS: dict[ShapeRegion, tuple[int, ...]] = {
    "small": (96, 128, 192),
    "few_rows": (16, 32, 64, 128),
    "shallow": (8, 16, 32, 64),
    "few_columns": (8, 16, 32, 64),
}
# What elongated shapes need besides the usual choices: blocks of few rows of B, and B read in place.
_REGION_KC, _REGION_PACK_B = (16, 64), "none"


@dataclass(frozen=True, slots=True)
class Knob:
    """One dimension of the search and its ordered choices: a field of Schedule, "tile" for mr and nr together,
    "scheme", "levels" or "cutoff" of its recursion, or "most", the border of a region.
    """

    name: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Space:
    """A base schedule and the knobs to vary; every combination of choices is a valid Schedule.

    Where `base` has paths, the knobs are those of one of them, by its `region` (or "general"), and `shapes` are the
    timed shapes in that region. The other paths stay as they are.
    """

    base: Schedule
    knobs: tuple[Knob, ...]
    region: str = ""
    shapes: tuple[Shape, ...] = ()

    def part(self, schedule: Schedule) -> Schedule:
        """The schedule of this space's code path in `schedule`, which may have none of its own for the region."""
        parts = schedule.parts
        return parts.get(self.region, parts[GENERAL])

    def key(self, schedule: Schedule) -> str:
        """Identifies what this space varies: the kernel, or the code path of the region with its border."""
        if not self.region:
            return schedule.key()
        return f"{self.part(schedule).key()} {schedule.border(self.region)}"

    @property
    def schemes(self) -> tuple[str, ...]:
        """The bilinear schemes of this space; empty for classical kernels."""
        if self.base.bilinear is None:
            return ()
        varied = [knob.choices for knob in self.knobs if knob.name == "scheme"]
        return tuple(map(str, varied[0])) if varied else (self.base.bilinear.scheme,)

    def build(self, choices: dict[str, Choice]) -> Schedule:
        """The base schedule with these choices, normalised. ValueError for an unknown knob."""
        unknown = set(choices) - {knob.name for knob in self.knobs}
        if unknown:
            allowed = ", ".join(knob.name for knob in self.knobs)
            raise ValueError(f"unknown knob {', '.join(sorted(unknown))}; this space has {allowed}")
        values: dict[str, Any] = self.part(self.base).model_dump()
        most = None
        for name, choice in choices.items():
            if name == "tile":
                mr, _, nr = str(choice).partition("x")
                values |= {"mr": int(mr), "nr": int(nr)}
            elif name in _RECURSION:
                values["bilinear"] = values["bilinear"] | {name: choice}
            elif name == "most":
                most = int(choice)
            else:
                values[name] = choice
        built = Schedule.model_validate(values)
        if self.region:
            built = self.base.with_part(self.region, built, most)
        return built.normalise()

    def built(self, choices: dict[str, Choice]) -> Schedule | None:
        """The schedule of these choices; None for a combination that Schedule refuses."""
        try:
            return self.build(choices)
        except ValueError:
            return None

    def choices_of(self, schedule: Schedule) -> dict[str, Choice]:
        """For each knob the choice nearest to the value in `schedule`, so that a sampler can start from it."""
        border = schedule.border(self.region) or self.base.border(self.region)
        part = self.part(schedule)
        return {knob.name: _nearest(knob, part, border) for knob in self.knobs}


def _nearest(knob: Knob, schedule: Schedule, border: int | None) -> Choice:
    value: Choice
    if knob.name == "most":
        value = border or 0
    elif knob.name == "tile":
        value = schedule.tile
    else:
        value = getattr(schedule.bilinear if knob.name in _RECURSION else schedule, knob.name)
    if value in knob.choices:
        return value
    if isinstance(value, int):
        return min(knob.choices, key=lambda choice: knob_distance(int(choice), value))
    wanted = [int(part) for part in str(value).split("x")] if knob.name == "tile" else []
    if not wanted:
        return knob.choices[0]
    return min(
        knob.choices,
        key=lambda c: sum(knob_distance(int(x), y) for x, y in zip(str(c).split("x"), wanted, strict=True)),
    )


def space(
    machine: Machine, threads: ThreadClass = 1, family: str | None = None, isa: str | None = None
) -> Space:
    """The search space on `machine`; `family` and `isa` default to the fastest kernels that it can run.

    Every point is a valid schedule that compiles. Some are slow: tiles may spill when unrolled, and blocks may not fit
    the caches. The tuner finds that out by measuring.
    """
    base = first(machine, threads, family=family, isa=isa)
    chosen = base.family
    if not base.tiled:
        return Space(
            base=base, knobs=(Knob("kc", (64, 128, 256, 512)), Knob("nc", (128, 256, 512, 1024, 4096)))
        )
    strided = FAMILIES[chosen].has_strides
    knobs = [
        Knob("tile", FAMILIES[chosen].tiles[base.isa]),
        Knob("kc", (128, 192, 256, 320, 384, 512, 768, 1024)),
        Knob("mc", (1, 48, 72, 96, 192, 264, 384, 1024) if strided else (1, 48, 72, 96, 192, 384, 1024)),
        Knob("nc", (96, 192, 384, 512, 768, 1024, 2048)),
        Knob("resident", ("a", "b")),
        Knob("pack_a", get_args(Packing)),
        Knob("pack_b", ("panel", "strip")),
        Knob("direct_edge", (0, 64, 128, 192, 256, 320, 512)),
    ]
    if FAMILIES[chosen].needs_unsafe:
        knobs += [
            Knob("unroll", (1, 2, 4, 8)),
            Knob("prefetch_b", (0, 8, 16)),
            Knob("prefetch_a", (0, 8)),
            Knob("prefetch_c", (True, False)),
            Knob("fuse_b", (True, False)),
            Knob("late_c", (True, False)),
            Knob("thin", (True, False)),
        ]
    if threads == "all":
        knobs += [Knob("tasks_per_thread", (1, 2, 4)), Knob("parallel_edge", (96, 128, 160, 224))]
        knobs += [Knob("split", ("grid", "rows", "cols"))] if FAMILIES[chosen].needs_unsafe else []
    used = FAMILIES[chosen].knobs | {"tile"}
    return Space(base=base, knobs=tuple(knob for knob in knobs if knob.name in used))


def path_spaces(
    machine: Machine, threads: ThreadClass, shapes: Sequence[Shape], family: str | None = None
) -> list[Space]:
    """One search space for each code path of a kernel that chooses its path by shape, that of most shapes first.

    A path for each region that has timed shapes. Empty where one path is enough: when all shapes are in one region, or
    none has few rows, few columns or little depth.
    """
    whole = space(machine, threads, family)
    if not whole.base.tiled:
        return []
    paths = [
        ShapePath(region=region, most=_BORDERS[region][-1], schedule=for_region(machine, whole.base, region))
        for region in REGIONS
    ]
    everything = whole.base.model_copy(update={"paths": tuple(paths)})
    held: dict[str, list[Shape]] = {}
    for shape in shapes:
        held.setdefault(everything.path_of(shape), []).append(shape)
    if len(held) < 2 or not set(held) - {"small", GENERAL}:
        return []
    used = tuple(path for path in paths if path.region in held)
    base = whole.base.model_copy(update={"paths": used}).normalise()
    ordered = sorted(held, key=lambda region: -len(held[region]))
    return [Space(base, _region_knobs(whole, region), region, tuple(held[region])) for region in ordered]


def _region_knobs(whole: Space, region: str) -> tuple[Knob, ...]:
    """The border of the region first, then the knobs of its code path."""
    own = [Knob("most", choices) for name, choices in _BORDERS.items() if name == region]
    for knob in whole.knobs:
        if knob.name == "kc":
            own.append(Knob("kc", (*_REGION_KC, *knob.choices)))
        elif knob.name == "pack_b" and whole.base.tier == "unsafe":
            own.append(Knob("pack_b", (*knob.choices, _REGION_PACK_B)))
        else:
            own.append(knob)
    if "prefetch_next" in whole.base.used:
        own.append(Knob("prefetch_next", (False, True)))
    return tuple(own)


def recursive_space(
    machine: Machine,
    threads: ThreadClass,
    names: Sequence[str],
    shapes: Sequence[Shape],
    family: str | None = None,
) -> Space:
    """The search space of bilinear schemes, by name and the most promising first, around a packed kernel of `family`
    (default: the fastest).

    Raises UserError when no shape is large enough for a recursion to be worth trying.
    """
    largest = max(min(shape) for shape in shapes)
    cutoffs = tuple(cutoff for cutoff in _CUTOFFS if cutoff <= largest)
    if not cutoffs:
        raise UserError(
            f"no shape of the suite has {_CUTOFFS[0]} or more in every extent, so a fast scheme cannot pay; choose "
            "larger shapes with --suite"
        )
    inner = space(machine, threads, family)
    # Two levels pay from four times the edge at which one does, and the second is used only where blocks reach it.
    bilinear = {
        "scheme": names[0],
        "levels": 2,
        "cutoff": min(_FIRST_CUTOFF, cutoffs[-1]),
        "inner": inner.base.family,
    }
    base = for_sums(
        machine,
        Schedule.model_validate(inner.base.model_dump() | {"family": "bilinear", "bilinear": bilinear}),
    )
    own = (
        *([Knob("scheme", tuple(names))] if len(names) > 1 else []),
        Knob("cutoff", cutoffs),
        Knob("levels", (1, 2)),
        Knob("kc", (384, 512, 768, 1024)),
        Knob("mc", (24, 48, 72, 96, 192)),
        Knob("nc", (512, 768, 1024, 2048)),
    )
    return Space(base=base, knobs=(*own, *(knob for knob in inner.knobs if knob.name == "tile")))
