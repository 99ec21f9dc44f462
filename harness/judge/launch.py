"""Sets up the examination of one compiled kernel: sandboxed workers on demand, a secret seed, limits and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.candidate import ThreadClass, Tier
from harness.judge.examination import Examination, LaunchJudgeWorker, secret_seed
from harness.judge.worker.calls import Program
from harness.judge.worker.limits import limits_for, time_limit_s
from harness.machine import Machine
from harness.operation.operations import MATMUL, Operation
from harness.settings import Settings
from harness.shapes import Shape

# Oracles that run side by side, each on a core of its own.
MOST_RUNNERS = 4
# Threads that a kernel of class all is told to use on any machine.
MANY = 9


def pool_sizes(threads: ThreadClass, cores: int) -> list[int]:
    """The numbers of threads, ascending, that a worker may be told to use other than its number of cores: few, one more
    than there are cores, and more than a small product has rows.
    """
    return [1] if threads == 1 else sorted({1, 2, 3, cores + 1, MANY} - {cores})


def prepare_examination(
    program: Program,
    *,
    host: Path,
    settings: Settings,
    machine: Machine,
    threads: ThreadClass,
    timed_shapes: tuple[Shape, ...],
    database_key: str,
    trusted: bool = False,
    operation: Operation = MATMUL,
    tier: Tier = "unsafe",
) -> Examination:
    """An Examination whose workers host `program`, pinned to one core or to all, according to the thread class.

    The seed is drawn here, after the kernel was compiled, and never reaches the worker.
    """
    from harness.judge.worker.client import Capacity, Worker

    cores = machine.cores[-1:] if threads == 1 else machine.cores
    every = len(machine.cores)
    pools = pool_sizes(threads, every)
    sandboxed = not settings.unsandboxed and not trusted

    def launching(cores: tuple[int, ...], pool: int) -> LaunchJudgeWorker:
        def launch(shapes: Sequence[Shape]) -> Worker:
            # A kernel may start a thread per row whatever it is told, so its memory is the same everywhere.
            limits = replace(limits_for(shapes, max(pools), cores), threads=pool)
            return Worker(host, program, limits, Capacity.of(shapes), sandboxed=sandboxed)

        return launch

    return Examination(
        launch=launching(cores, len(cores)),
        other_launches=[launching((core,), 1) for core in machine.cores[-2::-1][: MOST_RUNNERS - 1]]
        if threads == 1
        else [],
        other_surroundings={
            f"{every} cores in sight and {pool} threads to use": launching(machine.cores, pool)
            for pool in pools
        },
        seed=secret_seed(settings.seed),
        time_limit_s=time_limit_s,
        profile=settings.profile,
        threads=threads,
        timed_shapes=timed_shapes,
        operation=operation,
        tier=tier,
        nodeid=database_key,
        # A run with a chosen seed must be repeatable, so it cannot depend on failures stored by earlier runs.
        database=None if settings.seed is not None else settings.cache / "hypothesis",
    )
