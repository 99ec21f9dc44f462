"""--generate: the round table evolves kernels, and each candidate's gates run as live items of the same session."""

from __future__ import annotations

import asyncio

import pytest

from harness.candidate import KERNEL_FILE, Candidate
from harness.errors import HarnessFaultError
from harness.front_door.collect import KernelFile
from harness.front_door.session import SessionState
from harness.pipeline import Inspection
from harness.verdict import Accepted, At, Gate, HarnessError, Rejection, Verdict


class LiveJudge:
    """The judge as the agents see it: a function from candidate to verdict that runs pytest items."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session
        # The accepted kernels of this session, in the order judged.
        self.accepted: list[Inspection] = []

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
        if isinstance(verdict, Accepted):
            self.accepted.append(kernel.inspection())
        return verdict


def evolve_in_session(session: pytest.Session, state: SessionState) -> tuple[str, ...]:
    """Run the evolution that the settings ask for; returns notices to print below the table.

    Raises UserError with one line for a person.
    """
    from harness.roundtable.run import run_evolution

    settings = state.settings
    session.testscollected += settings.generate * settings.population * len(Gate)
    judge = LiveJudge(session)
    notices = asyncio.run(run_evolution(state.shared, judge, state.say)).notices
    return (*notices, *_final(judge.accepted))


def _final(accepted: list[Inspection]) -> list[str]:
    """The duel of the two best kernels of a run whose intervals overlap, as a line below the table."""
    scored = [(one, one.verdict.score.claimed) for one in accepted if isinstance(one.verdict, Accepted)]
    scored.sort(key=lambda pair: pair[1].ratio, reverse=True)
    if len(scored) < 2 or scored[0][1].ratio_low > scored[1][1].ratio_high:
        return []
    first, second = scored[0][0], scored[1][0]
    if first.threads != second.threads:
        return []
    try:
        found = first.duel(second.as_rival())
    except HarnessFaultError:
        return []
    if isinstance(found, Rejection):
        return []
    names = (first.candidate.name, second.candidate.name)
    interval = f"{found} ({found.seconds:.0f} s)"
    if found.standing == "level":
        return [f"final: {names[0]} and {names[1]} are level: {interval}"]
    winner, other = names if found.standing == "faster" else names[::-1]
    return [f"final: {winner} is faster than {other}; {names[0]} against {names[1]}: {interval}"]
