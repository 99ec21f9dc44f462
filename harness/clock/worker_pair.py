"""A pair of real worker processes that take turns on the same cores: the candidate's, sandboxed, and the baseline's."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.random import SFC64, Generator

from harness.clock.batches import Batch
from harness.clock.data import ExactData, RealData, TurnData
from harness.clock.pairs import Side, Turn
from harness.errors import HarnessFaultError
from harness.judge.scheme_levels import CLASSICAL, SchemeLevels
from harness.judge.worker.calls import F32, Layout, Program, Ran, Slot
from harness.judge.worker.limits import time_limit_s
from harness.shapes import Shape
from harness.verdict import At, Cheat, Gate, Rejection, Wrong, describe

# Batches up to this many bytes are drawn before a block and verified after it, so that its turns follow each
# other closely. Larger ones take so long to multiply that the gap between turns matters less than the memory.
AHEAD_BYTES = 64 << 20
# Attempts at a turn before one during which this process did not run is kept as a disturbed one.
VOID_TURNS = 5
# A turn that waited longer than this for its core counts as disturbed, because another process used its caches.
WAIT_SHARE, WAIT_NS = 0.02, 50_000
# Involuntary switches that a quiet system makes too, for its own short kernel threads.
SWITCHES, SWITCH_EVERY_NS = 1, 10_000_000


class ClockWorker(Protocol):
    """The worker as the clock uses it; implemented by harness.judge.worker.client.Worker."""

    def batch(self, layout: Layout) -> list[Slot]:
        """One slot per product of `layout` in shared memory."""
        ...

    def run(self, slots: Sequence[Slot], *, at: At, limit_s: float, inspect: bool = ...) -> Ran | Rejection:
        """One timed command over all slots; the worker is frozen afterwards. `inspect` also reads disturbances."""
        ...


class LaunchClockWorker(Protocol):
    """Starts a fresh worker with room for any one of `layouts`; leaving the context ends the process."""

    def __call__(
        self, program: Program, layouts: Sequence[Layout]
    ) -> AbstractContextManager[ClockWorker]: ...


@dataclass(frozen=True, slots=True)
class Batching:
    """The products of a timed region, the empty round trip of such a batch, and the baseline's best time for one
    product.

    All are known before a candidate runs.
    """

    layout: Layout
    null_ns: float
    baseline_ns: float

    @property
    def count(self) -> int:
        """Products per timed region."""
        return len(self.layout.pairs)

    def shifted(self, inset: int) -> Batching:
        """The same products, with every matrix `inset` bytes after the beginning of a 64-byte line."""
        return replace(self, layout=replace(self.layout, inset=inset))


@dataclass(frozen=True, slots=True)
class Rival:
    """What a candidate is timed against: its name, its program, and the levels of a fast scheme that it has shown.

    A `trusted` rival is a library: its outputs are verified once per shape and process, those of a candidate always.
    """

    name: str
    program: Program
    levels: SchemeLevels = CLASSICAL
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class _Output:
    """The outputs `c` of the turn with this index, and whether they must be verified."""

    side: Side
    data: TurnData
    c: F32
    turn: int
    must_prove: bool


class WorkerPair:
    """One process pair. `full` compares every element of every output instead of using Freivalds' method.

    The seed is this pair's own and secret; data is drawn after the processes have started. Raises HarnessFaultError
    when the rival itself fails or returns something other than the product.
    """

    def __init__(
        self,
        launch: LaunchClockWorker,
        candidate: Program,
        rival: Rival,
        batching: Mapping[Shape, Batching],
        seed: int,
        threads: int,
        levels: SchemeLevels = CLASSICAL,
        full: bool = False,
    ) -> None:
        self._launch = launch
        self._programs = {Side.CANDIDATE: candidate, Side.BASELINE: rival.program}
        self._rival = rival
        self._seed = seed
        self._rng = Generator(SFC64(seed))
        # Both sides get the same order of products, which differs between process pairs.
        self._batching = {
            shape: replace(batch, layout=batch.layout.shuffled(self._rng))
            for shape, batch in batching.items()
        }
        self._threads = threads
        self._levels = levels
        self._full = full
        self._stack = ExitStack()
        self._workers: dict[Side, ClockWorker] = {}
        self._laid: dict[Side, tuple[Shape, Batch]] = {}
        self._output_buffers: dict[Shape, list[F32]] = {}
        self._proved: set[Shape] = set()

    def __enter__(self) -> WorkerPair:
        room = [batch.layout for batch in self._batching.values()]
        # In random order, so that neither side always gets the memory that is handed out first.
        with ExitStack() as undo:
            for side in self._rng.permutation(list(Side)):
                self._workers[Side(side)] = undo.enter_context(self._launch(self._programs[Side(side)], room))
            self._stack = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def block(self, shape: Shape, sides: Sequence[Side], warm: int) -> list[Turn] | Rejection:
        """See pairs.ProcessPair: fresh values at the same addresses, poisoned C, one timed command, every output
        verified.

        Nothing of a turn's data is accessible to a worker before that turn.
        """
        batches = {side: self._batch(side, shape) for side in sides}
        turns: list[Turn] = []
        kept: list[_Output] = []
        measured: set[Side] = set()
        ahead = self._ahead(shape)
        for side, data in zip(sides, self._data(shape, sides, warm), strict=True):
            turn = self._valid_turn(side, shape, batches[side], data)
            if not isinstance(turn, Turn):
                return self._blame(side, turn)
            turns.append(turn)
            # Outputs of both sides are copied, needed or not, so that the next turn finds the same caches.
            outputs = batches[side].outputs(self._output_buffer(shape, len(turns) - 1 if ahead else 0))
            kept.append(_Output(side, data, outputs, len(turns) - 1, self._must_prove(side, shape)))
            if not ahead or len(turns) == len(sides):
                wrong = self._wrong(kept, shape)
                if wrong is not None:
                    return wrong
                for one in kept:
                    if isinstance(one.data, RealData) and one.side not in measured:
                        measured.add(one.side)
                        error = one.data.relative_error(one.c, self._rng)
                        turns[one.turn] = replace(turns[one.turn], error=error)
                kept.clear()
        return turns

    def _valid_turn(self, side: Side, shape: Shape, batch: Batch, data: TurnData) -> Turn | Rejection:
        """A turn; repeated when this process did not run meanwhile (Ctrl-Z), a few times, and then not a clean one."""
        for _ in range(VOID_TURNS):
            batch.lay(data, self._rng)
            turn = self._turn(side, shape, batch)
            if not (isinstance(turn, Turn) and turn.void):
                return turn
        return turn

    def _output_buffer(self, shape: Shape, index: int) -> F32:
        """Memory for the outputs of one turn, reused: page faults of fresh memory would cost as much as the copy."""
        buffers = self._output_buffers.setdefault(shape, [])
        if index == len(buffers):
            buffers.append(np.empty((self._batching[shape].count, shape.m, shape.n), np.float32))
        return buffers[index]

    def _ahead(self, shape: Shape) -> bool:
        return self._batching[shape].layout.bytes <= AHEAD_BYTES

    def _data(self, shape: Shape, sides: Sequence[Side], warm: int) -> Iterator[TurnData]:
        """The data of each turn: ExactData for the first `warm` turns of each side, RealData for the others.

        When the data is drawn ahead, both sides multiply the same values, but not in neighbouring turns: data that was
        copied just before is in other cache levels, and neighbouring turns must find the caches alike.
        """
        counted = max(Counter(sides).values()) - warm
        if not self._ahead(shape):
            warming = self._chain(ExactData, shape), self._chain(RealData, shape)
            for at in range(len(sides)):
                yield next(warming[0 if at < 2 * warm else 1])
            return
        exact = list(itertools.islice(self._chain(ExactData, shape), warm))
        reals = list(itertools.islice(self._chain(RealData, shape), counted + 1))
        done: Counter[Side] = Counter()
        for side in sides:
            at, ahead = done[side] - warm, 0 if side is sides[0] else counted
            yield exact[at + warm] if at < 0 else reals[(at + ahead) % len(reals)]
            done[side] += 1

    def _chain(self, kind: type[ExactData] | type[RealData], shape: Shape) -> Iterator[TurnData]:
        """New data, followed by its successors without end."""
        data: TurnData = kind.draw(self._rng, self._batching[shape].layout, self._levels.at(shape))
        while True:
            yield data
            data = data.successor(self._rng)

    def _batch(self, side: Side, shape: Shape) -> Batch:
        """The side's slots for `shape`; laid out again only after another shape was used."""
        laid, batch = self._laid.get(side, (None, None))
        if laid != shape or batch is None:
            layout = self._batching[shape].layout
            batch = Batch(layout, self._workers[side].batch(layout))
            self._laid[side] = (shape, batch)
        return batch

    def _turn(self, side: Side, shape: Shape, batch: Batch) -> Turn | Rejection:
        batching = self._batching[shape]
        at = At(Gate.CLOCK, shape, self._seed)
        ran = self._workers[side].run(
            batch.slots, at=at, limit_s=time_limit_s(shape, batching.count), inspect=True
        )
        if not isinstance(ran, Ran):
            return ran
        if side is Side.CANDIDATE and not ran.fp_env_restored:
            return Cheat(
                "floating-point environment", "the rounding or flush-to-zero mode was left changed", at
            )
        batch_ns = own_ns(ran, batching.null_ns, self._threads)
        clean = ran.stalled_ns == 0 and undisturbed(ran, self._threads)
        return Turn(batch_ns, batching.count, clean, void=ran.stalled_ns > 0)

    def _must_prove(self, side: Side, shape: Shape) -> bool:
        """Always for a candidate; for a library once per shape and process: it is trusted, but may be called in the
        wrong way.
        """
        return side is Side.CANDIDATE or not self._rival.trusted or shape not in self._proved

    def _wrong(self, kept: Sequence[_Output], shape: Shape) -> Rejection | None:
        for one in kept:
            if not one.must_prove:
                continue
            found = one.data.verify_fully(one.c) if self._full else one.data.verify(one.c, self._rng)
            if found is not None:
                return self._blame(one.side, Wrong(found, At(Gate.CLOCK, shape, self._seed)))
            if one.side is Side.BASELINE:
                self._proved.add(shape)
        return None

    def _blame(self, side: Side, rejection: Rejection) -> Rejection:
        if side is Side.BASELINE:
            raise HarnessFaultError(f"{self._rival.name} failed: {describe(rejection)}")
        return rejection


