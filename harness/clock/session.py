"""The clock's session, what is measured once and serves every kernel: baseline, batches, peak, A/A control, lock."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from harness.announce import Announce
from harness.clock import baseline as baselines
from harness.clock import floor, suites
from harness.clock.baseline import Baseline
from harness.clock.floor import Peak
from harness.clock.pairs import Plan, Samples, race
from harness.clock.statistics import RatioInterval
from harness.clock.worker_pair import Batching, ClockWorker, LaunchClockWorker, WorkerPair, timed
from harness.compile.tools import Tools
from harness.errors import HarnessFaultError, UserError
from harness.judge.examination import Numerics, secret_seed
from harness.judge.worker.calls import Abi, Layout, Program
from harness.judge.worker.limits import limits_for
from harness.machine import Machine
from harness.settings import Settings, default_cache
from harness.shapes import Shape
from harness.verdict import Rejection

# One timed region: long against the first product in it, which finds the other side's code and data in the caches;
# short against bursts of foreign load, so that most pairs meet the same machine, and with few enough products that all
# of them fit into L2. With several threads longer, against the waking of the other cores.
REGION_NS, REGION_MANY_NS = 5e5, 1e6
MAX_BATCH = 512
# With several threads the best of a process' turns counts, so each process gets more of them.
PAIRS_MANY_THREADS = 3
# What is multiplied to find out how long one product takes: enough to outlast the round trip.
TRIAL_FLOPS = 2e7
# A batch larger than this share of the last cache would measure memory rather than the kernel.
CACHE_SHARE = 0.5
# A cold batch rotates through this many times the last cache, within what one order can list.
COLD_CACHES, MAX_COLD_BATCH = 2.0, 16384
# The control needs no more than two shapes: it looks for a bias of the clock, not of a BLAS.
CONTROL_SHAPES = (Shape(128, 128, 128), Shape(384, 384, 384))
CONTROL_SHARE = 0.2
# Less gives too few processes to estimate a spread from, and an assumed one never alarms.
CONTROL_LEAST_S = 2.0
NULL = Program(None, "", Abi.NULL)


@dataclass
class ClockSession:
    """Everything that timings share. `threads` arguments are counts: 1, or all usable cores.

    launch(program, batches, threads) starts a worker; untrusted programs go into the sandbox unless it is off.
    """

    settings: Settings
    machine: Machine
    baseline: Baseline
    suite: tuple[Shape, ...]
    say: Announce
    tools: Tools | None
    start: Callable[[Program, Sequence[Layout], int], AbstractContextManager[ClockWorker]]
    cache: Path = field(default_factory=default_cache)
    now_s: Callable[[], float] = lambda: time.perf_counter_ns() / 1e9
    _batching: dict[tuple[Shape, int], Batching] = field(default_factory=dict)
    _controls: dict[int, RatioInterval] = field(default_factory=dict)
    _peak: Peak | None = None
    _seeds: int = 0

    @classmethod
    def open(cls, settings: Settings, tools: Tools, machine: Machine, say: Announce) -> ClockSession:
        """Find the baseline and read the suite; nothing is timed yet. Raises UserError for a bad one of either."""
        found = baselines.find(settings.baseline)
        suite = suites.parse(settings.suite)
        session = cls(settings, machine, found, suite, say, tools, _starter(settings, tools, machine))
        if settings.baseline is not None:
            session.baseline = _callable(session)
        return session

    def threads(self, thread_class: str) -> int:
        """The number of threads of a class: "1", or "all" usable cores."""
        return 1 if thread_class == "1" else len(self.machine.cores)

    def launch(self, threads: int) -> LaunchClockWorker:
        """Starts workers pinned for `threads`."""
        return lambda program, layouts: self.start(program, layouts, threads)

    def seed(self) -> int:
        """A fresh seed of 48 bits: secret, or derived from --seed so that a run can be repeated."""
        self._seeds += 1
        chosen = self.settings.seed
        return secret_seed(None if chosen is None else chosen + 7919 * self._seeds)

    def batching(self, shape: Shape, threads: int) -> Batching:
        """How many products of `shape` are timed at once, from the baseline's time alone; their empty round trip."""
        key = (shape, threads)
        if key not in self._batching:
            launch = self.launch(threads)
            trial = int(np.clip(TRIAL_FLOPS / shape.flops, 1, MAX_BATCH))
            tried = self._layout(shape, trial)
            tries = 5 if threads == 1 else 15
            one_ns = min(timed(launch, self.baseline.program, tried, tries, threads)) / len(tried.pairs)
            layout = self._layout(
                shape, self._count(shape, one_ns, REGION_NS if threads == 1 else REGION_MANY_NS)
            )
            # The lower quartile: what disturbs a round trip only lengthens it.
            null_ns = float(np.quantile(timed(launch, NULL, layout, 15, threads), 0.25))
            self._batching[key] = Batching(layout, null_ns, one_ns)
        return self._batching[key]

    def _layout(self, shape: Shape, count: int) -> Layout:
        """Hot: few A and few B, each multiplied with each, so that they stay in the caches near the core."""
        cold = suites.is_cold(self.settings.suite)
        return Layout.apart(shape, count) if cold else Layout.crossed(shape, count)

    def _count(self, shape: Shape, one_ns: float, region_ns: float) -> int:
        """Hot: about region_ns, within a share of the last cache. Cold: so many that they evict each other."""
        size = shape.input_bytes + shape.output_bytes
        if suites.is_cold(self.settings.suite):
            return int(np.clip(COLD_CACHES * self.machine.l3_bytes / size, 1, MAX_COLD_BATCH))
        room = CACHE_SHARE * self.machine.l3_bytes / size
        # The nearest power of two: sessions that differ a little in one_ns must not differ in what they measure.
        count = 2.0 ** round(math.log2(max(min(region_ns / one_ns, room), 1.0)))
        return int(min(count, MAX_BATCH))

    def race(
        self,
        plan: Plan,
        candidate: Program,
        threads: int,
        numerics: Numerics = "componentwise",
        full: bool = False,
    ) -> Samples | Rejection:
        """Candidate against baseline over the shapes of `plan`, in fresh processes with fresh seeds."""
        batching = {shape: self.batching(shape, threads) for shape in plan.shapes}
        if threads > 1:
            plan = replace(plan, threads=threads, pairs=max(plan.pairs, PAIRS_MANY_THREADS))

        def duel(process: int) -> WorkerPair:
            return WorkerPair(
                self.launch(threads),
                candidate,
                self.baseline.program,
                batching,
                self.seed(),
                threads,
                numerics,
                full,
            )

        return race(plan, duel, self.now_s, self.seed())

    def control(self, threads: int) -> RatioInterval:
        """The A/A control: the baseline against itself through the same path, once per session and thread class.

        One control in twenty excludes 1 by chance; then it is repeated once, with twice the time, and that one stands.
        Raises HarnessFaultError when the baseline fails.
        """
        if threads not in self._controls:
            budget_s = max(CONTROL_LEAST_S, CONTROL_SHARE * self.settings.clock_budget_s)
            found = self._control(threads, budget_s)
            if found.bias > 0:
                found = self._control(threads, 2 * budget_s)
            self._controls[threads] = found
            self.say(
                f"clock: {self.baseline} against itself, {threads} thread(s): "
                f"{found.ratio:.3f} [{found.low:.3f}, {found.high:.3f}]"
            )
        return self._controls[threads]

    def _control(self, threads: int, budget_s: float) -> RatioInterval:
        outcome = self.race(Plan(CONTROL_SHAPES, budget_s), self.baseline.program, threads)
        if not isinstance(outcome, Samples):
            raise HarnessFaultError("the baseline cannot be timed against itself")
        return outcome.mean(np.random.default_rng(self.seed()))

    def peak(self, again: bool = False) -> Peak:
        """The peak of this machine: measured lately or now; `again` measures in any case, keeps the better."""
        if self._peak is None:
            self._peak = floor.load(self.cache, self.machine)
        if self._peak is None or again:
            measured = floor.measure(self._run_peak, self.machine)
            self._peak = floor.better(self._peak, measured) if self._peak else measured
            floor.save(self.cache, self.machine, self._peak)
        return self._peak

    def _run_peak(self, symbol: str, shape: Shape, tries: int) -> list[float]:
        if self.tools is None:
            raise HarnessFaultError("this session has no toolchain to build the peak kernels with")
        library = floor.library(self.cache, self.tools.toolchain)
        threads = len(self.machine.cores) if symbol.endswith("_all") else 1
        program = Program(library, symbol, Abi.KERNEL)
        return timed(self.launch(threads), program, Layout.apart(shape, 1), tries, threads)

    @contextmanager
    def alone(self, threads: int = 1) -> Iterator[None]:
        """Hold the clock's lock, across processes, with numpy's own threads at rest: timings never run in parallel.

        Raises UserError when the cache folder cannot be written.
        """
        import threadpoolctl  # type: ignore[import-untyped]
        from filelock import FileLock, Timeout

        lock = FileLock(self.cache / "clock" / "clock.lock")
        try:
            Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0.05)
            except Timeout:
                self.say("clock: another process is timing; waiting for it …")
                lock.acquire()
        except OSError as error:
            raise UserError(
                f"{lock.lock_file}: cannot be locked ({error.strerror}); set ROUNDTABLE_CACHE to a writable folder"
            ) from None
        try:
            # A BLAS thread that waits for work spins for some 20 ms, on the core that is being timed.
            with (
                threadpoolctl.threadpool_limits(1),
                _beside(self.machine.cores[-1] if threads == 1 else None),
            ):
                yield
        finally:
            lock.release()


