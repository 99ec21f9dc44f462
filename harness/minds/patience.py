"""How long to wait for a server that has trouble, and what its trouble means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# Seconds to wait in all while a server loads its model or is busy, and the longest single pause.
LOADING_S, LONGEST_PAUSE_S = 600.0, 15.0


class Trouble(Enum):
    """Why one try got no answer; the value is the number of further tries, unlimited for LOADING."""

    LOADING = -1
    GONE = 4
    FAILED = 3
    UNUSABLE = 1


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """One try that got no answer, with one line of what the server said."""

    trouble: Trouble
    line: str


class Refused:
    """The server does not know this form of requesting JSON."""


@dataclass(slots=True)
class Patience:
    """The pauses between the tries of one question: 1, 2, 4, 8 seconds and so on. `left_s` bounds their sum."""

    left_s: float
    tries: int = 0
    waited_s: float = 0.0

    def pause_s(self, failed: NoAnswer) -> float | None:
        """Seconds until the next try; None when it is time to give up."""
        loading = failed.trouble is Trouble.LOADING
        pause_s = min(2.0**self.tries, LONGEST_PAUSE_S)
        enough = self.waited_s >= LOADING_S if loading else self.tries >= failed.trouble.value
        if enough or self.waited_s + pause_s > self.left_s:
            return None
        self.tries += 1
        self.waited_s += pause_s
        return pause_s
