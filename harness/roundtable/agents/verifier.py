"""The Verifier: decides before compiling whether a proposal can work. It computes and asks no model."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from autogen_core import MessageContext, message_handler

from harness.errors import UserError
from harness.roundtable.agents.base import BaseMatMulAgent
from harness.roundtable.conversation.messages import Role, SentBack, Verified, VerifyRequest
from harness.verdict import one_line


class VerifierAgent(BaseMatMulAgent):
    """Proves bilinear schemes and checks schedules; a refusal returns its reasons to the Proposer."""

    role: ClassVar[Role] = Role.VERIFIER

    @message_handler
    async def on_verify(self, message: VerifyRequest, ctx: MessageContext) -> None:
        """Announce Verified, or SentBack with the reasons."""
        schedules = self.table.schedules
        try:
            objections = await asyncio.to_thread(schedules.objections, message.proposal)
            facts = [] if objections else schedules.facts(message.proposal)
        except UserError as error:
            objections, facts = [str(error)], []
        if objections:
            self.table.say(f"verifier: sent back: {one_line(objections[0])}")
            await self.announce(message.turn, SentBack(by="verifier", reasons=objections))
        else:
            await self.announce(message.turn, Verified(facts=facts))
