"""Recovery after a kill: makes candidate folders, journals and memory agree again, for resumed and for
abandoned runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.errors import UserError
from harness.machine import Machine
from harness.roundtable.agents.tester import mark, remember
from harness.roundtable.conversation.interfaces import MemoryInterface
from harness.roundtable.conversation.messages import (
    Coded,
    GroupChatMessage,
    Judged,
    ProposalSlot,
    RememberedIt,
    Role,
)
from harness.roundtable.runlog import candidate_folders, codec, journal
from harness.roundtable.runlog.journal import Journal, RunHistory
from harness.settings import Settings
from harness.verdict import Accepted


def restore(settings: Settings, history: RunHistory) -> None:
    """Write the folders that were announced but not written, and mark the outcomes that were recorded but not
    marked.
    """
    settings = replace(settings, suite=history.head.suite)
    coded = _coded(history)
    for one in coded.values():
        candidate_folders.write(settings.candidates, one.candidate, one.source, one.manifest)
    for message in history.messages:
        if isinstance(judged := message.content, Judged):
            verdict = codec.from_plain(judged.verdict)
            mark(settings, coded[judged.candidate], verdict, history.head.fingerprint, history.head.toolchain)


def catch_up(
    settings: Settings, memory: MemoryInterface, machine: Machine, say: Callable[[str], None]
) -> None:
    """Store the accepted kernels of interrupted runs on this machine in the memory, resumed or not.

    Folders that still exist are marked; a folder that somebody removed stays removed.
    """
    for path in sorted(settings.results.glob(f"*/{journal.JOURNAL}")):
        history = _unfinished(path.parent)
        here = {machine.identity(threads) for threads in ("1", "all")}
        if history is None or history.head.fingerprint not in here:
            continue
        coded, head = _coded(history), history.head
        for message, verdict in _forgotten(history):
            assert isinstance(message.content, Judged)
            one = coded[message.content.candidate]
            kept = remember(memory, one, verdict, machine, head.toolchain, head.suite)
            if (settings.candidates / one.candidate).is_dir():
                mark(replace(settings, suite=head.suite), one, verdict, head.fingerprint, head.toolchain)
            _note(path.parent, history, message.turn, RememberedIt(candidate=one.candidate, memory_id=kept))
            say(
                f"{one.candidate} was accepted before run {head.run_id} was interrupted; it is stored in the memory now"
            )


def _note(run: Path, history: RunHistory, turn: ProposalSlot, event: RememberedIt) -> None:
    """Record it in the journal, so that it is not repeated and a resumed run knows about it."""
    written = Journal(run)
    written.record(
        GroupChatMessage(sender=Role.TESTER, turn=turn, content=event), history.tokens, history.spent_s
    )
    written.close()


def _unfinished(run: Path) -> RunHistory | None:
    """The history of an interrupted run; None for a finished or unreadable one."""
    try:
        history = journal.read(run)
    except UserError:
        return None
    return history if history.ended is None else None


def _coded(history: RunHistory) -> dict[str, Coded]:
    return {m.content.candidate: m.content for m in history.messages if isinstance(m.content, Coded)}


def _forgotten(history: RunHistory) -> list[tuple[GroupChatMessage, Accepted]]:
    known = {m.content.candidate for m in history.messages if isinstance(m.content, RememberedIt)}
    found = []
    for message in history.messages:
        if isinstance(judged := message.content, Judged) and judged.candidate not in known:
            verdict = codec.from_plain(judged.verdict)
            if isinstance(verdict, Accepted):
                found.append((message, verdict))
    return found
