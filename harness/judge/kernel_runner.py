"""Runs products in a sandboxed worker: lays out A and B, poisons C, and copies C as it was at the end of the call."""

from __future__ import annotations

import operator
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType

import numpy as np

from harness.judge.examination import Examination, JudgeWorker
from harness.judge.gaps import Gaps
from harness.judge.matrices import assign, copied, same_bits
from harness.judge.poison import PAYLOAD, poison
from harness.judge.red_zones import RedZones
from harness.judge.reference import shape_of
from harness.judge.updates import GemmUpdate
from harness.judge.worker.calls import F32, Layout, Placement, Ran, Slot, Surroundings
from harness.judge.worker.limits import HEADROOM, slow_s
from harness.operation import arrangements
from harness.operation.forms import CallForm
from harness.shapes import Shape
from harness.verdict import At, Cheat, Crash, Gate, Panic, Rejection

# Every worker has at least this much room, so that the many small checks share one process.
ROOM = Shape(512, 512, 512)
# float32 elements of a cache line.
LINE_FLOATS = 16
# Every second placement ends at the upper guard page, where an access past the end faults at once.
PLACEMENTS = tuple(
    placement
    for other in (Placement.LEFT, Placement.UNALIGNED, Placement.ALIGNED)
    for placement in (Placement.RIGHT, other)
)


