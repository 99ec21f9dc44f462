"""Recognises proposals that were tried before: by the schedule's key, by the source's hash, or by similar
descriptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.durable import JsonObject
from harness.roundtable.agents import context
from harness.roundtable.agents.table import Table
from harness.roundtable.conversation.messages import TEMPLATE, Coded, Proposed

if TYPE_CHECKING:
    from harness.store.embedders import Embedder

# Cosine similarity above which two descriptions count as the same; measured on paraphrases and knob changes in
# the tests.
ALIKE = 0.97


@dataclass
class TriedProposals:
    """What was tried on this machine and thread class: schedule keys and descriptions of free code, by
    candidate name.
    """

    keys: dict[str, str] = field(default_factory=dict)
    ideas: dict[str, str] = field(default_factory=dict)
    embedder: Embedder | None = None
    key_of: Any = None

    @classmethod
    def of(cls, table: Table) -> TriedProposals:
        """Collected from the memory (this machine class and thread count) and from this run."""
        tried = cls(embedder=getattr(table.memory, "embedder", None), key_of=table.schedules.key)
        here = table.machine.machine_class
        for one in table.memory.best(1_000_000, here, table.threads):
            if one.machine_class == here and one.schedule is not None and context.is_comparable(table, one):
                tried.keys[table.schedules.key(one.schedule)] = one.name
        for message in table.events:
            event = message.content
            if isinstance(event, Coded):
                tried._add(event.candidate, event.manifest.get("proposal") or {}, event.how)
        return tried

    def _add(self, name: str, proposal: JsonObject, how: str) -> None:
        if "schedule" not in proposal:
            return
        if how == TEMPLATE:
            self.keys[self.key_of(proposal["schedule"])] = name
        else:
            self.ideas[name] = describe(proposal, how, self.key_of)

    def recognise(self, event: Proposed) -> str | None:
        """Why the proposal is a duplicate; None when it is new."""
        if event.coding == TEMPLATE:
            name = self.keys.get(self.key_of(event.proposal["schedule"]))
            return f"exactly this schedule was tried as {name}; change at least one knob" if name else None
        name = self._alike(describe(event.proposal, event.coding, self.key_of))
        return f"this is the same idea as {name} in other words; propose something else" if name else None

    def _alike(self, idea: str) -> str | None:
        if not self.ideas:
            return None
        from harness.store.embedders import HashedEmbedder

        embedder = self.embedder or HashedEmbedder()
        vectors = embedder.embed_documents([idea, *self.ideas.values()])
        cosines = vectors[1:] @ vectors[0]
        nearest = int(cosines.argmax())
        return list(self.ideas)[nearest] if cosines[nearest] >= ALIKE else None


def describe(proposal: JsonObject, coding: str, key_of: Any) -> str:
    """The description of free code; it starts with the schedule's key, so that the same words for another schedule
    differ.
    """
    return (
        f"{key_of(proposal['schedule'])} {coding}: {proposal.get('algorithm', '')}. {proposal.get('why', '')}"
    )
