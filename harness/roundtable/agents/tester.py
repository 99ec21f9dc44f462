"""The Tester: has candidates judged, marks their folders with the outcome, and stores accepted ones in the memory."""

from __future__ import annotations

from typing import Any, ClassVar

from autogen_core import MessageContext, message_handler

from harness.candidate import Candidate
from harness.errors import HarnessFaultError
from harness.interrupts import interruptible
from harness.machine import Machine
from harness.operation.operations import OperationName
from harness.roundtable.agents.base import BaseMatMulAgent
from harness.roundtable.conversation.interfaces import MemoryInterface
from harness.roundtable.conversation.messages import (
    TEMPLATE,
    Coded,
    Judged,
    JudgeRequest,
    RememberedIt,
    RememberRequest,
    Role,
)
from harness.roundtable.runlog import candidate_folders, codec
from harness.settings import Settings
from harness.verdict import Accepted, HarnessError, Inconclusive, Verdict, describe, name


class TesterAgent(BaseMatMulAgent):
    """Relays the judge's verdict; no model is asked."""

    role: ClassVar[Role] = Role.TESTER

    @message_handler
    async def on_judge(self, message: JudgeRequest, ctx: MessageContext) -> None:
        """Announce Judged. The call blocks, because the judge needs the machine for itself while it measures."""
        candidate = self._candidate(message.candidate)
        try:
            with interruptible():
                if self.table.workers is not None:
                    self.table.workers.deal([self._candidate(name_) for name_ in self._unjudged()])
                verdict = self.table.judge(candidate)
        except (KeyboardInterrupt, SystemExit) as interruption:
            # Raised through the event loop, it would destroy the runtime's tasks; so it is kept until they have
            # ended.
            self.table.interruption = interruption
            return
        self.table.verdicts[candidate.name] = verdict
        self.table.say(f"tester: {candidate.name}: {name(verdict)}: {describe(verdict)}")
        self._remember_elsewhere(candidate.name)
        await self.announce(message.turn, Judged(candidate=candidate.name, verdict=codec.to_plain(verdict)))
        table = self.table
        here = table.machine.identity(table.settings.threads or "1")
        mark(table.settings, self._coded(candidate.name), verdict, here, table.toolchain)

    @message_handler
    async def on_remember(self, message: RememberRequest, ctx: MessageContext) -> None:
        """Write to the memory and announce RememberedIt."""
        verdict = codec.from_plain(message.verdict)
        if not isinstance(verdict, Accepted):
            raise HarnessFaultError(
                f"{message.candidate}: only an accepted candidate is remembered, not {name(verdict)}"
            )
        self._candidate(message.candidate)
        table = self.table
        kept = remember(
            table.memory,
            self._coded(message.candidate),
            verdict,
            table.machine,
            table.toolchain,
            table.settings.suite,
        )
        await self.announce(message.turn, RememberedIt(candidate=message.candidate, memory_id=kept))

    def _unjudged(self) -> list[str]:
        """The candidates that are written and not judged, in order."""
        judged = {one.candidate for one in self.table.judged()}
        coded = [m.content.candidate for m in self.table.events if isinstance(m.content, Coded)]
        return [name_ for name_ in coded if name_ not in judged]

    def _remember_elsewhere(self, candidate: str) -> None:
        """Store what other machines accepted; before the verdict is in the journal, so that a restart repeats it."""
        table = self.table
        for found in table.workers.elsewhere(candidate) if table.workers is not None else ():
            if isinstance(found.verdict, Accepted):
                coded, suite = self._coded(candidate), table.settings.suite
                remember(table.memory, coded, found.verdict, found.machine, found.toolchain, suite)

    def _coded(self, candidate: str) -> Coded:
        for message in reversed(self.table.events):
            if isinstance(message.content, Coded) and message.content.candidate == candidate:
                return message.content
        raise HarnessFaultError(f"{candidate}: to be judged, but nobody wrote it")

    def _candidate(self, name_: str) -> Candidate:
        """The candidate's folder; written again from the journal if the process was killed between the two."""
        coded = self._coded(name_)
        return candidate_folders.write(self.table.settings.candidates, name_, coded.source, coded.manifest)


def remember(
    memory: MemoryInterface, coded: Coded, verdict: Accepted, machine: Machine, toolchain: str, suite: str
) -> str:
    """Write an accepted candidate to the memory and return its id; idempotent."""
    proposal = coded.manifest.get("proposal") or {}
    kept = memory.record(
        verdict,
        name=coded.candidate,
        source=coded.source,
        machine=machine,
        toolchain=toolchain,
        suite=suite,
        proposal=proposal,
        # Free code no longer matches the proposed schedule, so its timing says nothing about that schedule.
        schedule=proposal.get("schedule") if coded.how == TEMPLATE else None,
        parents=tuple(coded.manifest.get("parents", ())),
        generation=coded.manifest.get("generation"),
        model=coded.manifest.get("model"),
        operation=coded.manifest.get("operation", OperationName.MATMUL.value),
    )
    return kept.id


def mark(settings: Settings, coded: Coded, verdict: Verdict, machine: str, toolchain: str) -> None:
    """Write the outcome into the candidate's folder; idempotent."""
    outcome = outcome_keys(verdict, machine, toolchain, settings.suite)
    candidate_folders.rewrite_manifest(settings.candidates / coded.candidate, coded.manifest | outcome)


def outcome_keys(verdict: Verdict, machine: str, toolchain: str, suite: str) -> dict[str, Any]:
    """The keys of candidate.toml for an outcome: a claim, or the rejecting gate; none when it was inconclusive."""
    match verdict:
        case Accepted(score=score):
            claim = {"machine": machine, "toolchain": toolchain, "baseline": score.baseline, "suite": suite}
            return {"claim": claim | score.claimed._asdict()}
        case Inconclusive() | HarnessError():
            return {}
        case _:
            return {"expect": "rejected", "gate": verdict.at.gate.value}
