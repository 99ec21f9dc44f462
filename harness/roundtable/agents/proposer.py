"""The Proposer: proposes the next kernel, by the tuner or a language model, and never the same one twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from autogen_core import MessageContext, message_handler

from harness.durable import JsonObject
from harness.interrupts import interruptible
from harness.minds.protocol import Mind, Tuned, Tuner
from harness.roundtable.agents import choosing, context, proposing, sharing
from harness.roundtable.agents.base import BaseMatMulAgent
from harness.roundtable.agents.duplicates import TriedProposals
from harness.roundtable.conversation.interfaces import RenderedKernel
from harness.roundtable.conversation.messages import (
    GaveUp,
    ProposalSlot,
    Proposed,
    ProposeRequest,
    Role,
    Screened,
    SentBack,
)
from harness.roundtable.runlog import transcript
from harness.settings import AnswerProtocol
from harness.shapes import Shape
from harness.verdict import one_line

_RELATED = 3


class ProposerAgent(BaseMatMulAgent):
    """Answers a request with Proposed, SentBack or, when nothing is left to propose, GaveUp."""

    role: ClassVar[Role] = Role.PROPOSER

    @message_handler
    async def on_propose(self, message: ProposeRequest, ctx: MessageContext) -> None:
        """Propose a kernel, check that it is new, and announce it."""
        where = transcript.key(self.role, message.turn, message.attempt)
        try:
            event = self._replayed(where) if self.table.replay else await self._think(message, where)
        except (KeyboardInterrupt, SystemExit) as interruption:
            # Raised through the event loop, it would destroy the runtime's tasks; so it is kept until they have ended.
            self.table.interruption = interruption
            return
        if not isinstance(event, GaveUp):
            self.table.transcript.record_outcome(where, event)
        self._tell(message, event)
        await self.announce(message.turn, event)

    def _replayed(self, where: str) -> Proposed | SentBack | GaveUp:
        assert self.table.replay is not None
        return self.table.replay.outcome(where) or GaveUp(
            reason=f"the transcript holds no proposal for {where}"
        )

    async def _think(self, message: ProposeRequest, where: str) -> Proposed | SentBack | GaveUp:
        name, mind = sharing.asked_mind(self.table, message)
        event = await self._ask(self.table.minds.stand_in if message.stand_in else mind, message, where)
        return event.model_copy(update={"asked": name}) if isinstance(event, Proposed) else event

    async def _ask(self, mind: Mind, message: ProposeRequest, where: str) -> Proposed | SentBack | GaveUp:
        if isinstance(mind, Tuner):
            return self._tune(mind, message)
        ask = proposing.ask if mind.protocol is AnswerProtocol.FULL else choosing.ask
        event = await ask(self.table, mind, message, where)
        if isinstance(event, Proposed):
            known = TriedProposals.of(self.table).recognise(event)
            if known is not None:
                return SentBack(by="memory", reasons=[known])
        return event

    def _tune(self, tuner: Tuner, message: ProposeRequest) -> Proposed | GaveUp:
        table, turn, trials = self.table, message.turn, context.trials(self.table)
        count = table.settings.shortlist if table.screen is not None else 1
        known = [*trials, *context.refused(table, trials)]
        listed = tuner.shortlist(known, turn.generation, turn.slot, count, context.hints(table))
        if not listed:
            return GaveUp(reason="every schedule in the tuner's reach was tried on this machine")
        tuned, screened = self._fastest(listed, turn)
        passages = self._related(tuned.why)
        best = max((trial.ratio for trial in trials if trial.ratio is not None), default=None)
        summary = f"{len(trials)} trials, best {best}"
        return Proposed(
            proposal=self._proposal(tuned) | {"passages": passages},
            parents=[tuned.parent] if tuned.parent else [],
            model=tuner.name,
            prompt_hash=transcript.prompt_hash(tuner.name, f"seed {table.seed}, {summary}"),
            passages=passages,
            stand_in=message.stand_in,
            screened=screened,
        )

    def _proposal(self, tuned: Tuned) -> JsonObject:
        proposal: JsonObject = {
            "algorithm": proposing.title(tuned.schedule),
            "schedule": tuned.schedule,
            "expected_effect": "",
            "why": tuned.why,
        }
        if tuned.parent:
            proposal["parent"] = tuned.parent
        return self.table.schedules.read_proposal(proposal)

    def _fastest(self, listed: list[Tuned], turn: ProposalSlot) -> tuple[Tuned, list[Screened]]:
        """The fastest of `listed` by brief timings, and the others with theirs; the first when none can be timed."""
        schedules, screen = self.table.schedules, self.table.screen
        proposals = [self._proposal(tuned) for tuned in listed]
        able = [i for i, proposal in enumerate(proposals) if not schedules.objections(proposal)]
        if screen is None or len(able) < 2:
            return listed[able[0] if able else 0], []
        began_s = time.monotonic()
        with interruptible():
            shapes = listed[0].shapes
            timed = screen([self._rendered(proposals[i], shapes) for i in able], shapes)
        ratios = dict(zip(able, timed, strict=True))
        chosen = max(able, key=lambda i: ratios[i] or 0.0)
        told = ", ".join("wrong" if ratio is None else f"{ratio:.3f}" for ratio in timed)
        seconds = time.monotonic() - began_s
        self.table.say(f"proposer: {turn}: {len(able)} schedules timed briefly in {seconds:.0f} s: {told}")
        where = [str(shape) for shape in listed[0].shapes]
        others = [
            Screened(schedule=listed[i].schedule, ratio=ratios[i], shapes=where) for i in able if i != chosen
        ]
        return listed[chosen], others

    def _rendered(self, proposal: JsonObject, shapes: Sequence[Shape]) -> RenderedKernel:
        """The kernel to time at these shapes; of one with paths only what multiplies them, which compiles faster."""
        schedules = self.table.schedules
        source, tier = schedules.render(proposal, shapes), schedules.tier(proposal)
        return RenderedKernel(source, tier, schedules.declared_scheme(proposal))

    def _related(self, why: str) -> list[str]:
        """The passages most relevant to the tuner's step, for readers of the kernel; the tuner does not use them."""
        if self.table.library is None:
            return []
        query = f"fast f32 matrix multiplication kernel on a CPU: {why}"
        return list(dict.fromkeys(p.paper_id for p in self.table.library.search(query, _RELATED)))

    def _tell(self, message: ProposeRequest, event: Proposed | SentBack | GaveUp) -> None:
        match event:
            case Proposed(proposal=proposal, model=model, parents=parents):
                parent = f", from {', '.join(parents)}" if parents else ""
                line = f"{message.turn}: {model} proposes {one_line(str(proposal['algorithm']))}{parent}"
            case SentBack(by=by, reasons=reasons):
                line = f"{message.turn}: sent back by {by}: {one_line(reasons[0])}"
            case GaveUp(reason=reason):
                line = f"{message.turn}: {reason}"
        self.table.say(f"proposer: {line}")
