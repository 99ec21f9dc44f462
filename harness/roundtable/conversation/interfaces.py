"""What the round table needs from other rooms, as protocols: memory, papers, kernels from schedules, the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from harness.candidate import Candidate, Tier
from harness.durable import JsonObject
from harness.machine import Machine
from harness.verdict import Accepted, Verdict

Judge: TypeAlias = Callable[[Candidate], Verdict]


class RememberedKernel(Protocol):
    """One accepted kernel as the memory gives it back; `schedule` is None for free code."""

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
    def id(self) -> str: ...


class MemoryInterface(Protocol):
    """Accepted kernels only. `record` is idempotent: the same candidate recorded twice stands there once."""

    def best(
        self, n: int, machine_class: str | None = None, threads: int | None = None, tier: str | None = None
    ) -> Sequence[RememberedKernel]:
        """The n fastest by the lower end of the ratio's interval, those of this machine class first."""
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
    ) -> RememberedKernel:
        """Remember an accepted candidate; on disk when this returns."""
        ...


class PassageInterface(Protocol):
    """A piece of a paper that a search found."""

    @property
    def paper_id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def score(self) -> float: ...


class LibraryInterface(Protocol):
    """The papers."""

    def search(self, query: str, k: int) -> Sequence[PassageInterface]:
        """The k passages nearest to the query, best first."""
        ...


class ScheduleInterface(Protocol):
    """From parameters to Rust: the schedule room bound to one machine and one thread class."""

    def key(self, schedule: JsonObject) -> str:
        """Equal for two schedules if and only if they mean the same kernel."""
        ...

    def render(self, proposal: JsonObject) -> str:
        """kernel.rs for a proposal; raises UserError when there is no template for it."""
        ...

    def objections(self, proposal: JsonObject) -> list[str]:
        """Why the proposal cannot work here; empty when nothing speaks against it."""
        ...

    def facts(self, proposal: JsonObject) -> list[str]:
        """What was proved about the proposal, in short lines (for the record and the Coder)."""
        ...

    def proposal_schema(self) -> JsonObject:
        """JSON schema of a proposal, generated from the types."""
        ...

    def read_proposal(self, answer: JsonObject) -> JsonObject:
        """Validate an answer in that schema and return it complete; raises UserError that names the field."""
        ...

    def tier(self, proposal: JsonObject) -> Tier:
        """ "safe" or "unsafe": what the template for this proposal is built as."""
        ...
