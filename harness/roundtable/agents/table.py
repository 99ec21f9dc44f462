"""The Table: the services and the conversation of one run, shared by all agents."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.announce import Announce
from harness.machine import Machine
from harness.minds.protocol import Minds
from harness.roundtable.conversation.budget import Spending
from harness.roundtable.conversation.interfaces import (
    Judge,
    LibraryInterface,
    Listener,
    MemoryInterface,
    ScheduleInterface,
    Screen,
    Workers,
)
from harness.roundtable.conversation.messages import GroupChatMessage, Judged
from harness.roundtable.runlog.journal import Journal
from harness.roundtable.runlog.transcript import Replay, Transcript
from harness.settings import Settings
from harness.verdict import Verdict


@dataclass
class Table:
    """The services of one run. `events` is the conversation so far, including earlier sessions of a resumed run."""

    run_id: str
    seed: int
    generations: int
    population: int
    settings: Settings
    machine: Machine
    toolchain: str
    # The baseline's label in verdicts, to tell which kernels of the memory were measured against it.
    baseline: str
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
    # None where schedules are proposed without being timed first.
    screen: Screen | None = None
    hear: Listener | None = None
    # With workers, the candidates of a generation are judged side by side, once all are written.
    workers: Workers | None = None
    events: list[GroupChatMessage] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    ended: str = "finished"
    interruption: BaseException | None = None

    @property
    def threads(self) -> int:
        """Number of threads with which kernels of this run's thread class are timed."""
        return len(self.machine.cores) if self.settings.threads == "all" else 1

    def publish(self, message: GroupChatMessage) -> None:
        """Write the event to the journal, then append it to the conversation and tell whoever watches."""
        self.journal.record(message, self.spending.tokens, self.spending.spent_s)
        self.events.append(message)
        if self.hear is not None:
            self.hear(message)

    def judged(self) -> list[Judged]:
        """Every verdict of this run so far, in order."""
        return [message.content for message in self.events if isinstance(message.content, Judged)]
