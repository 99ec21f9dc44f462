"""Protocols for the services of other packages: memory, paper library, schedules, judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from harness.candidate import Candidate, Tier
from harness.durable import JsonObject
from harness.machine import Machine
from harness.roundtable.conversation.messages import GroupChatMessage
from harness.schedule.space import Space
from harness.shapes import Shape
from harness.verdict import Accepted, Verdict

Judge: TypeAlias = Callable[[Candidate], Verdict]


@dataclass(frozen=True, slots=True)
class MachineVerdict:
    """The verdict of another machine than the run's own."""

    machine: Machine
    toolchain: str
    verdict: Verdict


class Workers(Protocol):
    """Judges that work side by side: the candidates of a generation are dealt together, then each is asked for."""

    def deal(self, candidates: Sequence[Candidate]) -> None:
        """Let the workers begin; a candidate that was dealt before is not dealt again."""
        ...

    def elsewhere(self, candidate: str) -> Sequence[MachineVerdict]:
        """The verdicts of the other machines on a judged candidate, in a fixed order."""
        ...


# Gets every event once it is in the journal.
Listener: TypeAlias = Callable[[GroupChatMessage], None]


@dataclass(frozen=True, slots=True)
class RenderedKernel:
    """A kernel.rs, its tier, and the [scheme] that its candidate.toml would declare."""

    source: str
    tier: Tier
    scheme: JsonObject | None = None


# Times kernels briefly at the given shapes (none: at those of the suite): the ratio to BLAS of each, None for one that
# does not compile or is wrong. Blocks, because it needs the machine for itself.
Screen: TypeAlias = Callable[[Sequence[RenderedKernel], Sequence[Shape]], Sequence[float | None]]


class RememberedKernel(Protocol):
    """One accepted kernel from the memory; `schedule` is None for free code."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def schedule(self) -> JsonObject | None: ...
    @property
    def proposal(self) -> JsonObject | None: ...
    @property
    def ratio(self) -> float: ...
    @property
    def ratio_low(self) -> float: ...
    @property
    def ratio_high(self) -> float: ...
    @property
    def machine_class(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def tier(self) -> str: ...
    @property
    def baseline(self) -> str: ...
    @property
    def suite(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def id(self) -> str: ...


class MemoryInterface(Protocol):
    """The memory of accepted kernels. `record` is idempotent: recording the same candidate twice stores it once."""

    def best(
        self, n: int, machine_class: str | None = None, threads: int | None = None, tier: str | None = None
    ) -> Sequence[RememberedKernel]:
        """The n fastest by the lower end of the ratio's interval; those of this machine class come first."""
        ...

    def latest(self, n: int, machine_class: str | None = None) -> Sequence[RememberedKernel]:
        """The n most recently accepted, newest first."""
        ...

    def record(
        self,
        accepted: Accepted,
        *,
        name: str,
        source: str,
        machine: Machine,
        toolchain: str,
        suite: str,
        proposal: JsonObject | None = None,
        schedule: JsonObject | None = None,
        parents: tuple[str, ...] = (),
        generation: int | None = None,
        model: str | None = None,
        operation: str = "matmul",
    ) -> RememberedKernel:
        """Store an accepted candidate; on disk when this returns."""
        ...


class PassageInterface(Protocol):
    """A passage of a paper, found by a search."""

    @property
    def paper_id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def score(self) -> float: ...


class LibraryInterface(Protocol):
    """The library of papers."""

    def search(self, query: str, k: int) -> Sequence[PassageInterface]:
        """The k passages nearest to the query, best first."""
        ...


class ScheduleInterface(Protocol):
    """From parameters to Rust, for one machine and one thread class."""

    @property
    def scheme(self) -> str | None:
        """The name of the bilinear scheme that kernels are to be built from, if one was asked for."""
        ...

    @property
    def shapes(self) -> Sequence[Shape]:
        """The timed shapes."""
        ...

    def lanes(self) -> Sequence[Space]:
        """The search spaces of this machine, the fastest family first."""
        ...

    def key(self, schedule: JsonObject) -> str:
        """Equal for two schedules exactly if they give the same kernel."""
        ...

    def render(self, proposal: JsonObject, shapes: Sequence[Shape] = ()) -> str:
        """kernel.rs for a proposal, or the code path alone that multiplies all of `shapes`; raises UserError when there
        is no template for it.
        """
        ...

    def objections(self, proposal: JsonObject) -> list[str]:
        """Why the proposal cannot work here; empty when nothing speaks against it."""
        ...

    def facts(self, proposal: JsonObject) -> list[str]:
        """What was proved about the proposal, in short lines (for the record and the Coder)."""
        ...

    def proposal_schema(self) -> JsonObject:
        """The JSON schema of a proposal, generated from the types."""
        ...

    def read_proposal(self, answer: JsonObject) -> JsonObject:
        """Validate an answer in that schema and complete it; raises UserError that names the field."""
        ...

    def tier(self, proposal: JsonObject) -> Tier:
        """ "safe" or "unsafe": the tier in which this proposal's template is compiled."""
        ...

    def declared_scheme(self, proposal: JsonObject) -> JsonObject | None:
        """The [scheme] of candidate.toml for this proposal's template; None when it multiplies classically."""
        ...
