"""The schedule room bound to one machine and one thread class: what the agents ask of it, in plain types."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from harness.candidate import ThreadClass, Tier
from harness.errors import UserError
from harness.machine import Machine
from harness.roundtable.folder import without_none
from harness.roundtable.ports import Plain
from harness.schedule.model import Proposal, Schedule, Space, space
from harness.shapes import Shape

# The original ran out of memory at 1024³; templates must not, so scratch is checked at this size and the suite's.
LARGEST = Shape(1024, 1024, 1024)


class ScheduleWorkshop:
    """See ports.Workshop."""

    def __init__(self, machine: Machine, threads: ThreadClass, largest: Shape = LARGEST) -> None:
        self.machine = machine
        self.threads = threads
        self.largest = largest

    def lanes(self) -> list[Space]:
        """The search spaces: the fastest family first, then what differs from it in tier, vector unit or algorithm."""
        found = [space(self.machine, self.threads)]
        if found[0].base.family != "packed":
            found.append(space(self.machine, self.threads, family="packed"))
        if found[0].base.isa == "avx512":
            found.append(space(self.machine, self.threads, family="packed_intrinsics", isa="avx2"))
        return found

    def key(self, schedule: Plain) -> str:
        """See Workshop; a schedule that is none has no key that another one shares."""
        return Schedule.model_validate(schedule).key()

    def render(self, proposal: Plain) -> str:
        """See Workshop."""
        from harness.schedule.render import render

        notes = "\n".join(str(proposal[key]) for key in ("expected_effect", "why") if proposal.get(key))
        return render(Schedule.model_validate(proposal["schedule"]), str(proposal["algorithm"]), notes)

    def objections(self, proposal: Plain) -> list[str]:
        """See Workshop; the proof itself lives in the schedule room."""
        from harness.schedule import feasible

        read = Proposal.model_validate(proposal)
        return feasible.refusals(feasible.check(read, self.machine, (self.largest,), self.threads))

    def facts(self, proposal: Plain) -> list[str]:
        """See Workshop."""
        from harness.schedule import feasible

        read = Proposal.model_validate(proposal)
        scratch = f"scratch {read.schedule.scratch_bytes >> 10} KiB per thread"
        return [scratch, *feasible.facts(read, self.machine, (self.largest,))]

    def proposal_schema(self) -> Plain:
        """See Workshop."""
        return Proposal.model_json_schema()

    def read_proposal(self, answer: Plain) -> Plain:
        """See Workshop."""
        try:
            read = Proposal.model_validate(without_none(answer))
        except ValidationError as error:
            raise UserError("; ".join(_explain(problem) for problem in error.errors()[:4])) from None
        plain: dict[str, Any] = without_none(read.model_dump(mode="json"))
        return plain

    def tier(self, proposal: Plain) -> Tier:
        """See Workshop."""
        return Schedule.model_validate(proposal["schedule"]).tier


def _explain(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "the proposal"
    return f"{where}: {problem['msg']}"
