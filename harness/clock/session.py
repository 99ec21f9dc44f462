"""The clock's session: baseline, batch sizes, peak, A/A control and lock, measured once and shared by all kernels."""

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
from harness.caches import default_cache
from harness.clock import baseline as baselines
from harness.clock import floor, suites
from harness.clock.baseline import Baseline
from harness.clock.core_types import SHAPES, TURNS, CoreTypes
from harness.clock.floor import Peak
from harness.clock.pairs import Plan, Samples, race
from harness.clock.statistics import RatioInterval
from harness.clock.worker_pair import Batching, ClockWorker, LaunchClockWorker, Rival, WorkerPair, timed
from harness.compile.tools import Tools
from harness.errors import HarnessFaultError, UserError
from harness.judge.examination import secret_seed
from harness.judge.scheme_levels import CLASSICAL, SchemeLevels
from harness.judge.worker.calls import Abi, Layout, Program
from harness.judge.worker.limits import limits_for
from harness.machine import Machine
from harness.operation.forms import CallForm
from harness.operation.operations import OperationName
from harness.settings import Settings
from harness.shapes import Shape
from harness.verdict import Rejection

# Length of one timed region in nanoseconds. It is long compared with its first product, which finds the other
# side's code and data in the caches; short compared with bursts of other load, so that both turns of a pair see
# the same machine; and its data fits into L2. With several threads it is longer, to outweigh waking the other
# cores.
REGION_NS, REGION_MANY_NS = 5e5, 1e6
MAX_BATCH = 512
# Pairs per process with several threads: only the best turn of a process counts, so it needs more of them.
PAIRS_MANY_THREADS = 3
# Flops of the trial that determines how long one product takes; enough to outlast the round trip.
TRIAL_FLOPS = 2e7
# A larger share of the last-level cache than this would measure memory instead of the kernel.
CACHE_SHARE = 0.5
# A cold batch rotates through this multiple of the last-level cache, with at most this many products.
COLD_CACHES, MAX_COLD_BATCH = 2.0, 16384
# Two shapes are enough for the A/A control: it looks for a bias of the clock, not of a BLAS.
CONTROL_SHAPES = (Shape(128, 128, 128), Shape(384, 384, 384))
CONTROL_SHARE = 0.2
# Seconds. Short controls fall back to ±20 %, which cannot detect a bias.
CONTROL_LEAST_S = 2.0
# Largest half-width of a control, as a log, beside which a timing of its thread class is accepted.
LOOSEST_CONTROL = math.log(1.25)
NULL = Program(None, "", Abi.NULL)


