"""The worker's process: spawned with fixed descriptors, frozen and resumed, every wait with a deadline."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessFaultError
from harness.judge.worker import procfs
from harness.judge.worker.calls import Program, WorkerLimits
from harness.judge.worker.deadline import Deadline

FREEZE_LIMIT_S = 10.0
# A wait that ends this many seconds late: this process did not run.
STALLED_S = 0.1
# Seconds between two looks at a long call, and a number of threads above that of every honest pool.
GLANCE_S = 0.05
MOST_THREADS = 2048
# Seconds that a worker takes to notice a stop signal.
NOTICE_S = 1e-5
# Seconds in which a process whose pipe closed must have ended; one that closed it on purpose does not end.
DYING_S = 1.0
OUTPUT_BYTES = 16 << 10
ANSWER_BYTES = 32
# Variables with which a user chooses a BLAS or its kernels.
CHOICES_OF_A_BLAS = ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "BLIS_ARCH_TYPE", "MKL_ENABLE_INSTRUCTIONS")
# Above all descriptors that the child uses, so that no duplicate overwrites the source of the next one.
_HIGH = 64


@dataclass(frozen=True, slots=True)
class Death:
    """How the worker ended: wait status, whether it was killed for exceeding its time, and its output (untrusted text).

    `trick` and `evidence` describe a cheat when the worker was ended for one; otherwise both are empty. `starved_s`:
    the seconds that it waited for a core when it was ended because of them.
    """

    status: int
    late: bool
    trick: str
    evidence: str
    output: str
    starved_s: float = 0.0


class HostProcess:
    """A roundtable-host process in its own session. Every wait has a deadline; once ended, it stays ended."""

    def __init__(
        self, host: Path, arguments: list[str], program: Program, limits: WorkerLimits, shared: Sequence[int]
    ) -> None:
        self._output_text = bytearray()
        self.stalled_s = 0.0
        self._status: int | None = None
        ends: list[int] = []
        try:
            control, self._control = _pipe(ends)
            self._answer, answer = _pipe(ends)
            self._output, output = _pipe(ends)
            given = [_open(ends, Path(os.devnull)), output, output, control, answer, *shared]
            if program.library is not None and not program.trusted:
                given.append(_open(ends, program.library))
            self.pid = _spawn(host, arguments, environment(limits, program), given, limits.cores)
        except BaseException:
            _close_all(ends)
            raise
        mine = {self._control, self._answer, self._output}
        _close_all([end for end in ends if end not in mine])
        self._finalizer = weakref.finalize(self, _end_for_good, self.pid, sorted(mine))
        os.set_blocking(self._output, False)
        self._poller = select.poll()
        self._poller.register(self._answer, select.POLLIN)
        self._poller.register(self._output, select.POLLIN)
        self._peek = select.poll()
        self._peek.register(self._answer, select.POLLIN)
        self._cpu_clock = (~self.pid << 3) | 2

    def order(self, order: bytes) -> None:
        """Send one order; `answer` reports a worker that is gone."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._control, order)

    def answer(self, limit_s: float) -> bytes | Death:
        """The next answer (at most 32 bytes), or how the worker ended; for the limit in seconds see `Deadline`.

        Time in which this process itself did not run (Ctrl-Z, a virtual machine that was paused) is added to
        `stalled_s` and to the limit, as is time in which the worker was ready to run and had no core.
        """
        deadline = Deadline(self.pid, limit_s, self.cpu_ns)
        self.stalled_s, before = 0.0, time.monotonic()
        while True:
            left_s = deadline.left_s()
            if left_s <= 0:
                return self._too_late(deadline.starved_s)
            wait_s = min(max(left_s, 0.0), GLANCE_S)
            events = self._poller.poll(wait_s * 1e3 + 1)
            now = time.monotonic()
            over_s = now - before - wait_s
            self.stalled_s += over_s if over_s > STALLED_S else 0.0
            deadline.stalled_s, before = self.stalled_s, now
            if not events:
                deadline.glance()
                if procfs.count_threads(self.pid) > MOST_THREADS:
                    return self.end("thread bomb", f"more than {MOST_THREADS} threads")
            for descriptor, _ in events:
                if descriptor == self._output:
                    self._listen()
                else:
                    return os.read(self._answer, ANSWER_BYTES) or self.end()

    def has_more(self) -> bool:
        """Whether the answer pipe holds unread bytes."""
        return any(event & select.POLLIN for _, event in self._peek.poll(0))

    def thaw(self) -> None:
        """Let the process run."""
        os.kill(self.pid, signal.SIGCONT)

    def freeze(self) -> Death | None:
        """Stop every thread and wait until all have stopped; returns how the process ended if it ended instead."""
        self.halt()
        return self.wait_stopped()

    def halt(self) -> None:
        """Signal every thread to stop, without waiting."""
        os.kill(self.pid, signal.SIGSTOP)

    def wait_stopped(self) -> Death | None:
        """Wait until every thread has stopped; returns how the process ended if it ended instead."""
        started = time.monotonic()
        while True:
            status = _state(self.pid, os.WNOHANG | os.WUNTRACED)
            if status is not None and os.WIFSTOPPED(status):
                return None
            if status is not None:
                self._status = status
                return self.end()
            waited_s = time.monotonic() - started
            if waited_s > FREEZE_LIMIT_S:
                self.close()
                raise HarnessFaultError("the worker could not be stopped; the machine is overloaded")
            # Sleep at once: when both share a core, the worker needs it to notice the signal.
            time.sleep(NOTICE_S if waited_s < 1e-3 else 2e-4)

    def cpu_ns(self) -> int:
        """CPU nanoseconds of all its threads so far; 0 where the system does not report them or the process is gone."""
        if sys.platform != "linux":
            return 0
        try:
            return time.clock_gettime_ns(self._cpu_clock)
        except OSError:
            return 0

    def end(
        self, trick: str = "", evidence: str = "", *, late: bool = False, starved_s: float = 0.0
    ) -> Death:
        """Kill the process unless it is dead, and return how it died. Without a reason, it is expected to be dying."""
        if not trick and not late:
            self._wait(DYING_S)
            if self._status is None:
                trick, evidence = "forged answer", "the answer pipe was closed"
        self.kill()
        self._wait(FREEZE_LIMIT_S)
        self._listen()
        status = signal.SIGKILL if self._status is None else self._status
        return Death(status, late, trick, evidence, self._output_text.decode("utf-8", "replace"), starved_s)

    def end_without_main_thread(self) -> Death | None:
        """End the process when its main thread, which is the host's, is gone: then some other thread has answered."""
        if not _main_thread_is_gone(self.pid):
            return None
        return self.end("left the process", "its main thread ended, and another one answered in its place")

    def _too_late(self, starved_s: float) -> Death:
        if _main_thread_is_gone(self.pid):
            return self.end("left the process", "its main thread ended in the middle of a call")
        return self.end(late=True, starved_s=starved_s)

    def close(self) -> None:
        """Kill the process group and free the descriptors; safe to call twice."""
        if self._finalizer.alive:
            self.kill()
            self._wait(FREEZE_LIMIT_S)
            if self._status is None:
                self._finalizer()
            else:
                self._finalizer.detach()
                _close_all([self._control, self._answer, self._output])

    def kill(self) -> None:
        """Kill the process group unless the process was seen to be dead; for any thread."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _wait(self, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while self._status is None and time.monotonic() < deadline:
            self._status = _state(self.pid, os.WNOHANG)
            if self._status is None:
                time.sleep(2e-4)

    def _listen(self) -> None:
        """Read what it wrote to stdout and stderr; keep the first and the last part."""
        for _ in range(64):
            try:
                chunk = os.read(self._output, 1 << 16)
            except BlockingIOError:
                return
            if not chunk:
                with contextlib.suppress(KeyError):
                    self._poller.unregister(self._output)
                return
            self._output_text += chunk
            if len(self._output_text) > OUTPUT_BYTES:
                del self._output_text[OUTPUT_BYTES // 2 : -OUTPUT_BYTES // 2]


def environment(limits: WorkerLimits, program: Program) -> dict[str, str]:
    """The worker's environment: the number of threads to use, and nothing of the user's environment."""
    threads = str(limits.threads)
    names = ("RAYON", "OPENBLAS", "OMP", "MKL", "BLIS", "GOTO")
    variables = {f"{name}_NUM_THREADS": threads for name in names} | {"VECLIB_MAXIMUM_THREADS": threads}
    variables |= {"MALLOC_ARENA_MAX": str(limits.threads + 1), "RUST_BACKTRACE": "0", "LC_ALL": "C"}
    if program.trusted:
        variables |= {name: os.environ[name] for name in CHOICES_OF_A_BLAS if name in os.environ}
    if program.core_type:
        variables["OPENBLAS_CORETYPE"] = program.core_type
    return variables


def _spawn(
    host: Path, arguments: list[str], variables: dict[str, str], given: Sequence[int], cores: Sequence[int]
) -> int:
    actions = [(os.POSIX_SPAWN_DUP2, source, target) for target, source in enumerate(given)]
    try:
        pid = os.posix_spawn(host, [str(host), *arguments], variables, file_actions=actions, setsid=True)
    except OSError as error:
        raise HarnessFaultError(f"{host}: cannot be started: {error.strerror}") from None
    if sys.platform == "linux" and len(cores) == 1:
        # Batch scheduling, so that on a shared core an order does not preempt the parent before it sleeps.
        # Otherwise the parent would seem to have waited while the worker computed.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
    return pid


def _state(pid: int, flags: int) -> int | None:
    """The wait status; None while the process lives. If another party has already reaped it, it counts as killed."""
    try:
        reaped, status = os.waitpid(pid, flags)
    except ChildProcessError:
        return int(signal.SIGKILL)
    return status if reaped else None


def _pipe(ends: list[int]) -> tuple[int, int]:
    pair = os.pipe()
    high = (dup_high(pair[0]), dup_high(pair[1]))
    ends += high
    return high


def _open(ends: list[int], path: Path) -> int:
    try:
        descriptor = dup_high(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise HarnessFaultError(f"{path}: cannot be read: {error.strerror}") from None
    ends.append(descriptor)
    return descriptor


def dup_high(descriptor: int) -> int:
    """Duplicate a file to a high descriptor number and close the old one."""
    import fcntl

    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    finally:
        os.close(descriptor)


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _end_for_good(pid: int, descriptors: Sequence[int]) -> None:
    """Finaliser of a worker that was not closed: at garbage collection or at the interpreter's end."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    _close_all(descriptors)


def _main_thread_is_gone(pid: int) -> bool:
    """Whether the main thread has exited alone; it remains a zombie until the other threads end."""
    return procfs.state(pid) == "Z"
