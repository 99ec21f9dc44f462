"""What the round table needs from other rooms, as protocols: memory, papers, kernels from schedules, the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from harness.candidate import Candidate, Tier
from harness.machine import Machine
from harness.verdict import Accepted, Verdict

# A schedule or a proposal as plain types (what TOML and JSON can carry); None values are left out.
Plain: TypeAlias = dict[str, Any]
Judge: TypeAlias = Callable[[Candidate], Verdict]
Say: TypeAlias = Callable[[str], None]


class Remembered(Protocol):
    """One accepted kernel as the memory gives it back; `schedule` is None for free code."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def schedule(self) -> Plain | None: ...
    @property
    def proposal(self) -> Plain | None: ...
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


class KernelMemory(Protocol):
    """Accepted kernels only. `record` is idempotent: the same candidate recorded twice stands there once."""

    def best(
        self, n: int, machine_class: str | None = None, threads: int | None = None, tier: str | None = None
    ) -> Sequence[Remembered]:
        """The n fastest by the lower end of the ratio's interval, those of this machine class first."""
        ...

    def latest(self, n: int, machine_class: str | None = None) -> Sequence[Remembered]:
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
        proposal: Plain | None = None,
        schedule: Plain | None = None,
        parents: tuple[str, ...] = (),
        generation: int | None = None,
        model: str | None = None,
    ) -> Remembered:
        """Remember an accepted candidate; on disk when this returns."""
        ...


class Passage(Protocol):
    """A piece of a paper that a search found."""

    @property
    def paper_id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def score(self) -> float: ...


class PaperLibrary(Protocol):
    """The papers."""

    def search(self, query: str, k: int) -> Sequence[Passage]:
        """The k passages nearest to the query, best first."""
        ...


class Workshop(Protocol):
    """From parameters to Rust: the schedule room bound to one machine and one thread class."""

    def key(self, schedule: Plain) -> str:
        """Equal for two schedules if and only if they mean the same kernel."""
        ...

    def render(self, proposal: Plain) -> str:
        """kernel.rs for a proposal; raises UserError when there is no template for it."""
        ...

    def objections(self, proposal: Plain) -> list[str]:
        """Why the proposal cannot work here; empty when nothing speaks against it."""
        ...

    def facts(self, proposal: Plain) -> list[str]:
        """What was proved about the proposal, in short lines (for the record and the Coder)."""
        ...

    def proposal_schema(self) -> Plain:
        """JSON schema of a proposal, generated from the types."""
        ...

    def read_proposal(self, answer: Plain) -> Plain:
        """Validate an answer in that schema and return it complete; raises UserError that names the field."""
        ...

    def tier(self, proposal: Plain) -> Tier:
        """ "safe" or "unsafe": what the template for this proposal is built as."""
        ...
