"""What /proc tells of a worker: its threads, and what disturbed it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple


class Disturbance(NamedTuple):
    """Counted since the start of the process (switches) and of the machine (steal)."""

    involuntary_switches: int
    steal_ns: int


NOTHING = Disturbance(0, 0)


def disturbance(pid: int) -> Disturbance:
    """Involuntary context switches of all threads of `pid`; time stolen by the hypervisor from all cores."""
    switches = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        found = re.search(r"^nonvoluntary_ctxt_switches:\s*(\d+)", _text(status), re.MULTILINE)
        switches += int(found[1]) if found else 0
    fields = _text(Path("/proc/stat")).partition("\n")[0].split()
    ticks = int(fields[8]) if len(fields) > 8 else 0
    return Disturbance(switches, ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK"))


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


def threads(pid: int) -> tuple[int, int]:
    """Threads that are alive, and how many of them besides the main one were running at that moment."""
    alive = running = 0
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        state = _text(stat).rpartition(")")[2].split()
        if not state or state[0] in "ZX":
            continue
        alive += 1
        running += state[0] == "R" and stat.parent.name != str(pid)
    return alive, running


def _text(path: Path) -> str:
    """Empty when it vanished meanwhile or does not exist on this system."""
    try:
        return path.read_text()
    except OSError:
        return ""
