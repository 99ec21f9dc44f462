"""Turns before the clock's own that change A and B in the middle of a batch; none of them is timed.

A batch multiplies one A by several B. A kernel that keeps packed copies within a batch, and forgets them where the next
turn begins, is right in every turn and saves work that a caller would have to pay for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from numpy.random import SFC64, Generator

from harness.clock.batches import Batch
from harness.clock.data import ExactData, RealData, TurnData
from harness.clock.worker_pair import ClockWorker, LaunchClockWorker
from harness.judge.scheme_levels import CLASSICAL, SchemeLevels
from harness.judge.worker.calls import Layout, Program, Ran
from harness.judge.worker.limits import time_limit_s
from harness.verdict import At, Gate, Rejection, Wrong

# How often a shape is rehearsed, and the most whole turns before each interrupted one. A process of the clock has at
# most five turns of a shape, of which a kernel may leave out as many as it likes.
ROUNDS, MOST_WHOLE_TURNS = 3, 4
MIDDLE = "A and B changed in place in the middle of a batch"


def rehearse(
    launch: LaunchClockWorker,
    program: Program,
    layouts: Sequence[Layout],
    seed: int,
    levels: SchemeLevels = CLASSICAL,
) -> Rejection | None:
    """The first wrong product of a kernel in turns that are interrupted, or None; layouts without sharing are left out.

    For the kernel, an interrupted turn looks like any other: the products come in the order of the turns before, C
    holds what it holds in timed turns, and of A and B one element each has changed since the product before.
    """
    rng = Generator(SFC64(seed))
    shared = [layout.shuffled(rng) for layout in layouts if _shares(layout)]
    if not shared:
        return None
    with launch(program, shared) as worker:
        for index in rng.permutation(len(shared)):
            stage = _Stage(worker, shared[index], seed, rng, levels.at(shared[index].shape))
            for _ in range(ROUNDS):
                rejection = stage.round()
                if rejection is not None:
                    return rejection
    return None


def _shares(layout: Layout) -> bool:
    """Whether some A or some B takes part in several products."""
    return len(layout.pairs) > min(layout.a_count, layout.b_count)


class _Stage:
    """The slots of one layout in one worker, and the calls on them."""

    def __init__(self, worker: ClockWorker, layout: Layout, seed: int, rng: Generator, levels: int) -> None:
        self._worker, self._layout, self._seed, self._rng = worker, layout, seed, rng
        self._levels = levels
        self._batch = Batch(layout, worker.batch(layout))

    def round(self) -> Rejection | None:
        """Whole turns, the first of which has integers as in the clock, then one with a change in the middle."""
        rng, count = self._rng, len(self._layout.pairs)
        whole = int(rng.integers(MOST_WHOLE_TURNS + 1))
        if whole:
            rejection = self._run(ExactData.draw(rng, self._layout, self._levels), 0, count)
            if rejection is not None:
                return rejection
        data = RealData.draw(rng, self._layout, self._levels)
        for _ in range(whole - 1):
            rejection = self._run(data, 0, count)
            if rejection is not None:
                return rejection
            data = data.successor(rng)
        middle = int(rng.integers(1, count))
        return self._run(data, 0, middle) or self._run(data.hardly_changed(rng), middle, count)

    def _run(self, data: TurnData, start: int, end: int) -> Rejection | None:
        """The products from `start` to `end` in one order, each of their elements compared."""
        shape, part = self._layout.shape, slice(start, end)
        self._batch.lay(data, self._rng)
        at = At(Gate.CLOCK, shape, self._seed)
        ran = self._worker.run(
            self._batch.slots[part], at=at, limit_s=time_limit_s(shape, end - start), inspect=True
        )
        if not isinstance(ran, Ran):
            return ran
        found = data.of_products(part).verify_fully(self._batch.outputs(None)[part])
        if found is None:
            return None
        return Wrong(replace(found, oracle="rehearsal", detail=MIDDLE if start else found.detail), at)
