"""The state of one candidate's examination, and what a gate returns when it finds nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from harness.candidate import ThreadClass, Tier
from harness.judge.worker.calls import Layout, Placement, Ran, Slot, Surroundings
from harness.operation.forms import CallForm
from harness.operation.operations import MATMUL, Operation
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import At, Cheat, Gate, Rejection

Numerics: TypeAlias = Literal["componentwise", "normwise"]
SEED_BITS = 48


class JudgeWorker(Protocol):
    """The worker as the examination uses it: one sandboxed process that hosts one kernel."""

    def slots(
        self, shapes: Sequence[Shape], placement: Placement, forms: Sequence[CallForm] | None = None
    ) -> list[Slot]:
        """Lay out one slot per shape in shared memory; the views are writable by the parent. See `Slot` for forms."""
        ...

    def batch(self, layout: Layout) -> list[Slot]:
        """One aligned slot per product of `layout`; products that share an A or a B see the same addresses."""
        ...

    def shared(self, shape: Shape, skip: int, form: CallForm | None = None) -> Slot:
        """One aligned slot whose B begins `skip` elements after the beginning of A and ends within A."""
        ...

    def run(
        self,
        slots: Sequence[Slot],
        *,
        at: At,
        limit_s: float,
        inspect: bool = False,
        surroundings: Surroundings = Surroundings.ONE_BY_ONE,
    ) -> Ran | Rejection:
        """Call the kernel once per slot, in order; afterwards the worker is frozen and C can be read."""
        ...

    def idle_cpu_ns(self) -> int:
        """CPU time, in nanoseconds, that the worker uses while it has no order; an honest worker sleeps."""
        ...

    def kill(self) -> None:
        """End the process at once, also while another thread waits in `run`."""
        ...


# Starts a fresh worker process with room for a batch of these shapes; leaving the context ends the process.
LaunchJudgeWorker: TypeAlias = Callable[[Sequence[Shape]], AbstractContextManager[JudgeWorker]]


@dataclass(frozen=True, slots=True)
class Examined:
    """What a gate returns when it found nothing wrong; `notes` holds checks, calls, seconds and seed, and numerics."""

    gate: Gate
    notes: Mapping[str, str | int | float]


@dataclass(slots=True)
class Examination:
    """One candidate under examination, shared by its judging gates.

    `seed` is the secret seed of this run (48 bits, drawn after the candidate was compiled). `cores` is the number of
    cores the worker may use. `other_surroundings` starts workers that see other numbers of cores or are told to use
    other numbers of threads, by description. `other_launches` start workers like `launch`, each on another core, for
    oracles that run side by side. `time_limit_s` gives the limit of one call in seconds.
    `disabled` names oracles to leave out; only tests of the oracles use it. `remarks` collects misconduct other than a
    wrong product during the calls of every gate; the conduct gate reports it. `levels` holds, for each shape at
    which it was examined, how many levels of a fast bilinear scheme the kernel shows there (`mixing.levels_shown`);
    with 0 it must meet the componentwise bound there. `operation` and `tier` say how the kernel is called; strides are
    negative in the unsafe tier only.
    """

    launch: LaunchJudgeWorker
    seed: int
    time_limit_s: Callable[[Shape], float]
    profile: Profile = Profile.DEFAULT
    threads: ThreadClass = 1
    cores: int = 1
    timed_shapes: tuple[Shape, ...] = ()
    nodeid: str = ""
    database: Path | None = None
    other_surroundings: Mapping[str, LaunchJudgeWorker] = field(default_factory=dict)
    other_launches: Sequence[LaunchJudgeWorker] = ()
    disabled: frozenset[str] = frozenset()
    remarks: list[Cheat] = field(default_factory=list)
    levels: dict[Shape, int] = field(default_factory=dict)
    case: str | None = None
    operation: Operation = MATMUL
    tier: Tier = "unsafe"

    @property
    def numerics(self) -> Numerics:
        """ "normwise" once the kernel has shown a fast bilinear scheme at any shape."""
        return "normwise" if any(self.levels.values()) else "componentwise"

    def granted_levels(self, shape: Shape) -> int:
        """The levels of a fast scheme whose errors are allowed at a shape.

        At examined shapes: the levels shown there, at most as many as the shorter side of C can be halved. At shapes
        not examined: the number of times the shorter side of C can be halved.
        """
        room = max(min(shape.m, shape.n) - 1, 1).bit_length()
        return min(self.levels.get(shape, room), room)

    def seed_at(self, index: int) -> int:
        """The seed of the index-th case. Seeds are consecutive; the generator turns them into unrelated streams."""
        return (self.seed + index) % (1 << SEED_BITS)


def secret_seed(chosen: int | None) -> int:
    """The chosen seed (Settings.seed), else a fresh one from the system's entropy; 48 bits in either case."""
    import secrets

    return secrets.randbits(SEED_BITS) if chosen is None else chosen % (1 << SEED_BITS)
