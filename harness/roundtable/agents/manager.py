"""MatMulManager: silent. Keeps the order Proposer → Verifier → Coder → Tester and the budgets; ends the run cleanly."""

from __future__ import annotations

from typing import ClassVar

from autogen_core import MessageContext, message_handler

from harness.minds.protocol import Tuner
from harness.roundtable.agents.base import BaseMatMulAgent
from harness.roundtable.agents.table import Table
from harness.roundtable.conversation.messages import (
    Begin,
    CodeRequest,
    GroupChatMessage,
    JudgeRequest,
    ProposalSlot,
    ProposeRequest,
    RememberRequest,
    Role,
    VerifyRequest,
)
from harness.roundtable.conversation.progress import Request, SlotProgress


class MatMulManager(BaseMatMulAgent):
    """Asks whoever is next; says nothing itself. Its state is a fold of what was said: a resumed run just goes on."""

    role: ClassVar[Role] = Role.MANAGER

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._states = {
            ProposalSlot(generation=generation, slot=slot): SlotProgress(
                ProposalSlot(generation=generation, slot=slot)
            )
            for generation in range(1, table.generations + 1)
            for slot in range(table.population)
        }
        for message in table.events:
            self._states[message.turn].hear(message.content)

    @message_handler
    async def on_begin(self, message: Begin, ctx: MessageContext) -> None:
        """Ask for the first open step."""
        await self._next()

    async def hear(self, message: GroupChatMessage) -> None:
        """Fold in what was said and ask for the step that follows."""
        self._states[message.turn].hear(message.content)
        await self._next()

    async def _next(self) -> None:
        table = self.table
        writes_freely = not isinstance(table.minds.of(Role.CODER), Tuner) or table.replay is not None
        for state in self._states.values():
            request = state.next_request(table.settings.budget, writes_freely)
            if request is None:
                continue
            # What was accepted is remembered even when the budget is used up meanwhile.
            if not isinstance(request, RememberRequest) and (reason := table.spending.exhausted()):
                table.ended = reason
                table.say(f"manager: {reason}; what was accepted is kept")
                return
            await self.request(_asked(request), request)
            return


def _asked(request: Request) -> Role:
    match request:
        case ProposeRequest():
            return Role.PROPOSER
        case VerifyRequest():
            return Role.VERIFIER
        case CodeRequest():
            return Role.CODER
        case JudgeRequest() | RememberRequest():
            return Role.TESTER
