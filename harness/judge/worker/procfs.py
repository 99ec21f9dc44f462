"""Reads /proc about a worker: its threads, and what disturbed it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

# Enough for the longest file read here; only the first line of /proc/stat is needed.
_MOST_BYTES = 8192
_SWITCHES = re.compile(r"^nonvoluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)
_DATA = re.compile(r"^VmData:\s*(\d+) kB", re.MULTILINE)
_STANDING = re.compile(r"^State:\s*[Tt]", re.MULTILINE)


class Glance(NamedTuple):
    """Counters of a frozen worker since its start (steal: since the machine's start), CPU time of each thread, and the
    private writable memory of the process.
    """

    involuntary_switches: int = 0
    steal_ns: int = 0
    thread_cpu_ns: Mapping[str, int] = MappingProxyType({})
    data_bytes: int = 0

    def worked_since(self, before: Glance) -> int:
        """Number of threads that used CPU between the two readings."""
        return sum(used > before.thread_cpu_ns.get(thread, 0) for thread, used in self.thread_cpu_ns.items())


def glance(pid: int) -> Glance:
    """Read the counters of the threads of a frozen worker.

    A thread that is not stopped is about to end (std's join does not wait for its last instruction); its switches
    count, but it does not count as alive.
    """
    switches = data_bytes = 0
    cpu_ns = {}
    for thread in _threads(pid):
        status = _text(f"/proc/{pid}/task/{thread}/status")
        found = _SWITCHES.search(status)
        switches += int(found[1]) if found else 0
        # The memory is that of the process; every thread reports the same.
        data = _DATA.search(status)
        data_bytes = 1024 * int(data[1]) if data else data_bytes
        fields = _text(f"/proc/{pid}/task/{thread}/schedstat").split()
        if _STANDING.search(status) and fields:
            cpu_ns[thread] = int(fields[0])
    fields = _text("/proc/stat").partition("\n")[0].split()
    ticks = int(fields[8]) if len(fields) > 8 else 0
    return Glance(switches, ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK"), cpu_ns, data_bytes)


def waits(pid: int) -> dict[str, int]:
    """Nanoseconds so far that each thread of `pid` was ready to run but had no core; key "" is the calling thread.

    Read from the second field of schedstat; empty where the system does not report it.
    """
    paths = {thread: f"/proc/{pid}/task/{thread}/schedstat" for thread in _threads(pid)}
    paths[""] = "/proc/thread-self/schedstat"
    fields = {name: _text(path).split() for name, path in paths.items()}
    return {name: int(found[1]) for name, found in fields.items() if len(found) > 1}


def waited_ns(before: dict[str, int], after: dict[str, int]) -> int:
    """Nanoseconds lost between two `waits`: by the thread that waited longest, plus by the calling thread.

    Parent and worker take turns, so their waits add up; the threads of the worker wait at the same time.
    """
    lost = {name: waited - before.get(name, 0) for name, waited in after.items()}
    own = lost.pop("", 0)
    return own + max(lost.values(), default=0)


def is_ready(pid: int) -> bool:
    """Whether any thread of a running worker runs, is ready to run, or waits for memory that is swapped out."""
    texts = (_text(f"/proc/{pid}/task/{thread}/stat") for thread in _threads(pid))
    return any(text.rpartition(")")[2].split()[:1] in (["R"], ["D"]) for text in texts)


def state(pid: int) -> str:
    """The state of the main thread as one letter; empty when the process is gone or the system does not report it."""
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[0] if fields else ""


def count_threads(pid: int) -> int:
    """Number of threads alive, from one small read; 0 when the process is gone or the system does not report it."""
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[17]) if len(fields) > 17 else 0


def _threads(pid: int) -> list[str]:
    """The thread ids; none when the process is gone or the system does not report them."""
    try:
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  (five times as fast as a Path)
    except OSError:
        return []


def _text(path: str) -> str:
    """The content of a file; empty when it vanished or does not exist on this system.

    Uses one system call, because a turn of the clock waits for it: pathlib and buffering would take ten times as long.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
