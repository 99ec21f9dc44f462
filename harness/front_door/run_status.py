"""What an evolution does now, in a few words: phase, candidate, best so far, time left. For terminal and live page."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.roundtable.conversation.messages import (
    Coded,
    GaveUp,
    GroupChatMessage,
    Judged,
    NotCoded,
    Proposed,
    RememberedIt,
    SentBack,
    Verified,
)
from harness.roundtable.runlog import codec
from harness.verdict import Accepted, Gate

_AFTER = {
    Proposed: "checking the proposal",
    SentBack: "proposing again",
    Verified: "writing the kernel",
    NotCoded: "writing the kernel again",
    Coded: "judging",
    Judged: "judged",
    RememberedIt: "proposing",
    GaveUp: "proposing",
}


class RunStatus:
    """The state of a run as its events tell it. `now` gives seconds.

    The time left is the mean time of the proposals finished in this session, times those to come.
    """

    def __init__(self, generations: int, population: int, now: Callable[[], float] = time.monotonic) -> None:
        self.generations = generations
        self.population = population
        self._now = now
        self._began = self._finished_at = now()
        # Proposals finished, in all and before this session; None before the first event.
        self._finished = 0
        self._before: int | None = None
        self._phase, self._candidate, self._best = "preparing", "", 0.0

    def recall(self, message: GroupChatMessage) -> None:
        """Take the best kernel from an event of an earlier session of this run."""
        if isinstance(message.content, Judged):
            verdict = codec.from_plain(message.content.verdict)
            if isinstance(verdict, Accepted):
                self._best = max(self._best, verdict.score.claimed.ratio)

    def hear(self, message: GroupChatMessage) -> None:
        """Take an event that has just happened."""
        place = (message.turn.generation - 1) * self.population + message.turn.slot
        if self._before is None:
            self._before = self._finished = place
        self.recall(message)
        content = message.content
        self._phase = _AFTER[type(content)]
        if isinstance(content, Coded):
            self._candidate = content.candidate
        ends = isinstance(content, RememberedIt | GaveUp)
        if place + ends > self._finished:
            self._finished, self._finished_at = place + ends, self._now()
        if ends or isinstance(content, Proposed):
            self._candidate = ""

    def at_gate(self, gate: str) -> None:
        """A gate of the candidate begins."""
        self._phase = "timing" if gate == Gate.CLOCK else f"gate {gate}"

    def parts(self) -> list[str]:
        """Where the run is, what it does, the best so far, the time left; what is not known is left out."""
        found = [self._where(), " ".join(word for word in (self._candidate, self._phase) if word)]
        if self._best:
            found.append(f"best {self._best:.3f}x BLAS")
        left_s = self.left_s()
        if left_s is not None:
            found.append(f"about {_duration(left_s)} left")
        return [part for part in found if part]

    def left_s(self) -> float | None:
        """Estimated seconds until the end; None before the first proposal of this session is finished."""
        total = self.generations * self.population
        if self._before is None or self._finished <= self._before:
            return None
        each_s = (self._finished_at - self._began) / (self._finished - self._before)
        running_s = min(each_s, self._now() - self._finished_at)
        return max(0.0, each_s * (total - self._finished) - running_s)

    def _where(self) -> str:
        place = min(self._finished, self.generations * self.population - 1)
        where = f"generation {place // self.population + 1} of {self.generations}"
        if self.population > 1:
            where += f", proposal {place % self.population + 1} of {self.population}"
        return where


def _duration(seconds: float) -> str:
    """A rounded time, "40 s", "3 min" or "2.5 h"."""
    if seconds < 55:
        return f"{max(1, round(seconds / 5)) * 5} s"
    return f"{max(1, round(seconds / 60))} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
