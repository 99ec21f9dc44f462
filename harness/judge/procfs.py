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


def waited_ns(pid: int) -> int:
    """Time so far that the main thread of `pid`, or this very thread, was ready to run while others had its core.

    They take turns, one waits for the other, so the two times never overlap. The second field of schedstat; 0 where
    the system does not tell.
    """
    total = 0
    for path in (f"/proc/{pid}/schedstat", "/proc/thread-self/schedstat"):
        fields = _text(Path(path)).split()
        total += int(fields[1]) if len(fields) > 1 else 0
    return total


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
