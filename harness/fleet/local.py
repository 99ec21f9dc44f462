"""`--workers local:N`: N processes of this machine judge correctness side by side; the session itself has the clock.

A process reads jobs as lines on its standard input and writes outcomes on its standard output. It ends when its input
ends, so none outlives the session, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from harness.announce import Announce
from harness.errors import HarnessFaultError
from harness.fleet import wire
from harness.fleet.port import Arrived, FleetWorker, Lost, Report
from harness.fleet.wire import Job, JobOutcome, WireError, WorkerFacts
from harness.places import ROOT
from harness.verdict import one_line

# Seconds until a new process has said what it is: it imports numpy and asks rustc for its version.
START_S = 60.0
# How often a process is started anew in one session before its place stays empty.
RESTARTS = 5
# Bytes of its standard error that are read for the reason of a death.
_TAIL_BYTES = 2000
_COMMAND = (sys.executable, "-m", "harness.fleet", "judge")


@dataclass
class _Process:
    """One process in one of the N places; `errors` is the file that takes its standard error."""

    id: str
    place: int
    popen: subprocess.Popen[str]
    errors: IO[bytes]
    facts: WorkerFacts | None = None
    job: Job | None = None

    def last_words(self) -> str:
        """The last line of its standard error, else how it ended."""
        with contextlib.suppress(OSError, ValueError):
            size = self.errors.seek(0, os.SEEK_END)
            self.errors.seek(max(0, size - _TAIL_BYTES))
            lines = self.errors.read().decode("utf-8", "replace").strip().splitlines()
            if lines:
                return one_line(lines[-1], 200)
        return f"exit status {self.popen.poll()}"


class LocalWorkers:
    """See port.WorkerPort."""

    def __init__(self, count: int, here: WorkerFacts, say: Announce) -> None:
        """Start `count` processes; they must say the same of themselves as `here`.

        Raises HarnessFaultError when the first ones do not start.
        """
        self._here, self._say = here, say
        self._arrivals: queue.Queue[tuple[_Process, str | None]] = queue.Queue()
        self._starts = 0
        self._started = [0] * count
        self._alive: list[_Process] = []
        self._lost: list[Report] = []
        for place in range(count):
            self._start(place)
        self._await_facts()

    def machines(self) -> Sequence[FleetWorker]:
        """The processes that live and have said what they are."""
        self._collect(0.0)
        return [FleetWorker.of(one.id, one.facts) for one in self._alive if one.facts is not None]

    def submit(self, job: Job, worker: str) -> None:
        """Write the job to the process; when it has just died, the job is reported as lost."""
        process = next((one for one in self._alive if one.id == worker), None)
        if process is None or process.job is not None:
            self._lost.append(
                Lost(job.ticket, worker, "the process is gone" if process is None else "it is busy")
            )
            return
        process.job = job
        assert process.popen.stdin is not None
        # A dead process is noticed by the end of its output.
        with contextlib.suppress(OSError, ValueError):
            process.popen.stdin.write(wire.write(job) + "\n")
            process.popen.stdin.flush()

    def done(self, timeout_s: float) -> list[Report]:
        """Outcomes and losses so far."""
        return self._collect(0.0 if self._lost else timeout_s)

    def cancel(self, ticket: str) -> None:
        """Kill the process that has the job, with its kernel, and start another in its place."""
        for process in [one for one in self._alive if one.job is not None and one.job.ticket == ticket]:
            self._replace(process, "cancelled")

    def close(self) -> None:
        """Kill every process."""
        for process in self._alive:
            _end(process)
        self._alive.clear()

    def _start(self, place: int) -> None:
        self._starts += 1
        self._started[place] += 1
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        # Several judges share the cores, so none spins with further BLAS threads.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
        errors = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        popen = subprocess.Popen(
            [*_COMMAND, "--place", str(place), "--places", str(len(self._started))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            errors="replace",
            env=environment,
            # Ctrl-C is for the session, which then ends its processes.
            start_new_session=True,
        )
        process = _Process(f"local-{self._starts}", place, popen, errors)
        self._alive.append(process)
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: _Process) -> None:
        """Pass on the lines of a process; a line that is too long ends it, as the end of its output does."""
        assert process.popen.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while line := process.popen.stdout.readline(wire.MAX_MESSAGE_BYTES):
                if not line.endswith("\n"):
                    break
                self._arrivals.put((process, line))
        self._arrivals.put((process, None))

    def _await_facts(self) -> None:
        deadline = time.monotonic() + START_S
        while any(one.facts is None for one in self._alive):
            self._lost += self._collect(0.1)
            if time.monotonic() > deadline or not self._alive:
                self.close()
                raise HarnessFaultError("the judging processes of --workers local:N do not start")

    def _collect(self, timeout_s: float) -> list[Report]:
        found, self._lost = self._lost, []
        try:
            process, line = (
                self._arrivals.get(timeout=timeout_s) if timeout_s else self._arrivals.get_nowait()
            )
            while True:
                found += self._take(process, line)
                process, line = self._arrivals.get_nowait()
        except queue.Empty:
            return found

    def _take(self, process: _Process, line: str | None) -> list[Report]:
        """What follows from one line of a process, or from its end (None)."""
        if process not in self._alive:
            return []
        why = (
            f"the process ended: {process.last_words()}" if line is None else self._understand(process, line)
        )
        if isinstance(why, JobOutcome):
            process.job = None
            return [Arrived(why.ticket, process.id, why)]
        if not why:
            return []
        job = process.job
        self._replace(process, why)
        return [] if job is None else [Lost(job.ticket, process.id, why)]

    def _understand(self, process: _Process, line: str) -> JobOutcome | str:
        """The outcome in a line; a text says what is wrong with it, empty for proper facts."""
        try:
            if process.facts is None:
                process.facts = wire.read(WorkerFacts, line)
                return process.facts.refusal(self._here) or ""
            if process.job is None:
                return "it answered without having been asked"
            return wire.read_outcome(line, process.job)
        except WireError as error:
            return str(error)

    def _replace(self, process: _Process, why: str) -> None:
        """End a process and start another in its place, up to RESTARTS times."""
        self._alive.remove(process)
        _end(process)
        if self._started[process.place] <= RESTARTS:
            self._start(process.place)
        else:
            self._say(f"workers: place {process.place} stays empty: {why}")


def _end(process: _Process) -> None:
    """Kill a process; the system ends its kernels together with it."""
    process.popen.kill()
    process.popen.wait()
    for stream in (process.popen.stdin, process.popen.stdout):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.close()