class Rejected(Exception):  # noqa: N818 - an outcome that travels upwards, not an error
    """The kernel did not return from a call; `rejection` is the verdict."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(type(rejection).__name__)
        self.rejection = rejection


class Abandoned(BaseException):
    """The runner was told to stop: another runner has found what rejects the kernel. Not caught by oracles or
    Hypothesis.
    """


class KernelRunner:
    """Runs products in one worker of the examination; starts a new worker when the old one died or is too small.

    Not thread-safe, except for `abandon`. Use as a context manager: leaving it ends the worker.
    """

    def __init__(self, examination: Examination, gate: Gate) -> None:
        self.examination = examination
        self.gate = gate
        self.checks = 0
        self.calls = 0
        # CPU seconds of all calls, and of the checks at elongated shapes among them.
        self.cpu_s = self.elongated_s = 0.0
        self.last: Ran | None = None
        self.last_call: GemmUpdate | None = None
        self.abandoned = False
        self._runner: JudgeWorker | None = None
        self._made_for: list[Shape] = []
        self._room = (0, 0, 0, 0)
        self._process = ExitStack()
        self._salt = examination.seed & PAYLOAD

    def __enter__(self) -> KernelRunner:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    @property
    def effort_s(self) -> float:
        """CPU seconds of the kernel and of this thread so far. Differences say how much was examined, on a busy machine
        as on a quiet one.
        """
        return self.cpu_s + time.thread_time()

    def add(self, other: KernelRunner) -> None:
        """Add the checks, calls and CPU time of another runner to the counts of this one."""
        self.checks += other.checks
        self.calls += other.calls
        self.cpu_s += other.cpu_s

    def abandon(self) -> None:
        """Make the call that runs in another thread, and every later one, raise Abandoned."""
        self.abandoned = True
        worker = self._runner
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        """End the worker; the next call opens a fresh one."""
        self._runner = None
        self._process.close()

    def product(self, a: F32, b: F32, seed: int, placement: Placement | None = None) -> F32:
        """C (m×n) as the kernel left it, as a copy. Raises Rejected when the kernel did not return.

        Without `placement`, the seed selects one, so that a replay places the data in the same way.
        """
        return self.products([(a, b)], seed, placement)[0]

    def products(
        self,
        pairs: Sequence[tuple[F32, F32]],
        seed: int,
        placement: Placement | None = None,
        surroundings: Surroundings = Surroundings.ONE_BY_ONE,
        arranged: Sequence[int] = (),
    ) -> list[F32]:
        """Run one batch in one process and return the products in order; when the batch dies, find the call
        that died.

        An sgemm kernel gets each product in the arrangement of its seed in `arranged`, or all in that of `seed`.
        """
        seeds = arranged or [seed] * len(pairs)
        calls = [self._plain(a, b, chosen) for (a, b), chosen in zip(pairs, seeds, strict=True)]
        return self.updates(calls, seed, placement, surroundings)

    def _plain(self, a: F32, b: F32, seed: int) -> GemmUpdate:
        """The call that makes C = A·B; for sgemm in the arrangement and with the scalars of a seed."""
        form = self.form(shape_of(a, b), seed)
        if not self.examination.operation.has_forms:
            return GemmUpdate(a, b, None, form)
        alpha, beta = arrangements.plain_scalars(seed)
        zeros = np.zeros((a.shape[0], b.shape[1]), np.float32) if beta else None
        return GemmUpdate(a, -b if alpha < 0 else b, None, form).scaled(alpha, beta, zeros)

    def updates(
        self,
        calls: Sequence[GemmUpdate],
        seed: int,
        placement: Placement | None = None,
        surroundings: Surroundings = Surroundings.ONE_BY_ONE,
    ) -> list[F32]:
        """Like `products`, with the form and the former C of each call given."""
        where = placement or placement_of(seed)
        self.last_call = calls[0]
        outcome = self._batch(calls, seed, where, surroundings)
        one_by_one = surroundings is Surroundings.ONE_BY_ONE
        if len(calls) > 1 and one_by_one and isinstance(outcome, Crash | Panic):
            outcome = self._guilty(calls, seed, where) or outcome
        return _returned(outcome)

    def _guilty(self, calls: Sequence[GemmUpdate], seed: int, placement: Placement) -> Rejection | None:
        """The first call of a batch that also dies alone, so that the verdict names its shape."""
        for call in calls:
            outcome = self._batch([call], seed, placement)
            if not isinstance(outcome, list):
                return outcome
        return None

    def form(self, shape: Shape, seed: int) -> CallForm:
        """The arrangement of a seed for a kernel that is called with strides; contiguous for the others."""
        examination = self.examination
        if not examination.operation.has_forms:
            return CallForm.contiguous(shape)
        return arrangements.drawn(shape, seed, negative=examination.tier == "unsafe")

    def layout(
        self, shape: Shape, a_count: int, b_count: int, pairs: Sequence[tuple[int, int]], seed: int
    ) -> Layout:
        """Products of `pairs` of some A and B for `at_shared_addresses`, in the arrangement of the seed."""
        form = self.form(shape, seed) if self.examination.operation.has_forms else None
        return Layout(shape, a_count, b_count, tuple(pairs), form)

    def shared_product(
        self, a: F32, n: int, skip: int, seed: int, form: CallForm | None = None
    ) -> tuple[F32, F32]:
        """B (k×n) and C (m×n), where B begins `skip` elements after the beginning of A (m×k) and ends within A.

        Raises Rejected when the kernel did not return.
        """
        shape = Shape(a.shape[0], a.shape[1], n)
        slot = self._open([shape]).shared(shape, skip, form)
        gaps = self._gaps([slot])
        slot.a[...] = a
        b = slot.b.copy()
        return b, _returned(self._run([slot], [(a, b)], Placement.ALIGNED, seed, gaps=gaps))[0]

    def product_onto(self, a: F32, b: F32, former: F32) -> F32:
        """C of A·B where C held `former` before the call. Raises Rejected when the kernel did not return."""
        call = GemmUpdate(a, b, former, self.form(shape_of(a, b), 0))
        return _returned(self._batch([call], 0, Placement.ALIGNED))[0]

    def at_shared_addresses(
        self, layout: Layout, turns: Sequence[tuple[F32, F32, slice]], seed: int
    ) -> list[F32]:
        """The products of some pairs of `layout`, in one order for each turn: a (a_count, m, k), b (b_count, k, n), and
        the part of the pairs. All turns have A, B and C at the same addresses.

        Raises Rejected when the kernel did not return.
        """
        slots = self._open([layout.shape] * len(layout.pairs)).batch(layout)
        products = []
        for number, (a, b, part) in enumerate(turns):
            gaps = self._gaps(slots[part])
            for slot, (i, j) in zip(slots, layout.pairs, strict=True):
                slot.a[...] = a[i]
                slot.b[...] = b[j]
            pairs = [(a[i], b[j]) for i, j in layout.pairs[part]]
            ran = self._run(slots[part], pairs, Placement.ALIGNED, seed + number, gaps=gaps, zones=False)
            products += _returned(ran)
        return products

    def _batch(
        self,
        calls: Sequence[GemmUpdate],
        seed: int,
        placement: Placement,
        surroundings: Surroundings = Surroundings.ONE_BY_ONE,
    ) -> list[F32] | Rejection:
        shapes = [shape_of(call.a, call.b) for call in calls]
        worker = self._open(shapes)
        if self.examination.operation.has_forms:
            slots = worker.slots(shapes, placement, [call.form for call in calls])
        else:
            slots = worker.slots(shapes, placement)
        gaps = self._gaps(slots)
        for slot, call in zip(slots, calls, strict=True):
            assert call.a.dtype == call.b.dtype == np.float32
            assign(slot.a, call.a)
            assign(slot.b, call.b)
        pairs, formers = [(call.a, call.b) for call in calls], [call.c for call in calls]
        return self._run(slots, pairs, placement, seed, surroundings, gaps=gaps, formers=formers)

    def _gaps(self, slots: Sequence[Slot]) -> Gaps:
        return Gaps(() if "gaps" in self.examination.disabled else slots, self._salt)

    def _run(
        self,
        slots: Sequence[Slot],
        pairs: Sequence[tuple[F32, F32]],
        placement: Placement,
        seed: int,
        surroundings: Surroundings = Surroundings.ONE_BY_ONE,
        *,
        zones: bool = True,
        gaps: Gaps | None = None,
        formers: Sequence[F32 | None] = (),
    ) -> list[F32] | Rejection:
        """Poison every C, call the kernel, and copy every C. A and B are in their slots already.

        `formers` are the contents of each C before the call, where they take the place of poison. Without `zones`, the
        bytes beside C are not watched, because they belong to another slot of the layout.
        """
        shapes = [slot.shape for slot in slots]
        for index, (slot, former) in enumerate(zip(slots, formers or [None] * len(slots), strict=True)):
            if former is None:
                self._poison(slot, seed + index)
            else:
                slot.c[...] = former
        red_zones = RedZones(slots if zones else (), placement, self._salt)
        at = At(self.gate, max(shapes, key=lambda shape: (shape.flops, shape)), seed)
        assert self._runner is not None
        if self.abandoned:
            raise Abandoned
        limit_s, inspect = self._limit_s(shapes), self.gate is Gate.CONDUCT
        ran = self._runner.run(slots, at=at, limit_s=limit_s, inspect=inspect, surroundings=surroundings)
        if self.abandoned:
            raise Abandoned
        if not isinstance(ran, Ran):
            self.close()
            return ran
        self.last = ran
        self.calls += len(pairs)
        self.cpu_s += ran.cpu_ns / 1e9
        outside = red_zones.touched()
        if outside is not None:
            return Cheat("writes outside C", outside, at)
        between = None if gaps is None else gaps.touched()
        if between is not None:
            return Cheat("writes between the elements of C", between, at)
        self._watch(ran, slots, pairs, at)
        return [copied(slot.c) for slot in slots]

    def _open(self, shapes: Sequence[Shape]) -> JudgeWorker:
        """A worker with room for these shapes, reused while it lives and is large enough.

        One that is too small is replaced by one with room for its own shapes as well. So shapes that are large in
        different extents take turns in one process, instead of starting one each.
        """
        need = _room_of(shapes)
        if self._runner is None or any(map(operator.gt, need, self._room)):
            kept = [] if self._runner is None else self._made_for
            self.close()
            usual = not any(map(operator.gt, need, _room_of([ROOM])))
            self._made_for = [*kept, *([ROOM] if usual else shapes)]
            self._room = _room_of(self._made_for)
            self._runner = self._process.enter_context(self.examination.launch(self._made_for))
        return self._runner

    def _poison(self, slot: Slot, seed: int) -> None:
        """Fill C with values that differ from element to element and from call to call.

        Most seeds give NaN with varying payloads, or large finite numbers. One seed in ten each gives zeros, reals of
        the size of results, small integers, or the previous content in reverse order: a kernel that reads C could wait
        for content that looks like a result. Zeros and integers might be correct by accident; the other calls exclude
        that.
        """
        if "poison" in self.examination.disabled:
            slot.c[...] = 0
            return
        self._salt = (self._salt * 1103515245 + 12345) & PAYLOAD
        poison(slot.c, self._salt, seed % 10)

    def idle_cpu_ns(self) -> int:
        """CPU time, in nanoseconds, that the worker uses while it has no order; 0 when there is no worker."""
        return 0 if self._runner is None else self._runner.idle_cpu_ns()

    def _limit_s(self, shapes: Sequence[Shape]) -> float:
        """Limit in seconds: the full limit for the slowest call, and a slow kernel's time for each further
        call.
        """
        return max(map(self.examination.time_limit_s, shapes)) + HEADROOM * sum(map(slow_s, shapes[1:]))

    def _watch(self, ran: Ran, slots: Sequence[Slot], pairs: Sequence[tuple[F32, F32]], at: At) -> None:
        """Note misconduct that does not show in the product; the conduct gate reports it."""
        conduct = At(Gate.CONDUCT, at.shape, at.seed)
        if not ran.fp_env_restored:
            self.remark(
                Cheat("floating-point environment", "rounding or flush-to-zero mode left changed", conduct)
            )
        for slot, (a, b) in zip(slots, pairs, strict=True):
            if not (same_bits(slot.a, a) and same_bits(slot.b, b)):
                self.remark(Cheat("inputs changed", "A or B is not what it was before the call", conduct))

    def remark(self, cheat: Cheat) -> None:
        """Keep the first eight remarks; one is enough for a rejection."""
        if len(self.examination.remarks) < 8:
            self.examination.remarks.append(cheat)


def _returned(outcome: list[F32] | Rejection) -> list[F32]:
    """The products; raises Rejected when there are none."""
    if isinstance(outcome, list):
        return outcome
    raise Rejected(outcome)


def placement_of(seed: int) -> Placement:
    """The placement that a seed selects. Three consecutive seeds share one, so that every kind of data meets every
    placement.
    """
    return PLACEMENTS[seed // 3 % len(PLACEMENTS)]


def _room_of(shapes: Sequence[Shape]) -> tuple[int, int, int, int]:
    """Elements of A, B and C in a batch, with each matrix rounded up to whole cache lines and shifted by one line; and
    the bytes of the largest product, on which the memory limit of a worker rests.
    """
    a = b = c = largest = 0
    for m, k, n in shapes:
        a += m * k // LINE_FLOATS + 2
        b += k * n // LINE_FLOATS + 2
        c += m * n // LINE_FLOATS + 2
        largest = max(largest, 4 * (m * k + k * n + m * n))
    return a * LINE_FLOATS, b * LINE_FLOATS, c * LINE_FLOATS, largest
