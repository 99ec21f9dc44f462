"""How many levels of a fast bilinear scheme a kernel has shown at which shape, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from harness.candidate import DeclaredScheme
from harness.shapes import Shape

# Products of one level of Strassen's scheme, and of the classical product that it replaces.
FAST_PRODUCTS, CLASSICAL_PRODUCTS = 7, 8
# More levels than these save no time at any size that is timed.
LEVELS_THAT_SAVE = 3


@dataclass(frozen=True, slots=True)
class SchemeLevels:
    """The levels that a kernel has shown, by shape, in halvings of the rows or columns; 0 where it mixes nothing. Empty
    for a classical kernel. `declared` is the [scheme] of its candidate.toml. `ask` runs the kernel to find its levels
    at a further shape.
    """

    shown: Mapping[Shape, int] = field(default_factory=dict)
    declared: DeclaredScheme | None = None
    ask: Callable[[Shape], int] | None = None

    def asked_at(self, shapes: Iterable[Shape], classical_too: bool = False) -> SchemeLevels:
        """The same with the levels at these shapes, too; for a kernel without a scheme anywhere if `classical_too`."""
        if self.ask is None or not (classical_too or any(self.shown.values())):
            return self
        plain = dict.fromkeys(shape.plain for shape in shapes)
        more = {shape: self.ask(shape) for shape in plain if shape not in self.shown}
        return replace(self, shown={**self.shown, **more})

    def at(self, shape: Shape) -> int:
        """The levels at a shape. Where the kernel was not examined, those of the largest examined shape that is no
        larger, and one more for each doubling of the longest extent; 0 for a kernel that has shown no scheme anywhere.
        """
        shape = shape.plain
        if shape in self.shown or not any(self.shown.values()):
            return self.shown.get(shape, 0)
        asked = max(
            (known for known in self.shown if known.flops <= shape.flops),
            key=lambda known: known.flops,
            default=shape,
        )
        levels = self.shown.get(asked, 0)
        return levels + math.ceil(math.log2(max(shape) / max(asked))) if levels else 0

    def saving(self, shape: Shape) -> float:
        """The factor by which the scheme can have fewer products than m·k·n at this shape.

        Strassen's 8/7 for each level shown there, up to three levels. A declared scheme has the factor of its own
        products, for as many of its levels as the kernel shows there: a base of 4 blocks halves the rows twice.
        """
        if self.declared is None:
            return (CLASSICAL_PRODUCTS / FAST_PRODUCTS) ** min(self.at(shape), LEVELS_THAT_SAVE)
        m, k, n = self.declared.base
        levels = min(self.declared.levels, math.ceil(self.at(shape) / self.declared.halvings))
        return (m * k * n / self.declared.products) ** levels


CLASSICAL = SchemeLevels()
