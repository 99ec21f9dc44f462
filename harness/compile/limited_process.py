"""Runs a helper program on untrusted input with limits on time, output and memory, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import HarnessFaultError

# A program that computes and got less of a core than this share of its time says that the machine is too busy.
BUSY_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class ProcessOutcome:
    """How the program ended. `code` is negative for a signal; `timed_out` and `flooded` mean that it was
    killed for it. `starved`: it was killed for its time, but had little of a core in it.
    """

    code: int
    out: str
    log: str
    wall_s: float
    timed_out: bool
    flooded: bool
    starved: bool = False


def run(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    limit_s: float,
    output_limit: int,
    stdin: bytes = b"",
    memory_limit: int | None = None,
) -> ProcessOutcome:
    """Run `command` in `folder` as its own process group; its input and output go through anonymous files.

    The whole group is killed after `limit_s` seconds of wall time, after `output_limit` bytes of output, and when this
    process is interrupted. On Linux it gets at most `memory_limit` bytes of address space and writes no core file.
    Raises HarnessFaultError when the program cannot be started.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as fed:
        fed.write(stdin)
        fed.seek(0)
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=fed,
                stdout=out,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise HarnessFaultError(f"{command[0]} cannot be started: {error.strerror}") from error
        try:
            _limit(process, memory_limit)
            timed_out, flooded = _watch(process, started + limit_s, (out, log), output_limit)
            starved = timed_out and _cpu_s(process.pid) < BUSY_SHARE * limit_s
        finally:
            _kill_group(process)
        return ProcessOutcome(
            code=process.returncode,
            out=_read(out, output_limit),
            log=_read(log, output_limit),
            wall_s=time.monotonic() - started,
            timed_out=timed_out,
            flooded=flooded,
            starved=starved,
        )


def _limit(process: subprocess.Popen[bytes], memory_limit: int | None) -> None:
    """Set the limits from outside, just after the start: code between fork and exec is unsafe in a threaded process."""
    if sys.platform != "linux":
        return
    import resource

    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
        if memory_limit is not None:
            resource.prlimit(process.pid, resource.RLIMIT_AS, (memory_limit, memory_limit))


def _watch(
    process: subprocess.Popen[bytes], deadline: float, files: Sequence[IO[bytes]], limit: int
) -> tuple[bool, bool]:
    """Wait for the end; returns whether the wall clock or the output limit was exceeded."""
    nap_s = 0.002
    while process.poll() is None:
        if time.monotonic() > deadline:
            return True, False
        if sum(os.fstat(file.fileno()).st_size for file in files) > limit:
            return False, True
        time.sleep(nap_s)
        nap_s = min(nap_s * 1.5, 0.05)
    return False, False


def _cpu_s(group: int) -> float:
    """CPU seconds of the living processes of a group and of their ended children; infinite where no /proc tells."""
    if sys.platform != "linux":
        return float("inf")
    used = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # A process may end while this reads.
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            used += sum(map(int, fields[11:15])) if int(fields[2]) == group else 0
    return used / os.sysconf("SC_CLK_TCK")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and everything it started; the group may outlive its leader."""
    # The group may be empty; macOS reports EPERM for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(file: IO[bytes], limit: int) -> str:
    file.seek(0)
    return file.read(limit).decode("utf-8", errors="replace")
