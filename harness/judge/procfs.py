"""What /proc tells of a worker: its threads, and what disturbed it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple


class Glance(NamedTuple):
    """One look at a frozen worker: counters since its start (steal: since the machine's), CPU time of each thread."""

    involuntary_switches: int = 0
    steal_ns: int = 0
    thread_cpu_ns: Mapping[str, int] = MappingProxyType({})

    def worked_since(self, before: Glance) -> int:
        """How many threads used CPU between the two looks."""
        return sum(used > before.thread_cpu_ns.get(thread, 0) for thread, used in self.thread_cpu_ns.items())


def glance(pid: int) -> Glance:
    """Look at the threads of a worker that is frozen.

    A thread that is not stopped then is on its way out (std's join does not wait for the last instruction): it is
    counted for the switches but not as alive.
    """
    switches = 0
    cpu_ns = {}
    for task in Path(f"/proc/{pid}/task").glob("*"):
        status = _text(task / "status")
        found = re.search(r"^nonvoluntary_ctxt_switches:\s*(\d+)", status, re.MULTILINE)
        switches += int(found[1]) if found else 0
        fields = _text(task / "schedstat").split()
        if re.search(r"^State:\s*[Tt]", status, re.MULTILINE) and fields:
            cpu_ns[task.name] = int(fields[0])
    fields = _text(Path("/proc/stat")).partition("\n")[0].split()
    ticks = int(fields[8]) if len(fields) > 8 else 0
    return Glance(switches, ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK"), cpu_ns)


def waits(pid: int) -> dict[str, int]:
    """Nanoseconds so far that each thread of `pid` was ready to run while others had its core.

    Under "" the same of this very thread. The second field of schedstat; nothing where the system does not tell.
    """
    paths = {task.name: task / "schedstat" for task in Path(f"/proc/{pid}/task").glob("*")}
    paths[""] = Path("/proc/thread-self/schedstat")
    fields = {name: _text(path).split() for name, path in paths.items()}
    return {name: int(found[1]) for name, found in fields.items() if len(found) > 1}


def waited_ns(before: dict[str, int], after: dict[str, int]) -> int:
    """How much of the time between two `waits` was lost: by the thread that waited longest, and then by this one.

    Parent and worker take turns, so their waiting adds up; the threads of the worker wait at the same time.
    """
    passed = {name: waited - before.get(name, 0) for name, waited in after.items()}
    ours = passed.pop("", 0)
    return ours + max(passed.values(), default=0)


def runnable(pid: int) -> bool:
    """Whether any thread of a worker that is not frozen runs or wants to."""
    stats = (_text(path).rpartition(")")[2].split() for path in Path(f"/proc/{pid}/task").glob("*/stat"))
    return any(fields[:1] == ["R"] for fields in stats)


def count_threads(pid: int) -> int:
    """Threads that are alive; one small read, 0 when the process is gone or the system does not tell."""
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return int(fields[17]) if len(fields) > 17 else 0


def _text(path: Path) -> str:
    """Empty when it vanished meanwhile or does not exist on this system."""
    try:
        return path.read_text()
    except OSError:
        return ""
