"""The oracles: small named functions, each of which kills its own kind of wrong kernel and passes every honest one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.errors import UserError
from harness.judge.examination import Examination
from harness.judge.kernel_runner import KernelRunner
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate

Check: TypeAlias = Callable[[KernelRunner, Shape, int], Counterexample | None]
Together: TypeAlias = Callable[
    [KernelRunner, Sequence[tuple[Shape, int]]], tuple[Shape, int, Counterexample] | None
]


@dataclass(frozen=True, slots=True)
class Oracle:
    """One way to tell a wrong kernel.

    `check` puts data of a seed at a shape before the kernel and returns the first wrong element, or None. `plan`
    tells at which shapes it looks. A `classical` oracle holds for kernels that sum m·n·k products; a fast bilinear
    scheme (Strassen) may fail it and is then held to the normwise oracles instead.
    `smallest` is the least extent at which it makes sense. `together` does many small cases of one placement at once.
    At `elongated` shapes running out of memory is forgiven, and out of time to a kernel that pads to a square.
    A kernel that computed for `patience_s` seconds, which the textbook loop does not need, is spared the rest.
    """

    name: str
    gate: Gate
    check: Check
    plan: Callable[[Examination], Iterator[Shape]]
    classical: bool = False
    smallest: int = 0
    together: Together | None = None
    elongated: bool = False
    patience_s: float = float("inf")


def registry() -> tuple[Oracle, ...]:
    """All oracles in the order in which a candidate meets them: cheap and deadly first."""
    from harness.judge.oracles import conduct, special, structure, values

    return (*structure.ORACLES, *values.ORACLES, *special.ORACLES, *conduct.ORACLES)


def at_gate(examination: Examination, gate: Gate) -> list[Oracle]:
    """The gate's oracles without the disabled ones."""
    return [
        oracle for oracle in registry() if oracle.gate is gate and oracle.name not in examination.disabled
    ]


def named(name: str) -> Oracle:
    """The oracle of that name; raises UserError that lists the names."""
    from harness.judge.oracles.normwise import ORACLES as FAST

    known = {oracle.name: oracle for oracle in (*registry(), *FAST)}
    if name in known:
        return known[name]
    allowed = ", ".join(sorted(known))
    raise UserError(f"no oracle '{name}'; the oracles are: {allowed}")
