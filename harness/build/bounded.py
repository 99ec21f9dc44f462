"""Run one helper program on untrusted input with a wall clock, a cap on what it says, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessFaultError


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. `code` is negative for a signal; `timed_out` and `flooded` mean that we killed it."""

    code: int
    out: str
    log: str
    wall_s: float
    timed_out: bool
    flooded: bool


def run(
    command: Sequence[str | Path],
    scratch: Path,
    environment: Mapping[str, str],
    limit_s: float,
    output_limit: int,
    stdin: Path | None = None,
) -> Outcome:
    """Run `command` in `scratch` as its own process group; stdout and stderr go to files there.

    The whole group is killed at `limit_s` seconds of wall time, when it has written `output_limit` bytes, and when
    we are interrupted. Raises HarnessFaultError when the program cannot be started.
    """
    out, log = scratch / ".stdout", scratch / ".stderr"
    started = time.monotonic()
    with out.open("wb") as out_file, log.open("wb") as log_file, (stdin or Path(os.devnull)).open("rb") as in_file:
        try:
            process = subprocess.Popen(
                command, cwd=scratch, env=dict(environment), stdin=in_file, stdout=out_file, stderr=log_file,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise HarnessFaultError(f"{command[0]} cannot be started: {error.strerror}") from error
        try:
            timed_out, flooded = _watch(process, started + limit_s, (out, log), output_limit)
        finally:
            _kill_group(process)
    return Outcome(
        code=process.returncode,
        out=_read(out, output_limit),
        log=_read(log, output_limit),
        wall_s=time.monotonic() - started,
        timed_out=timed_out,
        flooded=flooded,
    )


def _watch(process: subprocess.Popen[bytes], deadline: float, files: Sequence[Path], limit: int) -> tuple[bool, bool]:
    """Wait for the end; True for what was exceeded first, wall clock or output."""
    nap_s = 0.002
    while process.poll() is None:
        if time.monotonic() > deadline:
            return True, False
        if sum(file.stat().st_size for file in files) > limit:
            return False, True
        time.sleep(nap_s)
        nap_s = min(nap_s * 1.5, 0.05)
    return False, False


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the process and everything it started; the group outlives a leader that has already ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left; macOS says EPERM for a group of zombies
    process.wait()


def _read(path: Path, limit: int) -> str:
    with path.open("rb") as file:
        return file.read(limit).decode("utf-8", errors="replace")
