"""What lies on the table: the services that every agent may use in one run."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.announce import Announce
from harness.machine import Machine
from harness.minds.protocol import Minds
from harness.roundtable.conversation.budget import Spending
from harness.roundtable.conversation.interfaces import (
    Judge,
    LibraryInterface,
    MemoryInterface,
    ScheduleInterface,
)
from harness.roundtable.conversation.messages import GroupChatMessage, Judged
from harness.roundtable.runlog.journal import Journal
from harness.roundtable.runlog.transcript import Replay, Transcript
from harness.settings import Settings
from harness.verdict import Verdict


@dataclass
class Table:
    """One run's services. `events` is the conversation so far, earlier sessions of a resumed run included."""

    run_id: str
    seed: int
    generations: int
    population: int
    settings: Settings
    machine: Machine
    toolchain: str
    judge: Judge
    minds: Minds
    memory: MemoryInterface
    library: LibraryInterface | None
    schedules: ScheduleInterface
    journal: Journal
    transcript: Transcript
    replay: Replay | None
    spending: Spending
    say: Announce
    events: list[GroupChatMessage] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    ended: str = "finished"
    interruption: BaseException | None = None

    @property
    def threads(self) -> int:
        """How many threads a kernel of this run's class is timed with."""
        return len(self.machine.cores) if self.settings.threads == "all" else 1

    def say_to_all(self, message: GroupChatMessage) -> None:
        """On disk first, then part of the conversation."""
        self.journal.say(message, self.spending.tokens, self.spending.spent_s)
        self.events.append(message)

    def judged(self) -> list[Judged]:
        """Every verdict of this run so far, in order."""
        return [message.content for message in self.events if isinstance(message.content, Judged)]
