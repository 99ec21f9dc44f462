"""The budgets of a run: tokens over all models, minutes over all sessions of the run."""

from __future__ import annotations

import time

from harness.settings import Budget


class Spending:
    """Counts tokens and time; a resumed run starts from the amounts in its journal."""

    def __init__(self, budget: Budget, tokens: int = 0, spent_s: float = 0.0) -> None:
        self.budget = budget
        self.tokens = tokens
        self._before_s = spent_s
        self._start = time.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds worked on this run, earlier sessions included."""
        return self._before_s + time.monotonic() - self._start

    @property
    def left_tokens(self) -> int | None:
        """Tokens that may still be spent; None is unlimited."""
        return None if self.budget.max_tokens is None else max(0, self.budget.max_tokens - self.tokens)

    @property
    def left_s(self) -> float | None:
        """Seconds that may still be spent; None is unlimited."""
        return (
            None if self.budget.max_minutes is None else max(0.0, self.budget.max_minutes * 60 - self.spent_s)
        )

    def add_tokens(self, tokens: int) -> None:
        """Add the tokens of a prompt and its answer."""
        self.tokens += tokens

    def exhausted(self) -> str | None:
        """The budget that is used up, as a line for a person; None when there is none."""
        if self.left_tokens == 0:
            return f"the budget of {self.budget.max_tokens} tokens is used up (--max-tokens)"
        if self.left_s == 0:
            return f"the budget of {self.budget.max_minutes:g} minutes is used up (--max-minutes)"
        return None
