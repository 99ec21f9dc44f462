"""The search space of one machine: the knobs that a tuner may change, and the choices for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from harness.candidate import ThreadClass
from harness.errors import UserError
from harness.machine import Machine
from harness.schedule.analytical import first, for_sums
from harness.schedule.families import FAMILIES
from harness.schedule.model import Packing, Schedule, knob_distance
from harness.shapes import Shape

Choice = str | int | bool
# Knobs that are fields of Schedule.bilinear, and the cut-offs worth trying, in elements.
_RECURSION = ("scheme", "levels", "cutoff")
_CUTOFFS = (256, 384, 512, 768, 1024, 1536, 2048, 4096)
# The cut-off to try first. On a Zen 3 core, Strassen's scheme was 7 % faster than the classical kernel at 1024^3 (one
# level), 11 % at 2048^3 (two), and 1 % slower at 512^3.
_FIRST_CUTOFF = 768


@dataclass(frozen=True, slots=True)
class Knob:
    """One dimension of the search and its ordered choices: a field of Schedule, "tile" for mr and nr together, or
    "scheme", "levels" or "cutoff" of its recursion.
    """

    name: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Space:
    """A base schedule and the knobs to vary; every combination of choices is a valid Schedule."""

    base: Schedule
    knobs: tuple[Knob, ...]

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
        values: dict[str, Any] = self.base.model_dump()
        for name, choice in choices.items():
            if name == "tile":
                mr, _, nr = str(choice).partition("x")
                values |= {"mr": int(mr), "nr": int(nr)}
            elif name in _RECURSION:
                values["bilinear"] = values["bilinear"] | {name: choice}
            else:
                values[name] = choice
        return Schedule.model_validate(values).normalise()

    def built(self, choices: dict[str, Choice]) -> Schedule | None:
        """The schedule of these choices; None for a combination that Schedule refuses."""
        try:
            return self.build(choices)
        except ValueError:
            return None

    def choices_of(self, schedule: Schedule) -> dict[str, Choice]:
        """For each knob the choice nearest to the value in `schedule`, so that a sampler can start from it."""
        return {knob.name: _nearest(knob, schedule) for knob in self.knobs}


def _nearest(knob: Knob, schedule: Schedule) -> Choice:
    source = schedule.bilinear if knob.name in _RECURSION else schedule
    value: Choice = schedule.tile if knob.name == "tile" else getattr(source, knob.name)
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
            Knob("thin", (True, False)),
        ]
    if threads == "all":
        knobs += [Knob("tasks_per_thread", (1, 2, 4)), Knob("parallel_edge", (96, 128, 160, 224))]
        knobs += [Knob("split", ("grid", "rows", "cols"))] if FAMILIES[chosen].needs_unsafe else []
    used = FAMILIES[chosen].knobs | {"tile"}
    return Space(base=base, knobs=tuple(knob for knob in knobs if knob.name in used))


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
