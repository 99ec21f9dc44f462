"""Loop nests as data, and a proof that a nest computes every element of the product exactly once.

A nest is a list of loops, outermost first. Each loop cuts the interval of its axis that the enclosing loops hand to it.
The pieces of one axis do not depend on the other axes, so the tiles partition [0,m)×[0,n)×[0,k) if and only if on each
axis the innermost pieces partition [0,size). `covers` decides that for all sizes. For a wrong nest `prove_cover`
reports a size, an index and how often that index is visited.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

LoopAxis: TypeAlias = Literal["m", "k", "n"]
IndexRange: TypeAlias = tuple[int, int]
AXES: tuple[LoopAxis, ...] = ("m", "k", "n")


class Loop(BaseModel):
    """One loop over `axis` in pieces of `step`.

    `edge` says what happens to an incomplete last piece. clip: it ends where the enclosing block ends. balanced: all
    pieces have nearly equal lengths, in multiples of `unit`, and the last one is clipped. clip_matrix: it ends only
    where the matrix ends. drop: it is left out, as by Rust's chunks_exact. exact: it has full length and may run past
    the end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    axis: LoopAxis
    step: int = Field(ge=1, le=16384)
    edge: Literal["clip", "balanced", "clip_matrix", "drop", "exact"] = "clip"
    unit: int = Field(default=1, ge=1, le=16384)


@dataclass(frozen=True, slots=True)
class Fault:
    """At this `size` of the axis, `index` is visited `times` times; index >= size is past the end of the matrix."""

    axis: LoopAxis
    size: int
    index: int
    times: int

    def __str__(self) -> str:
        letter = {"m": "row", "k": "depth", "n": "column"}[self.axis]
        if self.index >= self.size:
            return f"with {self.axis} = {self.size} the loops run beyond the end, to {letter} {self.index}"
        how = "never" if self.times == 0 else f"{self.times} times"
        return f"with {self.axis} = {self.size}, {letter} {self.index} is computed {how} instead of once"


def pieces(loop: Loop, block: IndexRange, size: int) -> list[IndexRange]:
    """The pieces into which the loop cuts `block`; for a wrong loop they overlap, leave gaps or run past `size`."""
    start, stop = block
    if stop <= start:
        return []
    if loop.edge == "balanced":
        return _balanced(start, stop, loop.step, loop.unit)
    starts = range(start, stop - loop.step + 1 if loop.edge == "drop" else stop, loop.step)
    limit = {"clip": stop, "clip_matrix": size}.get(loop.edge)
    return [(at, at + loop.step if limit is None else min(at + loop.step, limit)) for at in starts]


def _balanced(start: int, stop: int, step: int, unit: int) -> list[IndexRange]:
    """The fewest nearly equal pieces of at most `step`: the Rust functions `cuts` (unit 1) and `strips` (unit NR)."""
    units = -(-(stop - start) // unit)
    count = -(-units // max(1, step // unit))
    size, longer = divmod(units, count)
    bounds = [start + unit * (i * size + min(i, longer)) for i in range(count + 1)]
    return [(low, min(high, stop)) for low, high in itertools.pairwise(bounds)]


def leaves(nest: Sequence[Loop], axis: LoopAxis, size: int) -> list[IndexRange]:
    """The innermost pieces of one axis, in execution order."""
    blocks = [(0, size)] if size else []
    for loop in nest:
        if loop.axis == axis:
            blocks = [piece for block in blocks for piece in pieces(loop, block, size)]
    return blocks


def fault_at(nest: Sequence[Loop], axis: LoopAxis, size: int) -> Fault | None:
    """The first index of one axis that is not visited exactly once at this size, found by counting, or None."""
    visits = [0] * (size + 1)
    beyond = size
    for start, stop in leaves(nest, axis, size):
        beyond = max(beyond, stop)
        for index in range(start, min(stop, size)):
            visits[index] += 1
    for index in range(size):
        if visits[index] != 1:
            return Fault(axis, size, index, visits[index])
    return Fault(axis, size, beyond - 1, 1) if beyond > size else None


def covers(nest: Sequence[Loop], axis: LoopAxis) -> bool:
    """Whether the innermost pieces partition [0,size) for every size, by induction from the outermost loop inwards.

    clip and balanced partition any interval. drop and exact do so only if their step divides the length of every
    interval they get; as sizes are arbitrary, only step 1 qualifies. clip_matrix may run past the end of its enclosing
    block. It is right if it is outermost, or if its step divides the fixed step of the enclosing loop: then every block
    starts on a multiple of its step, and is a multiple of it long or ends with the matrix.
    """
    # Length of every enclosing block except the last: 0 stands for the whole axis, None for lengths that vary.
    fixed: int | None = 0
    for loop in (each for each in nest if each.axis == axis):
        if loop.edge in ("drop", "exact") and loop.step != 1:
            return False
        if loop.edge == "clip_matrix" and loop.step != 1 and (fixed is None or fixed % loop.step):
            return False
        even = fixed is not None and fixed % loop.step == 0
        fixed = loop.step if loop.edge != "balanced" and even else (1 if loop.step == 1 else None)
    return True


def prove_cover(nest: Sequence[Loop], sizes: Sequence[tuple[int, int, int]] = ()) -> list[Fault]:
    """One fault for each axis that is not covered exactly once; an empty list is a proof for all sizes.

    sizes: shapes (m, k, n) at which every index is also counted, as a check that does not depend on `covers`.
    """
    faults = []
    for position, axis in enumerate(AXES):
        own = [loop for loop in nest if loop.axis == axis]
        if not covers(nest, axis):
            shown = (fault_at(own, axis, size) for size in _sizes_to_count(own))
        else:
            shown = (fault_at(own, axis, shape[position]) for shape in sizes)
        found = next((fault for fault in shown if fault is not None), None)
        if found is not None:
            faults.append(found)
    return faults


def _sizes_to_count(nest: Sequence[Loop]) -> list[int]:
    """Sizes at which a wrong nest fails: 1 to 64, and those within 2 of small multiples of the steps."""
    beside = {loop.step * times + offset for loop in nest for times in range(1, 4) for offset in range(-2, 3)}
    return sorted(size for size in beside | set(range(1, 65)) if size > 0)


def deepest_tile(nest: Sequence[Loop], axis: LoopAxis) -> int | None:
    """The longest innermost piece of an axis; None if no loop runs over the axis."""
    steps = [loop.step for loop in nest if loop.axis == axis]
    return min(steps) if steps else None
