"""--generate: the round table evolves kernels, and each candidate's gates run as live items of the same session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.announce import Announce
from harness.errors import HarnessFaultError
from harness.front_door.live_judge import LiveJudge
from harness.front_door.session import SessionState
from harness.pipeline import Inspection
from harness.settings import Settings
from harness.verdict import Accepted, Gate, Rejection

if TYPE_CHECKING:
    from harness.front_door.run_status import RunStatus


def evolve_in_session(session: pytest.Session, state: SessionState) -> tuple[str, ...]:
    """Run the evolution that the settings ask for; returns notices to print below the table.

    Raises UserError with one line for a person.
    """
    from harness.front_door.live_view import watched
    from harness.roundtable.run import run_evolution

    settings = state.settings
    session.testscollected += settings.generate * settings.population * len(Gate)
    run_id, status = _begin(settings)
    with (
        _judge(session, state, settings.results / run_id) as judge,
        watched(session, state, settings.results / run_id, status) as watching,
    ):
        evolution = run_evolution(
            state.shared, judge, state.say, run_id, watching.hear, judge.workers, judge.home
        )
        notices = asyncio.run(evolution).notices
    return (*notices, *judge.notices(), *_final(judge.accepted, state.say))


@contextmanager
def _judge(session: pytest.Session, state: SessionState, run: Path) -> Iterator[LiveJudge]:
    """The judge of this session: its own process, or the workers that --workers names."""
    if state.settings.workers is None:
        yield LiveJudge(session)
        return
    from harness.front_door.live_fleet import fleet_judge

    with fleet_judge(session, state, run) as judge:
        yield judge


def _begin(settings: Settings) -> tuple[str, RunStatus]:
    """The id of the run that begins or, with --resume, goes on; and what is known of its state.

    Raises UserError when there is nothing to resume.
    """
    from harness.front_door.run_status import RunStatus
    from harness.roundtable.evolve import new_run_id
    from harness.roundtable.runlog import journal

    if not settings.resume:
        return new_run_id(), RunStatus(settings.generate, settings.population)
    folder = journal.latest_unfinished(settings.results)
    history = journal.read(folder)
    status = RunStatus(max(history.head.generations, settings.generate), history.head.population)
    for message in history.messages:
        status.recall(message)
    return folder.name, status


def _final(accepted: list[Inspection], say: Announce) -> list[str]:
    """The duel of the two best kernels of a run whose intervals overlap, as a line below the table.

    It may take over a minute, so it is announced.
    """
    scored = [(one, one.verdict.score.claimed) for one in accepted if isinstance(one.verdict, Accepted)]
    scored.sort(key=lambda pair: pair[1].ratio, reverse=True)
    if len(scored) < 2 or scored[0][1].ratio_low > scored[1][1].ratio_high:
        return []
    first, second = scored[0][0], scored[1][0]
    if first.threads != second.threads:
        return []
    say(f"final: timing {first.candidate.name} against {second.candidate.name}, whose intervals overlap")
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
