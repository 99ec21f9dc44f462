"""`python -m tests.fleet.killed FOLDER`: a run with workers is killed after each of its writes, then resumed.

A process of its own, because each attempt is forked from it before Chroma has made its threads.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.durable import JsonLines
from harness.fleet.ticket_log import LOG
from harness.memory.kernels import KernelMemory, open_memory
from tests.fleet.fakes import KIN, FakePort, Plan
from tests.fleet.test_generation import judged_by_schedule, run
from tests.roundtable.support import AVX2, Scene

POPULATION = 2


class Killer:
    """Kills this process by SIGKILL after the write with this number; `what` tells the writes so far."""

    def __init__(self, number: int | None) -> None:
        self.number = number
        self.what: list[str] = []

    def around(self, call: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        def write(*arguments: Any, **named: Any) -> Any:
            found = call(*arguments, **named)
            self.what.append(name(*arguments))
            if len(self.what) - 1 == self.number:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return write


def evolve(folder: Path, killer: Killer | None, *, resume: bool) -> list[str]:
    """One session; returns the candidates that were submitted to workers."""
    if killer is not None:
        JsonLines.append = killer.around(JsonLines.append, _line)  # type: ignore[method-assign]
        KernelMemory.put = killer.around(KernelMemory.put, lambda *_: "memory")  # type: ignore[method-assign]
    port = FakePort({"home": Plan(AVX2), "kin": Plan(KIN)}, judged_by_schedule)
    with open_memory(str(folder / "memory")) as memory:
        run(Scene(folder, memory), port, generate=1, population=POPULATION, resume=resume)
        kept = Counter((one.name, one.machine) for one in memory.everything())
    assert len(kept) == 2 * POPULATION, kept
    assert set(kept.values()) == {1}, kept
    return [f"{job.candidate} {job.fingerprint}" for job, _ in port.submitted]


def _line(lines: JsonLines, entry: dict[str, Any]) -> str:
    content = entry.get("message", {}).get("content", {})
    return f"{lines.path.name} {content.get('kind') or entry.get('what') or ''}".strip()


def arrived(folder: Path) -> set[str]:
    """The outcomes that are on disk, as `evolve` names jobs; torn lines are none."""
    (log,) = (folder / "results").glob(f"*/{LOG}")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    tickets = [entry["outcome"] for entry in entries if entry["what"] == "outcome"]
    return {f"{one['ticket'].partition('.')[0]} {one['fingerprint']}" for one in tickets}


def forked(work: Callable[[], None]) -> int:
    """The wait status of `work` in a child."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def first(folder: Path, number: int | None) -> None:
    """The session that is killed; without a number it ends and leaves the names of its writes."""
    killer = Killer(number)
    evolve(folder, killer, resume=False)
    (folder / "writes").write_text("\n".join(killer.what))


def second(folder: Path) -> None:
    """The session that goes on: everything is remembered once, and nothing that had arrived is judged again."""
    known = arrived(folder) if list((folder / "results").glob(f"*/{LOG}")) else set()
    again = evolve(folder, None, resume=True)
    twice = known & set(again)
    assert not twice, f"judged again: {twice}"
    (journal,) = (folder / "results").glob("*/journal.jsonl")
    events = [
        json.loads(line).get("message", {}).get("content", {}) for line in journal.read_text().splitlines()
    ]
    for kind in ("judged", "remembered"):
        told = Counter(event["candidate"] for event in events if event.get("kind") == kind)
        assert sorted(told.values()) == [1] * POPULATION, f"{kind}: {told}"


def main(folder: Path) -> None:
    """Print a line per moment that went wrong, and the number of moments at the end."""
    whole = folder / "whole"
    assert forked(lambda: first(whole, None)) == 0
    # After the last write the run has ended, and there is nothing to resume.
    writes = (whole / "writes").read_text().splitlines()[:-1]
    for number, write in enumerate(writes):
        there = folder / str(number)
        if forked(lambda there=there, number=number: first(there, number)) != signal.SIGKILL:  # type: ignore[misc]
            print(f"killed after write {number}, {write}: it was not killed")
        elif forked(lambda there=there: second(there)):  # type: ignore[misc]
            print(f"killed after write {number}, {write}: it does not go on")
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(Counter(writes).items()))
    print(f"moments: {len(writes)} ({kinds})")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
