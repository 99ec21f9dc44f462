"""What the agents say to each other: pydantic messages, each plain enough to stand in the journal as it is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TEMPLATE = "template"
WHOLE_FILE = "whole file"


class Role(StrEnum):
    """The seats at the table; also the agents' types and the topics on which they are asked."""

    MANAGER = "manager"
    PROPOSER = "proposer"
    VERIFIER = "verifier"
    CODER = "coder"
    TESTER = "tester"


class Message(BaseModel):
    """A frozen message; an unknown field is an error, in memory as on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProposalSlot(Message):
    """Which candidate of the run is being worked on: generation from 1, slot from 0 within the population."""

    generation: int = Field(ge=1)
    slot: int = Field(ge=0)

    def __str__(self) -> str:
        return f"generation {self.generation}, proposal {self.slot + 1}"


# -- requests: the Manager asks one agent, on the topic that bears its role ---------------------------------


class ProposeRequest(Message):
    """Proposer: think of a kernel. `sent_back` are the reasons of refusals in this turn, oldest first."""

    turn: ProposalSlot
    attempt: int
    sent_back: list[str] = Field(default_factory=list)
    # The stand-in (the built-in tuner) proposes when a mind has used up its attempts.
    stand_in: bool = False


class VerifyRequest(Message):
    """Verifier: can this work at all?"""

    turn: ProposalSlot
    attempt: int
    proposal: dict[str, Any]


class CodeRequest(Message):
    """Coder: write the kernel; with `failed` set, repair that one instead. `template_only` forbids free code."""

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
    """Tester: put the candidate before the judge."""

    turn: ProposalSlot
    candidate: str


class RememberRequest(Message):
    """Tester: write the accepted candidate to the memory."""

    turn: ProposalSlot
    candidate: str
    verdict: dict[str, Any]


class Failed(Message):
    """A kernel that was rejected, with what the judge said: quoted to the Coder as data, never as instruction."""

    candidate: str
    source: str
    verdict: dict[str, Any]


# -- events: what happened, heard by everybody, written to the journal before anybody hears it -----------------


class Proposed(Message):
    """A well-formed proposal that was not tried before."""

    kind: Literal["proposed"] = "proposed"
    proposal: dict[str, Any]
    parents: list[str]
    model: str
    prompt_hash: str
    # Who writes the kernel: TEMPLATE, WHOLE_FILE or the region to write freely.
    coding: str = TEMPLATE
    passages: list[str] = Field(default_factory=list)
    stand_in: bool = False


class SentBack(Message):
    """No usable proposal: malformed, a duplicate, or refused by the Verifier."""

    kind: Literal["sent_back"] = "sent_back"
    by: str
    reasons: list[str]


class Verified(Message):
    """Nothing speaks against the proposal; `facts` says what was proved."""

    kind: Literal["verified"] = "verified"
    facts: list[str]


class Coded(Message):
    """A kernel stands in its folder. Source and manifest are here too, so a lost folder can be written again."""

    kind: Literal["coded"] = "coded"
    candidate: str
    source: str
    manifest: dict[str, Any]
    # "template", "whole file" or the name of the region that was written freely.
    how: str


class NotCoded(Message):
    """The Coder's answer held no usable kernel."""

    kind: Literal["not_coded"] = "not_coded"
    reasons: list[str]


class Judged(Message):
    """The judge's verdict, as plain types."""

    kind: Literal["judged"] = "judged"
    candidate: str
    verdict: dict[str, Any]


class RememberedIt(Message):
    """The accepted candidate stands in the memory under this id."""

    kind: Literal["remembered"] = "remembered"
    candidate: str
    memory_id: str


class GaveUp(Message):
    """The turn ends without (another) candidate."""

    kind: Literal["gave_up"] = "gave_up"
    reason: str


Event = Annotated[
    Proposed | SentBack | Verified | Coded | NotCoded | Judged | RememberedIt | GaveUp,
    Field(discriminator="kind"),
]


class GroupChatMessage(Message):
    """One contribution to the conversation: who, in which turn, what happened."""

    sender: Role
    turn: ProposalSlot
    content: Event


class Begin(Message):
    """Wakes the Manager."""

    run_id: str


CodeRequest.model_rebuild()