@contextmanager
def _beside(core: int | None) -> Iterator[None]:
    """Keep the calling thread on `core`, where the workers of one thread run; anywhere for None.

    While the worker computes, the parent sleeps. On one core the inputs that it wrote are in that core's caches (from
    another core's, small products would wait for them longer than they compute, and never equally long); a round trip
    is a switch instead of waking a sleeping core, 4 µs instead of 25; load on the other cores leaves both alone; and
    once the parent stops the clock, nothing of the worker can run.
    """
    if core is None or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {core})
        yield
    finally:
        os.sched_setaffinity(0, before)


def _starter(
    settings: Settings, tools: Tools, machine: Machine
) -> Callable[[Program, Sequence[Layout], int], AbstractContextManager[ClockWorker]]:
    """Starts real workers: pinned to the last usable core (the first takes most interrupts), or to all."""

    def start(
        program: Program, layouts: Sequence[Layout], threads: int
    ) -> AbstractContextManager[ClockWorker]:
        from harness.clock.yardsticks import is_trusted
        from harness.judge.worker.client import Capacity, Worker

        cores = machine.cores[-1:] if threads == 1 else machine.cores
        limits = limits_for([layout.shape for layout in layouts], threads, cores)
        jailed = not (settings.unsandboxed or is_trusted(program, default_cache()))
        return Worker(tools.host, program, limits, Capacity.of_any(layouts), sandboxed=jailed)

    return start


def _callable(session: ClockSession) -> Baseline:
    """The chosen baseline with the width of integers that gives a product; a crash in a worker is harmless."""
    shape = Shape(5, 7, 3)
    for guess in (session.baseline, baselines.with_other_integers(session.baseline)):
        duel = WorkerPair(
            session.launch(1),
            guess.program,
            guess.program,
            {shape: Batching(Layout.apart(shape, 1), 0.0, 0.0)},
            session.seed(),
            1,
            full=True,
        )
        from harness.clock.pairs import Side

        with duel:
            if isinstance(duel.block(shape, [Side.CANDIDATE], warm=1), list):
                return guess
    raise UserError(
        f"--baseline {session.settings.baseline}: {session.baseline.symbol} does not multiply a 5x7 by a 7x3 matrix, "
        "neither with 32- nor with 64-bit integers; choose another library"
    )
