"""--generate: the round table evolves kernels, and each candidate's gates run as live items of the same session."""

from __future__ import annotations

import asyncio

import pytest

from harness.candidate import KERNEL_FILE, Candidate
from harness.front_door.collect import KernelFile
from harness.front_door.session import SessionState
from harness.verdict import At, Gate, HarnessError, Verdict


class LiveJudge:
    """The judge as the agents see it: a function from candidate to verdict that runs pytest items."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session

    def __call__(self, candidate: Candidate) -> Verdict:
        """Judge one candidate now; raises KeyboardInterrupt like any pytest item."""
        kernel = KernelFile.from_parent(self.session, path=candidate.folder / KERNEL_FILE)
        kernel.generated = True
        items = list(kernel.collect())
        self.session.items.extend(item for item in items if isinstance(item, pytest.Item))
        self.session.testscollected = max(self.session.testscollected, len(self.session.items))
        for item, following in zip(items, [*items[1:], None], strict=True):
            self.session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.session.shouldstop:
                raise self.session.Interrupted(self.session.shouldstop)
        verdict = kernel.inspection().verdict
        if verdict is None:
            return HarnessError("the gates ended without a verdict", At(Gate.CLOCK))
        return verdict


def evolve_in_session(session: pytest.Session, state: SessionState) -> tuple[str, ...]:
    """Run the evolution that the settings ask for; returns notices to print below the table.

    Raises UserError with one line for a person.
    """
    from harness.roundtable.run import run_evolution

    settings = state.settings
    session.testscollected += settings.generate * settings.population * len(Gate)
    return asyncio.run(run_evolution(state.shared, LiveJudge(session), state.say)).notices
