"""BaseMatMulAgent: what the five agents share. Each is asked on its own topic and announces events to all."""

from __future__ import annotations

from typing import ClassVar

from autogen_core import MessageContext, RoutedAgent, TopicId, message_handler

from harness.roundtable.agents.table import Table
from harness.roundtable.conversation.messages import Event, GroupChatMessage, Message, ProposalSlot, Role

GROUP_TOPIC = "round-table"


class BaseMatMulAgent(RoutedAgent):
    """One agent. An exception in a handler ends the run: the runtime re-raises it when it stops."""

    role: ClassVar[Role]

    def __init__(self, table: Table) -> None:
        super().__init__(f"The {self.role} of the matrix multiplication round table")
        self.table = table

    @message_handler
    async def on_group_chat(self, message: GroupChatMessage, ctx: MessageContext) -> None:
        """Receives every announced event."""
        await self.hear(message)

    async def hear(self, message: GroupChatMessage) -> None:
        """React to an event. Events are kept in the table, where the agents look them up; only the Manager overrides
        this.
        """

    async def announce(self, turn: ProposalSlot, event: Event) -> None:
        """Record the event, then publish it to all agents."""
        message = GroupChatMessage(sender=self.role, turn=turn, content=event)
        self.table.publish(message)
        await self.publish_message(message, TopicId(GROUP_TOPIC, self.table.run_id))

    async def request(self, role: Role, message: Message) -> None:
        """Send a request to one agent."""
        await self.publish_message(message, TopicId(role.value, self.table.run_id))
