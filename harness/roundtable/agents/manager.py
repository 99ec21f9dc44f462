"""MatMulManager: keeps the order Proposer → Verifier → Coder → Tester and the budgets, and ends the run. It announces
no events.
"""

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
    """Sends the next request. Its state is a fold of the events, so a resumed run continues from them."""

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
            self._states[message.turn].apply(message.content)

    @message_handler
    async def on_begin(self, message: Begin, ctx: MessageContext) -> None:
        """Send the first open request."""
        await self._next()

    async def hear(self, message: GroupChatMessage) -> None:
        """Apply the event and send the request that follows."""
        self._states[message.turn].apply(message.content)
        await self._next()

    async def _next(self) -> None:
        table = self.table
        writes_freely = not isinstance(table.minds.of(Role.CODER), Tuner) or table.replay is not None
        for state in self._states.values():
            request = state.next_request(table.settings.budget, writes_freely)
            if request is None:
                continue
            # An accepted kernel is stored even when the budget was used up in the meantime.
            if not isinstance(request, RememberRequest) and (reason := table.spending.exhausted()):
                table.ended = reason
                table.say(f"manager: {reason}; accepted kernels are kept")
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