def own_ns(ran: Ran, null_ns: float, threads: int) -> float:
    """Wall time of a run without the empty round trip and without the time in which other processes had its core.

    The operating system reports how long a thread was ready but not running; a candidate cannot gain such time by
    sleeping. It could compute in one thread while another waits for the core, so the result is never less than the CPU
    time of the whole process divided by its cores. If the candidate keeps a core busy itself, CPU time ÷ cores equals
    the wall time and nothing is subtracted.
    """
    wall_ns = max(ran.elapsed_ns - null_ns, 1.0)
    return max(wall_ns - ran.waited_ns, min(wall_ns, ran.cpu_ns / threads))


def undisturbed(ran: Ran, threads: int) -> bool:
    """Whether the machine left this run alone: no steal, hardly any switch, no waiting for the core.

    The rule is the same for both sides and never depends on how long the run took.
    """
    if ran.elapsed_ns - own_ns(ran, 0.0, threads) > max(WAIT_SHARE * ran.elapsed_ns, WAIT_NS):
        return False
    return ran.steal_ns == 0 and ran.involuntary_switches <= threads * (
        SWITCHES + ran.elapsed_ns // SWITCH_EVERY_NS
    )


def timed(
    launch: LaunchClockWorker, program: Program, layout: Layout, tries: int, threads: int
) -> list[float]:
    """Nanoseconds of `tries` batches of a trusted program, after one that is not counted; outputs are ignored.

    Raises HarnessFaultError when it fails.
    """
    shape, count = layout.shape, len(layout.pairs)
    with launch(program, [layout]) as worker:
        slots = tuple(worker.batch(layout))
        for slot in slots:
            slot.a.fill(0.5)
            slot.b.fill(0.25)
        times = []
        for _ in range(tries + 1):
            ran = worker.run(
                slots, at=At(Gate.CLOCK, shape), limit_s=time_limit_s(shape, count), inspect=True
            )
            if not isinstance(ran, Ran):
                raise HarnessFaultError(f"{program.symbol or 'the empty round trip'} failed: {describe(ran)}")
            times.append(own_ns(ran, 0.0, threads))
    return times[1:]
