"""Nothing is left behind: no process, no descriptor, no memory, whatever happens to the parent."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.errors import HarnessFaultError, SandboxError
from harness.judge.worker import process
from harness.judge.worker.calls import Abi, Placement, Program, Ran
from harness.judge.worker.client import Capacity, Worker
from harness.judge.worker.limits import limits_for
from harness.machine import usable_cores
from tests.conftest import ROOT
from tests.host.support import AT, NAIVE, SMALL, fill, host, library, worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
ENDLESS = "std::thread::spawn(|| loop {}); loop { std::hint::spin_loop(); }"

PARENT = """
import signal, sys, time
# Shells start what runs in the background with SIGINT ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.host.support import *
with worker(sys.argv[1], threads=2, sandboxed=sys.argv[2] == "sandboxed") as w:
    slots = w.slots([SMALL], Placement.RIGHT)
    fill(slots)
    print(w.pid, flush=True)
    print(w.run(slots, at=AT, limit_s=100), flush=True)
    time.sleep(100)
"""


def gone(pid: int) -> bool:
    """Whether the process no longer exists, or is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def soon(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Whether the condition becomes true within a few seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("sandboxed", ["sandboxed", "unsandboxed"])
@pytest.mark.parametrize("body", [NAIVE, ENDLESS], ids=["frozen", "running"])
def test_a_killed_parent_leaves_no_worker(how: signal.Signals, sandboxed: str, body: str) -> None:
    library(body)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, body, sandboxed],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if body == NAIVE:
            assert b"Ran(" in parent.stdout.readline()
        else:
            time.sleep(0.1)
        assert not gone(pid)
        parent.send_signal(how)
        parent.wait(20)
        assert soon(lambda: gone(pid)), "the worker outlived its parent"
    finally:
        parent.kill()
        parent.wait()
        if parent.stdout is not None:
            parent.stdout.close()


def descriptors() -> int:
    """Open descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_workers_give_back_every_descriptor_and_process() -> None:
    with worker() as w:
        w.slots([SMALL], Placement.RIGHT)
    before = descriptors()
    pids = []
    for body in (NAIVE, "loop {}", "exit(0)", 'panic!("x")'):
        with worker(body) as w:
            slots = w.slots([SMALL], Placement.RIGHT)
            fill(slots)
            w.run(slots, at=AT, limit_s=0.2)
            pids.append(w.pid)
        del slots
    assert descriptors() == before
    assert all(gone(pid) for pid in pids)
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], os.WNOHANG)


def test_an_unclosed_worker_ends_with_garbage_collection() -> None:
    gc.collect()
    before = descriptors()
    limits = limits_for(SMALL, 1, usable_cores()[:1])
    forgotten = Worker(
        host(), Program(library(NAIVE), "harness_matmul", Abi.KERNEL), limits, Capacity.of([SMALL])
    )
    pid = forgotten.pid
    del forgotten
    gc.collect()
    assert soon(lambda: gone(pid))
    assert descriptors() == before


def test_results_may_be_kept_longer_than_the_worker() -> None:
    with worker() as w:
        slots = w.slots([SMALL], Placement.RIGHT)
        fill(slots)
        assert isinstance(w.run(slots, at=AT, limit_s=5), Ran)
    np.testing.assert_array_equal(slots[0].c, slots[0].a @ slots[0].b)


def test_a_host_that_is_not_there_is_the_harnesss_fault_and_leaks_nothing(tmp_path: Path) -> None:
    before = descriptors()
    limits = limits_for(SMALL, 1, usable_cores()[:1])
    program = Program(library(NAIVE), "harness_matmul", Abi.KERNEL)
    with pytest.raises(HarnessFaultError, match="cannot be started"):
        Worker(tmp_path / "none", program, limits, Capacity.of([SMALL]))
    with pytest.raises(HarnessFaultError, match="cannot be read"):
        Worker(
            host(), Program(tmp_path / "none.so", "harness_matmul", Abi.KERNEL), limits, Capacity.of([SMALL])
        )
    with pytest.raises(HarnessFaultError, match="did not start"):
        Worker(Path("/bin/false"), program, limits, Capacity.of([SMALL]))
    gc.collect()
    assert descriptors() == before


def test_without_a_sandbox_the_worker_refuses_and_names_the_remedy(tmp_path: Path) -> None:
    refusing = tmp_path / "refusing"
    line = "roundtable-host: sandbox: no Landlock; run with --unsandboxed"
    refusing.write_text(f"#!/bin/sh\necho '{line}' >&2\nexit 125\n")
    refusing.chmod(0o755)
    limits = limits_for(SMALL, 1, usable_cores()[:1])
    with pytest.raises(SandboxError, match="no Landlock; run with --unsandboxed"):
        Worker(refusing, Program(None, "", Abi.NULL), limits, Capacity.of([SMALL]))


def test_a_worker_that_never_answers_at_the_start_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.judge.worker.client.START_LIMIT_S", 0.3)
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 100\n")
    silent.chmod(0o755)
    limits = limits_for(SMALL, 1, usable_cores()[:1])
    with pytest.raises(HarnessFaultError, match="did not start"):
        Worker(silent, Program(None, "", Abi.NULL), limits, Capacity.of([SMALL]))


def test_a_core_that_does_not_exist_is_reported() -> None:
    from harness.judge.worker.calls import WorkerLimits

    with pytest.raises(HarnessFaultError, match="cores"):
        Worker(host(), Program(None, "", Abi.NULL), WorkerLimits(1 << 28, (900,), 1), Capacity.of([SMALL]))


def test_descriptor_numbers_of_the_parent_do_not_matter() -> None:
    """The parent may have many files open, or have closed its standard ones."""
    many = [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]
    try:
        with worker() as w:
            slots = w.slots([SMALL], Placement.RIGHT)
            fill(slots)
            assert isinstance(w.run(slots, at=AT, limit_s=5), Ran)
    finally:
        for descriptor in many:
            os.close(descriptor)


def test_the_environment_holds_threads_and_nothing_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    told = process.environment(
        limits_for(SMALL, 3, (0, 1)), Program(library(NAIVE), "harness_matmul", Abi.KERNEL)
    )
    assert told["RAYON_NUM_THREADS"] == told["OPENBLAS_NUM_THREADS"] == "3"
    assert not {"SECRET", "HOME", "PATH", "USER"} & set(told)


def test_a_worker_whose_maker_ended_is_the_harnesss_fault() -> None:
    """The operating system kills the worker together with the thread that started it."""
    made: list[Worker] = []
    limits = limits_for(SMALL, 1, usable_cores()[:1])
    program = Program(library(NAIVE), "harness_matmul", Abi.KERNEL)
    maker = threading.Thread(
        target=lambda: made.append(Worker(host(), program, limits, Capacity.of([SMALL])))
    )
    maker.start()
    maker.join()
    with made[0] as w:
        slots = w.slots([SMALL], Placement.RIGHT)
        assert soon(lambda: gone(w.pid))
        with pytest.raises(HarnessFaultError, match="thread that made the worker"):
            w.run(slots, at=AT, limit_s=5)
