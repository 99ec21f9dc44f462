"""Adapts harness.schedule to the agents: plain types, one machine, one thread class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError

from harness.candidate import ThreadClass, Tier
from harness.durable import JsonObject
from harness.errors import UserError
from harness.machine import Machine
from harness.operation.operations import OperationName
from harness.roundtable.runlog.candidate_folders import without_none
from harness.schedule.families import FAMILIES
from harness.schedule.model import Proposal, Schedule
from harness.schedule.space import Space, path_spaces, recursive_space, space
from harness.shapes import Shape

# The first experiment ran out of memory at 1024³.
ORIGINAL = Shape(1024, 1024, 1024)
# Fast schemes are tried where at least half of the timed shapes have this many rows, columns and depth.
_LARGE_EDGE = 1536


class ScheduleAdapter:
    """See interfaces.ScheduleInterface. `shapes` are the timed shapes, against which proposals are checked; `scheme` is
    the name of a bilinear scheme to build kernels from. `safe_only` leaves out kernels with intrinsics.
    """

    def __init__(
        self,
        machine: Machine,
        threads: ThreadClass,
        shapes: Sequence[Shape] = (ORIGINAL,),
        scheme: str | None = None,
        safe_only: bool = False,
        operation: OperationName = OperationName.MATMUL,
    ) -> None:
        self.scheme = scheme
        self.safe_only = safe_only
        self.operation = operation
        self.machine = machine
        self.threads = threads
        self.shapes = tuple(shapes)

    def lanes(self) -> list[Space]:
        """The search spaces: those of fast schemes, if one was named or half of the shapes are large, else those of
        code paths by shape, if some shapes are elongated; the fastest family; those of other tiers and vector units.
        """
        if self.operation is OperationName.SGEMM:
            return self._strided_lanes()
        found = [space(self.machine, self.threads)]
        if found[0].base.family != "packed":
            found.append(space(self.machine, self.threads, family="packed"))
        if found[0].base.isa == "avx512":
            found.append(space(self.machine, self.threads, family="packed_intrinsics", isa="avx2"))
        own = "packed" if self.safe_only else None
        special = self._fast_lanes() or path_spaces(self.machine, self.threads, self.shapes, own)
        lanes = [*special, *found]
        return [lane for lane in lanes if not (self.safe_only and lane.base.tier == "unsafe")]

    def _strided_lanes(self) -> list[Space]:
        unit = self.machine.vector
        isas = {"avx512": ("avx512", "avx2"), "portable": ()}.get(unit, (unit,))
        safe = space(self.machine, self.threads, family="strided")
        fast = [space(self.machine, self.threads, family="strided_intrinsics", isa=isa) for isa in isas]
        return [safe] if self.safe_only else [*fast, safe]

    def _fast_lanes(self) -> list[Space]:
        large = sum(min(shape) >= _LARGE_EDGE for shape in self.shapes)
        if self.scheme is not None:
            names: tuple[str, ...] = (self.scheme,)
        elif 2 * large >= len(self.shapes):
            # Reading the schemes loads numpy.
            from harness.schedule.recursive import worthwhile

            names = worthwhile()
        else:
            return []
        safe = recursive_space(self.machine, self.threads, names, self.shapes, family="packed")
        fastest = recursive_space(self.machine, self.threads, names, self.shapes)
        return [safe] if fastest.base.kernel == "packed" else [fastest, safe]

    def key(self, schedule: JsonObject) -> str:
        """See ScheduleInterface; an invalid schedule gets a key that no other schedule has."""
        return Schedule.model_validate(schedule).key()

    def render(self, proposal: JsonObject, shapes: Sequence[Shape] = ()) -> str:
        """See ScheduleInterface."""
        from harness.schedule.render import render

        notes = "\n".join(str(proposal[key]) for key in ("expected_effect", "why") if proposal.get(key))
        schedule = Schedule.model_validate(proposal["schedule"]).at(shapes)
        return render(schedule, str(proposal["algorithm"]), notes)

    def objections(self, proposal: JsonObject) -> list[str]:
        """See ScheduleInterface; harness.schedule.feasible does the checks."""
        from harness.schedule import feasible

        read = Proposal.model_validate(proposal)
        found = feasible.refusals(feasible.check(read, self.machine, self.shapes, self.threads))
        family = FAMILIES.get(read.schedule.kernel)
        if family is not None and family.operation is not self.operation:
            allowed = ", ".join(name for name, one in FAMILIES.items() if one.operation is self.operation)
            found.append(
                f"family: {read.schedule.family} computes {family.operation}; this run evolves {self.operation}, which "
                f"has {allowed}"
            )
        if self.safe_only and read.schedule.tier == "unsafe":
            sgemm = self.operation is OperationName.SGEMM
            safe = "strided" if sgemm else "packed, or bilinear with inner = packed"
            found.append(
                f"family: this run wants kernels in safe Rust (--tier safe), and {read.schedule.kernel} is not; use "
                f"{safe}"
            )
        return found

    def facts(self, proposal: JsonObject) -> list[str]:
        """See ScheduleInterface."""
        from harness.schedule import feasible

        read = Proposal.model_validate(proposal)
        scratch = f"scratch {read.schedule.scratch_bytes >> 10} KiB per thread"
        return [scratch, *feasible.facts(read, self.machine, self.shapes)]

    def proposal_schema(self) -> JsonObject:
        """See ScheduleInterface."""
        return Proposal.model_json_schema()

    def read_proposal(self, answer: JsonObject) -> JsonObject:
        """See ScheduleInterface; missing knobs are taken from the analytical model, and texts are made printable."""
        given = dict(without_none(answer))
        for field, most in _longest().items():
            if isinstance(given.get(field), str):
                given[field] = _printable(given[field])[:most]
        if given.get("algorithm") == "":
            given["algorithm"] = "unnamed"
        if isinstance(given.get("schedule"), dict):
            given["schedule"] = self._completed(given["schedule"])
        try:
            read = Proposal.model_validate(given)
        except ValidationError as error:
            raise UserError("; ".join(_explain(problem) for problem in error.errors()[:4])) from None
        plain: dict[str, Any] = without_none(read.model_dump(mode="json"))
        return plain

    def _completed(self, schedule: JsonObject) -> JsonObject:
        """The given knobs, completed by those of the analytical model for the same family and vector unit."""
        bilinear = schedule.get("bilinear")
        family = (
            bilinear.get("inner", "packed_intrinsics")
            if isinstance(bilinear, dict)
            else schedule.get("family")
        )
        try:
            base = space(self.machine, self.threads, family=family, isa=schedule.get("isa")).base
        except (ValueError, KeyError, UserError):
            # A family or unit that the model does not know; validation will report it.
            return schedule
        completed: JsonObject = without_none(base.model_dump(mode="json"))
        return completed | schedule

    def tier(self, proposal: JsonObject) -> Tier:
        """See ScheduleInterface."""
        return Schedule.model_validate(proposal["schedule"]).tier

    def declared_scheme(self, proposal: JsonObject) -> JsonObject | None:
        """See ScheduleInterface."""
        from harness.schedule import recursive

        bilinear = Schedule.model_validate(proposal["schedule"]).bilinear
        if bilinear is None:
            return None
        scheme = recursive.scheme_of(bilinear)
        base = [scheme.m, scheme.k, scheme.n]
        if scheme.rank >= math.prod(base):
            return None
        return {"base": base, "products": scheme.rank, "levels": bilinear.levels}


def _explain(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "the proposal"
    return f"{where}: {problem['msg']}"


def _printable(text: str) -> str:
    """The text without control and direction characters: texts become comments, in which rustc rejects some of them."""
    return "".join(ch if ch.isprintable() or ch == "\n" else " " for ch in text).strip()


@cache
def _longest() -> dict[str, int]:
    """The length-limited texts of a proposal, with their limits in characters, read from the types."""
    properties = Proposal.model_json_schema()["properties"]
    limits = {name: [spec, *spec.get("anyOf", ())] for name, spec in properties.items()}
    return {
        name: spec["maxLength"] for name, specs in limits.items() for spec in specs if "maxLength" in spec
    }
