"""The messages of the agents: pydantic models in plain types, written to the journal unchanged."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TEMPLATE = "template"
WHOLE_FILE = "whole file"


class Role(StrEnum):
    """The agents; each value is also the agent's type and the topic on which it is asked."""

    MANAGER = "manager"
    PROPOSER = "proposer"
    VERIFIER = "verifier"
    CODER = "coder"
    TESTER = "tester"


class Message(BaseModel):
    """A frozen message; an unknown field is an error, in memory as on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProposalSlot(Message):
    """The candidate being worked on: generation from 1, slot from 0 within the population."""

    generation: int = Field(ge=1)
    slot: int = Field(ge=0)

    def __str__(self) -> str:
        return f"generation {self.generation}, proposal {self.slot + 1}"


# -- requests: the Manager asks one agent, on the topic that bears its role ---------------------------------


class ProposeRequest(Message):
    """To the Proposer: propose a kernel. `sent_back` holds the reasons of refusals in this slot, oldest first."""

    turn: ProposalSlot
    attempt: int
    sent_back: list[str] = Field(default_factory=list)
    # The stand-in (the built-in tuner) proposes when a model has used up its attempts.
    stand_in: bool = False


class VerifyRequest(Message):
    """To the Verifier: can this proposal work?"""

    turn: ProposalSlot
    attempt: int
    proposal: dict[str, Any]


class CodeRequest(Message):
    """To the Coder: write the kernel; with `failed` set, repair that one instead. `template_only` forbids free code."""

    turn: ProposalSlot
    attempt: int
    proposal: dict[str, Any]
    parents: list[str]
    model: str
    prompt_hash: str
    coding: str = TEMPLATE
    facts: list[str] = Field(default_factory=list)
    failed: Failed | None = None
    complaints: list[str] = Field(default_factory=list)
    template_only: bool = False


class JudgeRequest(Message):
    """To the Tester: have the candidate judged."""

    turn: ProposalSlot
    candidate: str


class RememberRequest(Message):
    """To the Tester: store the accepted candidate in the memory."""

    turn: ProposalSlot
    candidate: str
    verdict: dict[str, Any]


class Failed(Message):
    """A rejected kernel with its verdict; quoted to the Coder as data, never as an instruction."""

    candidate: str
    source: str
    verdict: dict[str, Any]


# -- events: what happened, heard by everybody, written to the journal before anybody hears it -----------------


class Screened(Message):
    """A schedule that was timed briefly and not judged; `ratio` to BLAS is None when it was wrong.

    `shapes` are the texts of the shapes where it was timed; empty for those of the suite.
    """

    schedule: dict[str, Any]
    ratio: float | None
    shapes: list[str] = Field(default_factory=list)


class Proposed(Message):
    """A well-formed, new proposal."""

    kind: Literal["proposed"] = "proposed"
    proposal: dict[str, Any]
    parents: list[str]
    model: str
    prompt_hash: str
    # Who writes the kernel: TEMPLATE, WHOLE_FILE or the region to write freely.
    coding: str = TEMPLATE
    passages: list[str] = Field(default_factory=list)
    stand_in: bool = False
    # The mind whose turn it was, by the name that was typed, where several share the proposals.
    asked: str = ""
    # The other schedules that were timed briefly for this proposal.
    screened: list[Screened] = Field(default_factory=list)


class SentBack(Message):
    """No usable proposal: malformed, a duplicate, or refused by the Verifier."""

    kind: Literal["sent_back"] = "sent_back"
    by: str
    reasons: list[str]


class Verified(Message):
    """No objections to the proposal; `facts` says what was proved."""

    kind: Literal["verified"] = "verified"
    facts: list[str]


class Coded(Message):
    """A kernel is in its folder. Source and manifest are included, so that a lost folder can be written again."""

    kind: Literal["coded"] = "coded"
    candidate: str
    source: str
    manifest: dict[str, Any]
    # "template", "whole file" or the name of the region that was written freely.
    how: str


class NotCoded(Message):
    """The Coder's answer contained no usable kernel."""

    kind: Literal["not_coded"] = "not_coded"
    reasons: list[str]


class Judged(Message):
    """The judge's verdict, as plain types."""

    kind: Literal["judged"] = "judged"
    candidate: str
    verdict: dict[str, Any]


class RememberedIt(Message):
    """The accepted candidate is in the memory under this id."""

    kind: Literal["remembered"] = "remembered"
    candidate: str
    memory_id: str


class GaveUp(Message):
    """The slot ends without (another) candidate."""

    kind: Literal["gave_up"] = "gave_up"
    reason: str


Event = Annotated[
    Proposed | SentBack | Verified | Coded | NotCoded | Judged | RememberedIt | GaveUp,
    Field(discriminator="kind"),
]


class GroupChatMessage(Message):
    """One event of the conversation: the sender, the slot, and what happened."""

    sender: Role
    turn: ProposalSlot
    content: Event


class Begin(Message):
    """Starts the Manager."""

    run_id: str


CodeRequest.model_rebuild()
