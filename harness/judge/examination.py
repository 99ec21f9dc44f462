"""Everything an examination needs to know about one candidate, and what a passed gate hands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from harness.candidate import ThreadClass
from harness.judge.worker.calls import Placement, Ran, Slot
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import At, Cheat, Gate, Rejection

Numerics: TypeAlias = Literal["componentwise", "normwise"]
SEED_BITS = 48


class JudgeWorker(Protocol):
    """What the examination needs of a worker: one sandboxed process that hosts one kernel."""

    def slots(self, shapes: Sequence[Shape], placement: Placement) -> list[Slot]:
        """Lay out one slot per shape in shared memory; the views are writable by the parent."""
        ...

    def run(self, slots: Sequence[Slot], *, at: At, limit_s: float, inspect: bool = False) -> Ran | Rejection:
        """Call the kernel once per slot, in order; afterwards the worker is frozen and C can be read."""
        ...

    def idle_cpu_ns(self) -> int:
        """CPU time that the worker uses in a short while without an order; an honest one sleeps."""
        ...


# Opens a fresh process with room for a batch of these shapes; leaving the context ends the process.
LaunchJudgeWorker: TypeAlias = Callable[[Sequence[Shape]], AbstractContextManager[JudgeWorker]]


@dataclass(frozen=True, slots=True)
class Examined:
    """A gate that found nothing; `notes` in plain types: checks, calls, seconds, seed, and numerics from values."""

    gate: Gate
    notes: Mapping[str, str | int | float]


@dataclass(slots=True)
class Examination:
    """One candidate under examination, shared by its gates.

    `seed` is the secret seed of this run (48 bits, drawn after the candidate was compiled). `cores` is how many
    cores the worker may use. `time_limit_s` gives the wall-clock limit of one call. `disabled` names oracles that
    are left out: only tests of the oracles use it. `remarks` gathers, from the calls of every gate, misconduct that
    is not a wrong product; the conduct gate answers for it.
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
    disabled: frozenset[str] = frozenset()
    remarks: list[Cheat] = field(default_factory=list)
    numerics: Numerics = "componentwise"
    case: str | None = None

    def seed_at(self, index: int) -> int:
        """The seed of the index-th case: consecutive numbers, which the generator turns into unrelated streams."""
        return (self.seed + index) % (1 << SEED_BITS)


def secret_seed(chosen: int | None) -> int:
    """The chosen seed (Settings.seed), else a fresh one from the system's entropy; 48 bits either way."""
    import secrets

    return secrets.randbits(SEED_BITS) if chosen is None else chosen % (1 << SEED_BITS)
