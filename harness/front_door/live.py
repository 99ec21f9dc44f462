"""--generate: the round table evolves, and each candidate's gates run as live pytest items of the same session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from harness.candidate import KERNEL_FILE, Candidate
from harness.errors import UserError
from harness.front_door.collect import KernelFile
from harness.front_door.session import SessionState
from harness.front_door.summary import Summary
from harness.settings import Settings
from harness.verdict import At, Gate, HarnessError, Verdict

if TYPE_CHECKING:
    from filelock import FileLock


class LiveJudge:
    """The judge as the agents know it: a function from candidate to verdict, run as pytest items."""

    def __init__(self, session: pytest.Session, state: SessionState) -> None:
        self.session = session
        self.state = state

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


def evolve_in_session(session: pytest.Session, state: SessionState, summary: Summary) -> None:
    """Run the evolution that the settings ask for; raises UserError with one line for a person."""
    from harness.roundtable.run import run_evolution

    settings = state.settings
    session.testscollected += settings.generate * settings.population * len(Gate)
    result = asyncio.run(run_evolution(state, LiveJudge(session, state), summary.say))
    summary.notices.extend(result.notices)


def claim_the_table(settings: Settings) -> FileLock:
    """One evolution at a time in a checkout: its lock, held until this process ends.

    Raises UserError when another one runs, or when the results folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(settings.results / "generate.lock")
    try:
        settings.results.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another pytest --generate is running in {settings.root}; wait for it, or work in a second clone"
        ) from None
    except OSError as error:
        raise UserError(
            f"{settings.results}: cannot be written: {error.strerror}; make it writable"
        ) from None
    return lock
