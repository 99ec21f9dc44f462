"""The state of each slot as a fold of its events, and the next request that follows: pure, so a restart repeats the
fold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from harness.roundtable.conversation.messages import (
    TEMPLATE,
    Coded,
    CodeRequest,
    Event,
    Failed,
    GaveUp,
    Judged,
    JudgeRequest,
    NotCoded,
    ProposalSlot,
    Proposed,
    ProposeRequest,
    RememberedIt,
    RememberRequest,
    SentBack,
    Verified,
    VerifyRequest,
)
from harness.settings import Budget

# Verdicts that say nothing against the kernel's source, so that there is nothing to repair.
_NOT_REPAIRABLE = frozenset({"Accepted", "Inconclusive", "HarnessError"})

Request: TypeAlias = ProposeRequest | VerifyRequest | CodeRequest | JudgeRequest | RememberRequest


@dataclass
class SlotProgress:
    """The state of one slot after its events so far."""

    turn: ProposalSlot
    attempts: int = 0
    refusals: list[str] = field(default_factory=list)
    proposed: Proposed | None = None
    facts: list[str] | None = None
    not_coded: list[str] = field(default_factory=list)
    coded: list[Coded] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    remembered: bool = False
    gave_up: str | None = None

    def apply(self, event: Event) -> None:
        """Apply one event."""
        match event:
            case Proposed():
                self.proposed, self.facts = event, None
                self.attempts += 1
            case SentBack(by=by, reasons=reasons):
                if self.proposed is None:
                    self.attempts += 1
                self.proposed = None
                self.refusals += [f"{by}: {reason}" for reason in reasons]
            case Verified(facts=facts):
                self.facts = facts
            case NotCoded(reasons=reasons):
                self.not_coded += reasons[:1] or ["no kernel in the answer"]
            case Coded():
                self.coded.append(event)
            case Judged():
                self.judged.append(event)
            case RememberedIt():
                self.remembered = True
            case GaveUp(reason=reason):
                self.gave_up = reason

    def next_request(self, budget: Budget, coder_is_language_model: bool) -> Request | None:
        """The next request; None when the slot is finished."""
        if self.gave_up is not None:
            return None
        if len(self.coded) > len(self.judged):
            return JudgeRequest(turn=self.turn, candidate=self.coded[-1].candidate)
        if self.judged:
            return self._after_verdict(budget, coder_is_language_model)
        if self.proposed is None:
            return self._propose(budget)
        if self.facts is None:
            return VerifyRequest(turn=self.turn, attempt=self.attempts, proposal=self.proposed.proposal)
        return self._code(budget, None)

    def _propose(self, budget: Budget) -> Request | None:
        allowed = 1 + budget.rejected_proposals
        if self.attempts > allowed:
            return None
        return ProposeRequest(
            turn=self.turn, attempt=self.attempts, sent_back=self.refusals, stand_in=self.attempts == allowed
        )

    def _code(self, budget: Budget, failed: Failed | None) -> Request:
        assert self.proposed is not None
        return CodeRequest(
            turn=self.turn,
            attempt=len(self.coded) + len(self.not_coded),
            proposal=self.proposed.proposal,
            parents=self.proposed.parents,
            model=self.proposed.model,
            prompt_hash=self.proposed.prompt_hash,
            coding=self.proposed.coding,
            facts=self.facts or [],
            failed=failed,
            complaints=self.not_coded,
            template_only=self.proposed.stand_in or (failed is None and len(self.not_coded) > budget.repairs),
        )

    def _after_verdict(self, budget: Budget, coder_is_language_model: bool) -> Request | None:
        last, coded = self.judged[-1], self.coded[-1]
        kind = last.verdict["verdict"]
        if kind == "Accepted":
            if self.remembered:
                return None
            return RememberRequest(turn=self.turn, candidate=last.candidate, verdict=last.verdict)
        repairs = len(self.coded) + len(self.not_coded) - 1
        if (
            kind in _NOT_REPAIRABLE
            or not coder_is_language_model
            or coded.how == TEMPLATE
            or repairs >= budget.repairs
        ):
            return None
        return self._code(budget, Failed(candidate=last.candidate, source=coded.source, verdict=last.verdict))
