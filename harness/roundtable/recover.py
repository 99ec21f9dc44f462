"""After a kill: makes folders, journals and memory agree again, for a run that goes on and for those that do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import UserError
from harness.machine import Machine
from harness.roundtable import codec, folder, journal
from harness.roundtable.journal import Story
from harness.roundtable.messages import Coded, Judged, RememberedIt
from harness.roundtable.ports import KernelMemory
from harness.roundtable.tester import mark, remember
from harness.settings import Settings
from harness.verdict import Accepted


def restore(settings: Settings, story: Story) -> None:
    """Write folders that were announced but not written, and mark outcomes that were recorded but not marked."""
    coded = _coded(story)
    for one in coded.values():
        folder.write(settings.candidates, one.candidate, one.source, one.manifest)
    for message in story.messages:
        if isinstance(judged := message.content, Judged):
            verdict = codec.from_plain(judged.verdict)
            mark(settings, coded[judged.candidate], verdict, story.head.fingerprint, story.head.toolchain)


def catch_up(settings: Settings, memory: KernelMemory, machine: Machine, say: Callable[[str], None]) -> None:
    """Bring what interrupted runs on this machine had accepted into the memory, whether or not they are resumed."""
    for path in sorted(settings.results.glob(f"*/{journal.JOURNAL}")):
        story = _unfinished(path.parent)
        if story is None or story.head.fingerprint != machine.fingerprint:
            continue
        restore(settings, story)
        coded = _coded(story)
        for name, verdict in _forgotten(story).items():
            remember(memory, coded[name], verdict, machine, story.head.toolchain, story.head.suite)
            say(f"{name} was accepted before run {story.head.run_id} was interrupted; now it is remembered")


def _unfinished(run: Path) -> Story | None:
    """The story of an interrupted run; None for a finished one and for one that cannot be read."""
    try:
        story = journal.read(run)
    except UserError:
        return None
    return story if story.ended is None else None


def _coded(story: Story) -> dict[str, Coded]:
    return {m.content.candidate: m.content for m in story.messages if isinstance(m.content, Coded)}


def _forgotten(story: Story) -> dict[str, Accepted]:
    known = {m.content.candidate for m in story.messages if isinstance(m.content, RememberedIt)}
    found = {}
    for message in story.messages:
        if isinstance(judged := message.content, Judged) and judged.candidate not in known:
            verdict = codec.from_plain(judged.verdict)
            if isinstance(verdict, Accepted):
                found[judged.candidate] = verdict
    return found