@dataclass
class ClockSession:
    """Everything that timings share. `threads` arguments are counts: 1, or all usable cores.

    launch(program, batches, threads) starts a worker; untrusted programs run in the sandbox unless it is switched off.
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
    # The library with the kernels that it chooses itself.
    installed: Baseline | None = None
    _batching: dict[tuple[Shape, int], Batching] = field(default_factory=dict)
    # Whether `alone` is held: other threads of this process should do nothing that takes long.
    is_timing: bool = False
    _controls: dict[int, RatioInterval] = field(default_factory=dict)
    _installed: dict[tuple[int, tuple[Shape, ...]], float] = field(default_factory=dict)
    _peak: Peak | None = None
    _seeds: int = 0

    @classmethod
    def open(cls, settings: Settings, tools: Tools, machine: Machine, say: Announce) -> ClockSession:
        """Find the baseline and parse the suite; nothing is timed yet. Raises UserError when either is bad."""
        found = baselines.find(settings.baseline)
        suite = suites.parse(settings.suite)
        session = cls(settings, machine, found, suite, say, tools, _starter(settings, tools, machine))
        if settings.baseline is not None:
            session.baseline = session.callable_library(found)
        session.installed = session.baseline
        session.baseline = session.core_types().choose(settings.core_type)
        return session

    def core_types(self) -> CoreTypes:
        """The core types of the session's OpenBLAS, timed by this session."""

        def time_ns(found: Baseline) -> float:
            best = [
                min(timed(self.launch(1), found.program, Layout.crossed(shape, 1), TURNS, 1))
                for shape in SHAPES
            ]
            return float(np.exp(np.mean(np.log(best))))

        return CoreTypes(self.baseline, self.machine, self.cache, self.say, time_ns)

    def callable_library(self, library: Baseline) -> Baseline:
        """A library of the user with the integer width that gives a product; a crash in a worker is harmless.

        Raises UserError when neither does.
        """
        from harness.clock.pairs import Side

        shape = Shape(5, 7, 3)
        batching = {shape: Batching(Layout.apart(shape, 1), 0.0, 0.0)}
        for guess in (library, baselines.with_other_integers(library)):
            rival = Rival(str(guess), guess.program, trusted=True)
            pair = WorkerPair(self.launch(1), guess.program, rival, batching, self.seed(), 1, full=True)
            with pair:
                if isinstance(pair.block(shape, [Side.CANDIDATE], warm=1), list):
                    return guess
        raise UserError(
            f"{library.path}: {library.symbol} does not multiply a 5x7 by a 7x3 matrix, neither with 32- nor with "
            "64-bit integers; choose another library"
        )

    def suite_of(self, program: Program) -> tuple[Shape, ...]:
        """The timed shapes of a program's operation. Raises UserError when matmul is to be timed in forms."""
        operation = OperationName.SGEMM if program.abi is Abi.SGEMM else OperationName.MATMUL
        if suites.name_for(self.settings.suite, operation) != self.settings.suite:
            return suites.parse(suites.name_for(self.settings.suite, operation))
        suites.require_operation(self.suite, operation, self.settings.suite)
        return self.suite

    def for_suite(self, budget_s: float, suite: tuple[Shape, ...]) -> float:
        """Seconds for the whole suite, from seconds for one as long as the default suite; never fewer."""
        return budget_s * max(1.0, len(suite) / len(suites.SUITES["default"]))

    def threads(self, thread_class: str) -> int:
        """The number of threads of a thread class: "1", or "all" usable cores."""
        return 1 if thread_class == "1" else len(self.machine.cores)

    def launch(self, threads: int) -> LaunchClockWorker:
        """A function that starts workers pinned for `threads`."""
        return lambda program, layouts: self.start(program, layouts, threads)

    def seed(self) -> int:
        """A fresh seed of 48 bits: secret, or derived from --seed so that a run can be repeated."""
        self._seeds += 1
        chosen = self.settings.seed
        return secret_seed(None if chosen is None else chosen + 7919 * self._seeds)

    def batching(self, shape: Shape, threads: int) -> Batching:
        """The products of `shape` to time at once, derived from the baseline's time alone, and their empty
        round trip.
        """
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
            # The lower quartile, because disturbances only lengthen a round trip.
            null_ns = float(np.quantile(timed(launch, NULL, layout, 15, threads), 0.25))
            self._batching[key] = Batching(layout, null_ns, one_ns)
        return self._batching[key]

    def _layout(self, shape: Shape, count: int) -> Layout:
        """For hot data: few A and few B, all multiplied with each other, so that they stay in the caches near
        the core.
        """
        make = Layout.apart if suites.is_cold(self.settings.suite) else Layout.crossed
        return make(shape.plain, count, CallForm.of(shape))

    def _count(self, shape: Shape, one_ns: float, region_ns: float) -> int:
        """Products per batch. Hot: about region_ns, within a share of the last-level cache. Cold: enough to evict each
        other.
        """
        size = shape.input_bytes + shape.output_bytes
        if suites.is_cold(self.settings.suite):
            return int(np.clip(COLD_CACHES * self.machine.l3_bytes / size, 1, MAX_COLD_BATCH))
        room = CACHE_SHARE * self.machine.l3_bytes / size
        # The nearest power of two, so that sessions with slightly different one_ns measure the same batch.
        count = 2.0 ** round(math.log2(max(min(region_ns / one_ns, room), 1.0)))
        return int(min(count, MAX_BATCH))

    def race(
        self,
        plan: Plan,
        candidate: Program,
        threads: int,
        levels: SchemeLevels = CLASSICAL,
        full: bool = False,
        rival: Rival | None = None,
    ) -> Samples | Rejection:
        """Race a candidate against `rival` (default: the baseline) over the shapes of `plan`, in fresh processes with
        fresh seeds.
        """
        other = rival or self.baseline_as_rival
        batching = {
            shape: self.batching(shape, threads).shifted(plan.insets.get(shape, 0)) for shape in plan.shapes
        }
        if threads > 1:
            plan = replace(plan, threads=threads, pairs=max(plan.pairs, PAIRS_MANY_THREADS))

        def open_pair(process: int) -> WorkerPair:
            return WorkerPair(
                self.launch(threads),
                candidate,
                other,
                batching,
                self.seed(),
                threads,
                levels,
                full,
            )

        return race(plan, open_pair, self.now_s, self.seed())

    @property
    def baseline_as_rival(self) -> Rival:
        """The baseline as the rival of a race."""
        return Rival("the baseline", self.baseline.program, trusted=True)

    def control(self, threads: int) -> RatioInterval:
        """The A/A control: the baseline timed against itself in the same way, once per session and thread class.

        One control in twenty excludes 1 by chance, and on a busy machine it may be wider than LOOSEST_CONTROL. It is
        then repeated once with twice the time, and the second one is used. Raises HarnessFaultError when the baseline
        fails.
        """
        if threads not in self._controls:
            budget_s = max(CONTROL_LEAST_S, CONTROL_SHARE * self.settings.clock_budget_s)
            found = self._control(threads, budget_s)
            if found.bias > 0 or found.half_width > LOOSEST_CONTROL:
                found = self._control(threads, 2 * budget_s)
            self._controls[threads] = found
            self.say(
                f"clock: {self.baseline} against itself, {threads} thread(s): "
                f"{found.ratio:.3f} [{found.low:.3f}, {found.high:.3f}]"
            )
        return self._controls[threads]

    def installed_ratio(self, threads: int, suite: tuple[Shape, ...]) -> float | None:
        """t_baseline / t_installed over a suite: below 1 where the library's own choice is slower than the baseline.

        None where the baseline has the kernels that the library chooses itself. Timed once per session, thread
        class and suite.
        """
        own = self.installed
        if own is None or own.architecture == self.baseline.architecture:
            return None
        key = (threads, suite)
        if key not in self._installed:
            outcome = self.race(Plan(suite, CONTROL_LEAST_S, min_processes=4), own.program, threads)
            if not isinstance(outcome, Samples):
                raise HarnessFaultError(f"{own} cannot be timed against {self.baseline}")
            self._installed[key] = outcome.mean(np.random.default_rng(self.seed())).ratio
        return self._installed[key]

    def _control(self, threads: int, budget_s: float) -> RatioInterval:
        outcome = self.race(Plan(CONTROL_SHAPES, budget_s), self.baseline.program, threads)
        if not isinstance(outcome, Samples):
            raise HarnessFaultError("the baseline cannot be timed against itself")
        return outcome.mean(np.random.default_rng(self.seed()))

    def peak(self, again: bool = False) -> Peak:
        """The peak of this machine, stored or measured now; `again` always measures and keeps the better figures."""
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
        """Hold the clock's lock across processes, with numpy's own threads idle: timings never run in parallel.

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
            # An idle BLAS thread spins for about 20 ms, on the core that is being timed.
            with (
                threadpoolctl.threadpool_limits(1),
                _beside(self.machine.cores[-1] if threads == 1 else None),
            ):
                self.is_timing = True
                yield
        finally:
            self.is_timing = False
            lock.release()


@contextmanager
def _beside(core: int | None) -> Iterator[None]:
    """Pin the calling thread to `core`, where the one-thread workers run; do nothing for None.

    The parent sleeps while the worker computes. On a shared core, the inputs that it wrote are in that core's caches
    (from another core's caches, small products would wait for them longer than they compute, and irregularly). A round
    trip is a context switch of 4 µs instead of waking a sleeping core, 25 µs; load on other cores does not matter; and
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
    """A function that starts real workers: pinned to the last usable core (the first takes most interrupts),
    or to all.
    """

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
