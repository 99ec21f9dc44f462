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
        request = self._first_open(writes_freely)
        if request is not None:
            # An accepted kernel is stored even when the budget was used up in the meantime, and what workers judge
            # is recorded.
            finishes = isinstance(request, RememberRequest) or self._is_under_way(request)
            if not finishes and (reason := table.spending.exhausted()):
                table.ended = reason
                table.say(f"manager: {reason}; accepted kernels are kept")
                return
            await self.request(_asked(request), request)

    def _is_under_way(self, request: Request) -> bool:
        """Whether workers have begun to judge: a generation is dealt as a whole when its first verdict is asked for."""
        if self.table.workers is None or not isinstance(request, JudgeRequest):
            return False
        generation = request.turn.generation
        return any(one.judged for turn, one in self._states.items() if turn.generation == generation)

    def _first_open(self, writes_freely: bool) -> Request | None:
        """The request of the first slot that has one; with workers, a generation is judged once it is all written."""
        held: JudgeRequest | None = None
        for state in self._states.values():
            if held is not None and state.turn.generation != held.turn.generation:
                break
            request = state.next_request(self.table.settings.budget, writes_freely)
            if request is not None and not (self.table.workers and isinstance(request, JudgeRequest)):
                return request
            if held is None and isinstance(request, JudgeRequest):
                held = request
        return held


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
