"""The client of a worker: starts one sandboxed process, runs its kernel on shared memory, and freezes it in between."""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np

from harness.errors import HarnessFaultError, SandboxError, UserError
from harness.judge.worker import autopsy, procfs
from harness.judge.worker.call_table import call_words
from harness.judge.worker.calls import Layout, Placement, Program, Ran, Slot, Surroundings, WorkerLimits
from harness.judge.worker.process import Death, HostProcess
from harness.judge.worker.shared_memory import Capacity, OpenRange, PlacedSlot, Region, plan
from harness.operation.forms import CallForm
from harness.shapes import Shape
from harness.verdict import At, Rejection

__all__ = ["Capacity", "Worker"]

START_LIMIT_S = 20.0
IDLE_LIMIT_S = 2.0
TABLE_BYTES = 16 << 20
LAST_WORDS_BYTES = 4096

# The struct layouts of harness/host/src/wire.rs.
_ORDER = struct.Struct("=QIIII")
_ANSWER = struct.Struct("=QIIQQ")
_SEALED, _LOADED, _DONE = 1, 2, 3


class Worker:
    """Hosts `program` in its own process and calls it on products in shared memory.

    The process runs only between start and stop of the clock in `run`; otherwise it is frozen, so that the parent reads
    C as it was when the clock stopped. A dead worker stays dead and returns the same rejection again. The thread that
    creates the worker must outlive it, because the operating system kills the worker when that thread ends.

    Raises SandboxError when the sandbox cannot be set up, UserError when a BLAS cannot be loaded, HarnessFaultError
    when the host itself fails. Not thread-safe, except for `kill`. Use as a context manager.
    """

    def __init__(
        self, host: Path, program: Program, limits: WorkerLimits, capacity: Capacity, sandboxed: bool = True
    ) -> None:
        self.program = program
        self.limits = limits
        self._dead: Rejection | None = None
        self._early: Death | None = None
        # The parent-death signal is sent when this thread ends, not when the process ends.
        self._maker = threading.current_thread()
        self._sequence = 0
        self._layout = 0
        self._placed: Sequence[Slot] = ()
        self._open: list[OpenRange] = []
        self._opened: list[OpenRange] | None = None
        self._loaded = False
        self._closed = False
        self._regions = (
            Region("a", capacity.a_bytes, writable=False),
            Region("b", capacity.b_bytes, writable=False),
            Region("c", capacity.c_bytes, writable=True),
        )
        self._table = Region("table", TABLE_BYTES, writable=False, slack_bytes=0)
        self._words = Region("words", LAST_WORDS_BYTES, writable=True, slack_bytes=0)
        self._entries = np.frombuffer(self._table.memory, np.uint64)
        self._open = self._opened = [
            OpenRange(index, 0, region.size) for index, region in enumerate(self._regions)
        ]
        self._process = HostProcess(
            host, self._arguments(sandboxed), program, limits, self._shared_descriptors()
        )
        for region in (*self._regions, self._table, self._words):
            region.release()
        try:
            self._await_seal()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the worker, for those that observe it."""
        return self._process.pid

    def slots(
        self, shapes: Sequence[Shape], placement: Placement, forms: Sequence[CallForm] | None = None
    ) -> list[Slot]:
        """Lay out one slot per shape; earlier slots become invalid. The parent may write A, B and C; the worker only C.

        Without `forms`, matrices are contiguous; with them, each takes the memory from its lowest to its highest
        element. Raises HarnessFaultError when they do not fit the capacity.
        """
        if forms is None:
            spans = [(m * k, k * n, m * n) for m, k, n in shapes]
        else:
            spans = [form.spans(s) for form, s in zip(forms, shapes, strict=True)]
        sizes = ([4 * a for a, _, _ in spans], [4 * b for _, b, _ in spans], [4 * c for _, _, c in spans])
        apart = [(index, index) for index in range(len(shapes))]
        return self._lay_out(shapes, sizes, apart, placement, forms)

    def batch(self, layout: Layout) -> list[Slot]:
        """One slot per product of `layout`, aligned but for its inset; products that share an A or a B see the same
        addresses.

        Otherwise like `slots`.
        """
        (a, b, c), count = layout.block_bytes, len(layout.pairs)
        sizes = ([a] * layout.a_count, [b] * layout.b_count, [c] * count)
        forms = None if layout.form is None else [layout.form] * count
        shapes = [layout.shape] * count
        return self._lay_out(shapes, sizes, layout.pairs, Placement.ALIGNED, forms, layout.inset)

    def shared(self, shape: Shape, skip: int, form: CallForm | None = None) -> Slot:
        """One aligned slot whose B (k×n) begins `skip` elements after the beginning of A (m×k) and ends within A.

        Otherwise like `slots`. A caller may pass one slice twice, or two that overlap, because both are only read.
        """
        slot = self.slots([shape], Placement.ALIGNED, None if form is None else [form])[0]
        assert isinstance(slot, PlacedSlot)
        x, _, z = slot.offsets
        y = x + skip * slot.a.itemsize
        b = self._regions[0].view(y, shape.k, shape.n, None if form is None else form.b)
        return replace(slot, b=b, offsets=(x, y, z), b_in_a=True)

    def _lay_out(
        self,
        shapes: Sequence[Shape],
        sizes: tuple[list[int], list[int], list[int]],
        pairs: Sequence[tuple[int, int]],
        placement: Placement,
        forms: Sequence[CallForm] | None = None,
        inset: int = 0,
    ) -> list[Slot]:
        """Lay out matrices of these `sizes` in bytes; product i multiplies the A and B named by pairs[i] into C number
        i.
        """
        self._must_be_open()
        self._settle()
        self._layout += 1
        planned = [plan(size, placement, self._regions[i], i, inset) for i, size in enumerate(sizes)]
        self._open = [opened for _, ranges in planned for opened in ranges]
        a, b, c = self._regions
        (at_a, _), (at_b, _), (at_c, _) = planned
        slots: list[Slot] = []
        for number, (s, (i, j), z) in enumerate(zip(shapes, pairs, at_c, strict=True)):
            x, y = at_a[i], at_b[j]
            if forms is None:
                views = (a.view(x, s.m, s.k), b.view(y, s.k, s.n), c.view(z, s.m, s.n))
                slots.append(PlacedSlot(s, *views, (x, y, z), self._layout))
                continue
            slots.append(self._formed_slot(s, (x, y, z), forms[number]))
        return slots

    def _formed_slot(self, shape: Shape, starts: tuple[int, int, int], form: CallForm) -> PlacedSlot:
        """A slot whose A, B and C lie in the blocks that begin at these bytes of their regions."""
        (m, k, n), (a, b, c), spans = shape, self._regions, form.spans(shape)
        blocks = (a.block(starts[0], spans[0]), b.block(starts[1], spans[1]), c.block(starts[2], spans[2]))
        x = starts[0] + 4 * form.a.first(m, k)
        y = starts[1] + 4 * form.b.first(k, n)
        z = starts[2] + 4 * form.c.first(m, n)
        views = (a.view(x, m, k, form.a), b.view(y, k, n, form.b), c.view(z, m, n, form.c))
        return PlacedSlot(shape, *views, (x, y, z), self._layout, form=form, blocks=blocks)

    def run(
        self,
        slots: Sequence[Slot],
        *,
        at: At,
        limit_s: float,
        inspect: bool = False,
        surroundings: Surroundings = Surroundings.ONE_BY_ONE,
    ) -> Ran | Rejection:
        """Call the kernel once per slot, in order, within `limit_s` seconds for all of them (see `Deadline`).

        The clock starts before the worker is resumed and stops when its answer arrives. The worker is stopped at once,
        before anything is read about it, so that it can keep running only for the time a signal takes. With `inspect`,
        threads and disturbances are read from /proc as well; without it, those fields are 0.
        """
        self._must_be_open()
        self._settle()
        if self._early is not None:
            return self._ended(self._early, at, limit_s)
        if self._dead is not None:
            return self._dead
        outcome = self._timed_order(self._prepare(slots, surroundings), limit_s, inspect)
        return outcome if isinstance(outcome, Ran) else self._ended(outcome, at, limit_s)

    def _timed_order(self, order: bytes, limit_s: float, inspect: bool) -> Ran | Death:
        """Resume the worker, send an order, stop the clock at its answer, and stop the worker; see `run`."""
        process = self._process
        before = procfs.glance(process.pid) if inspect else procfs.Glance()
        cpu_before = process.cpu_ns()
        waited_before = procfs.waits(process.pid) if inspect else {}
        start_ns = time.perf_counter_ns()
        process.thaw()
        process.order(order)
        answer = process.answer(limit_s)
        elapsed_ns = time.perf_counter_ns() - start_ns
        stalled_ns = int(process.stalled_s * 1e9)
        if not isinstance(answer, bytes):
            return answer
        process.halt()
        waited_ns = procfs.waited_ns(waited_before, procfs.waits(process.pid)) if inspect else 0
        death = process.wait_stopped() or self._forged(answer) or process.end_without_main_thread()
        if death is not None:
            return death
        cpu_ns = process.cpu_ns() - cpu_before
        after = procfs.glance(process.pid) if inspect else procfs.Glance()
        return Ran(
            elapsed_ns=elapsed_ns,
            cpu_ns=cpu_ns or _ANSWER.unpack(answer)[3],
            threads=len(after.thread_cpu_ns),
            running_threads=after.worked_since(before),
            involuntary_switches=after.involuntary_switches - before.involuntary_switches,
            steal_ns=after.steal_ns - before.steal_ns,
            waited_ns=waited_ns,
            fp_env_restored=bool(_ANSWER.unpack(answer)[2]),
            data_bytes=after.data_bytes,
            stalled_ns=stalled_ns,
        )

    def idle_cpu_ns(self, settle_s: float = 0.005, window_s: float = 0.02) -> int:
        """CPU nanoseconds used in `window_s` without an order, after `settle_s` in which thread pools may fall asleep.

        An honest worker sleeps. On a busy machine the window is extended for a thread that is ready to run but gets no
        core. Read C before calling this: threads left running may change it. Returns 0 for a dead worker.
        """
        self._must_be_open()
        if self._dead is not None or self._early is not None or not self._loaded:
            return 0
        process = self._process
        process.thaw()
        time.sleep(settle_s)
        before = process.cpu_ns()
        deadline = time.monotonic() + max(IDLE_LIMIT_S, window_s)
        while True:
            time.sleep(window_s)
            used_ns = process.cpu_ns() - before
            if used_ns > 0.1e9 * window_s or not procfs.is_ready(process.pid) or time.monotonic() > deadline:
                break
        self._early = process.freeze()
        return used_ns

    def kill(self) -> None:
        """Kill the worker's process group, also while another thread waits in `run`, which then returns a rejection."""
        self._process.kill()

    def close(self) -> None:
        """Kill the worker's process group and free its memory; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._process.close()
        # Views keep a mapping alive; drop this object's own.
        self._placed = ()
        self._entries = np.empty(0, np.uint64)
        for region in (*self._regions, self._table, self._words):
            region.close()

    def _arguments(self, sandboxed: bool) -> list[str]:
        program, limits = self.program, self.limits
        sizes = ",".join(str(region.size) for region in self._regions)
        arguments = ["run", "--abi", program.abi.value, "--symbol", program.symbol, "--regions", sizes]
        arguments += ["--memory", str(limits.memory_bytes), "--parent", str(os.getpid())]
        arguments += ["--cores", ",".join(map(str, limits.cores))]
        if program.library is not None:
            arguments += ["--library", str(program.library.resolve())]
        return arguments if sandboxed else [*arguments, "--unsandboxed"]

    def _shared_descriptors(self) -> list[int]:
        """The descriptors in the order of wire.rs, from number 5 on."""
        return [
            self._words.descriptor,
            *(region.descriptor for region in self._regions),
            self._table.descriptor,
        ]

    def _prepare(self, slots: Sequence[Slot], surroundings: Surroundings) -> bytes:
        """Write the table of calls, unless it is unchanged, and return the order that refers to it."""
        self._sequence += 1
        refence = self._open != self._opened
        if slots is not self._placed or refence or not isinstance(slots, tuple):
            words: list[int] = []
            for slot in slots:
                if not isinstance(slot, PlacedSlot) or slot.layout != self._layout:
                    raise HarnessFaultError(
                        "a slot of another worker or of a former layout; call slots() again"
                    )
                words += call_words(slot, self.program.abi)
            if refence:
                for opened in self._open:
                    words += (opened.region, opened.start, opened.length)
            if len(words) > len(self._entries):
                raise HarnessFaultError(f"{len(slots)} calls do not fit into the table; run fewer at once")
            self._entries[: len(words)] = words
            self._placed = slots
            self._opened = self._open
        ranges = len(self._open) if refence else 0
        return _ORDER.pack(self._sequence, len(slots), ranges, int(refence), surroundings)

    def _await_seal(self) -> None:
        """Wait until the sandbox is closed; no code of the candidate has run before that."""
        answer = self._process.answer(START_LIMIT_S)
        if isinstance(answer, bytes) and self._odd(answer, _SEALED, 0) is None:
            return
        output = self._process.end().output.strip().removeprefix("roundtable-host: ")
        if output.startswith("sandbox: "):
            raise SandboxError(f"the sandbox cannot be set up here: {output.removeprefix('sandbox: ')}")
        if output.startswith("library: "):
            raise UserError(f"{self.program.library}: cannot be used: {output.removeprefix('library: ')}")
        raise HarnessFaultError(f"the worker did not start: {output or 'no output'}")

    def _must_be_open(self) -> None:
        if self._closed:
            raise HarnessFaultError("the worker is closed; open a new one")

    def _settle(self) -> None:
        """Wait until the library is loaded (its constructors have run), then freeze the worker before any input is
        written.
        """
        if self._loaded or self._dead is not None or self._early is not None:
            return
        answer = self._process.answer(START_LIMIT_S)
        if not isinstance(answer, bytes):
            self._early = answer
            return
        odd = self._odd(answer, _LOADED, 0)
        self._early = self._process.freeze() if odd is None else self._process.end("forged answer", odd)
        self._loaded = True

    def _forged(self, answer: bytes) -> Death | None:
        """End the worker when its answer to the last order is not the expected one."""
        odd = self._odd(answer, _DONE, self._sequence)
        return None if odd is None else self._process.end("forged answer", odd)

    def _odd(self, answer: bytes, kind: int, sequence: int) -> str | None:
        """What is wrong with an answer; None when it is the expected one and nothing follows it."""
        if len(answer) != _ANSWER.size:
            return f"an answer of {len(answer)} bytes"
        got_sequence, got_kind, _, _, rest = _ANSWER.unpack(answer)
        if (got_sequence, got_kind, rest) != (sequence, kind, 0):
            return f"answer {got_sequence} of kind {got_kind}, which was not asked for"
        if kind == _DONE and self._process.has_more():
            return "more than one answer to one order"
        return None

    def _ended(self, death: Death, at: At, limit_s: float) -> Rejection:
        """Determine the rejection for a dead worker, once."""
        if not self._maker.is_alive():
            raise HarnessFaultError("the thread that made the worker ended first, and the worker with it")
        placed = [slot for slot in self._placed if isinstance(slot, PlacedSlot)]
        words = bytes(self._words.memory[:LAST_WORDS_BYTES])
        case = autopsy.WorkerEnd(at, limit_s, self.limits.memory_bytes, placed, words, self._loaded)
        self._dead = autopsy.verdict(death, case)
        self._early = None
        self._process.close()
        return self._dead
