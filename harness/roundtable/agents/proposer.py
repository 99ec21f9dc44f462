"""The Proposer: proposes the next kernel, by the tuner or a language model, and never the same one twice."""

from __future__ import annotations

from typing import ClassVar

from autogen_core import MessageContext, message_handler

from harness.durable import JsonObject
from harness.minds.protocol import Trial, Tuner
from harness.roundtable.agents import context, proposing
from harness.roundtable.agents.base import BaseMatMulAgent
from harness.roundtable.agents.duplicates import TriedProposals
from harness.roundtable.conversation.messages import GaveUp, Proposed, ProposeRequest, Role, SentBack
from harness.roundtable.runlog import transcript
from harness.verdict import one_line

_RELATED = 3


class ProposerAgent(BaseMatMulAgent):
    """Answers a request with Proposed, SentBack or, when nothing is left to propose, GaveUp."""

    role: ClassVar[Role] = Role.PROPOSER

    @message_handler
    async def on_propose(self, message: ProposeRequest, ctx: MessageContext) -> None:
        """Propose a kernel, check that it is new, and announce it."""
        where = transcript.key(self.role, message.turn, message.attempt)
        event = self._replayed(where) if self.table.replay else await self._think(message, where)
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
        mind = self.table.minds.stand_in if message.stand_in else self.table.minds.of(self.role)
        if isinstance(mind, Tuner):
            return self._tune(mind, message)
        event = await proposing.ask(self.table, mind, message, where)
        if isinstance(event, Proposed):
            known = TriedProposals.of(self.table).recognise(event)
            if known is not None:
                return SentBack(by="memory", reasons=[known])
        return event

    def _tune(self, tuner: Tuner, message: ProposeRequest) -> Proposed | GaveUp:
        trials = context.trials(self.table)
        tuned = tuner.propose([*trials, *self._refused(trials)], message.turn.generation, message.turn.slot)
        if tuned is None:
            return GaveUp(reason="every schedule in the tuner's reach was tried on this machine")
        proposal: JsonObject = {
            "algorithm": proposing.title(tuned.schedule),
            "schedule": tuned.schedule,
            "expected_effect": "",
            "why": tuned.why,
            "passages": self._related(tuned.why),
        }
        if tuned.parent:
            proposal["parent"] = tuned.parent
        best = max((trial.ratio for trial in trials if trial.ratio is not None), default=None)
        told = f"{len(trials)} trials, best {best}"
        return Proposed(
            proposal=self.table.schedules.read_proposal(proposal),
            parents=[tuned.parent] if tuned.parent else [],
            model=tuner.name,
            prompt_hash=transcript.prompt_hash(tuner.name, f"seed {self.table.seed}, {told}"),
            passages=proposal["passages"],
            stand_in=message.stand_in,
        )

    def _related(self, why: str) -> list[str]:
        """The passages most relevant to the tuner's step, for readers of the kernel; the tuner does not use them."""
        if self.table.library is None:
            return []
        query = f"fast f32 matrix multiplication kernel on a CPU: {why}"
        return list(dict.fromkeys(p.paper_id for p in self.table.library.search(query, _RELATED)))

    def _refused(self, trials: list[Trial]) -> list[Trial]:
        """Proposals of this run that never became a template kernel; the tuner counts them as failed trials."""
        key = self.table.schedules.key
        known = {key(trial.schedule) for trial in trials}
        found = []
        for index, message in enumerate(self.table.events):
            event = message.content
            if isinstance(event, Proposed) and key(event.proposal["schedule"]) not in known:
                known.add(key(event.proposal["schedule"]))
                found.append(Trial(f"refused-{index}", event.proposal["schedule"], None))
        return found

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
