"""Formats MxKxN: reading them, the route from 2x2x2 to a format, and schemes in another order of the same extents."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import NamedTuple

from harness.errors import UserError
from harness.schedule.bilinear import compose
from harness.schedule.bilinear.scheme import Scheme

# The walker's masks have 64 bits and its sets 128 rows.
MOST_BLOCKS, MOST_PRODUCTS = 64, 128


class Format(NamedTuple):
    """The extents of a scheme ⟨m,k,n⟩."""

    m: int
    k: int
    n: int

    def __str__(self) -> str:
        return f"{self.m}x{self.k}x{self.n}"

    @property
    def products(self) -> int:
        """Products of the classical algorithm."""
        return self.m * self.k * self.n

    @property
    def blocks(self) -> int:
        """Blocks of the largest of A, B and C."""
        return max(self.m * self.k, self.k * self.n, self.m * self.n)

    @property
    def ascending(self) -> Format:
        """The same extents in ascending order, in which they are searched."""
        return Format(*sorted(self))


def parse(text: str) -> Format:
    """The format of "3x4x5"; raises UserError for anything else, and for one that is too large for the search."""
    found = re.fullmatch(r"(\d{1,2})x(\d{1,2})x(\d{1,2})", text.strip())
    if found is None:
        raise UserError(f"'{text}' is not a format; the form is MxKxN, for example 3x4x5")
    wanted = Format(*(int(part) for part in found.groups()))
    if min(wanted) < 2:
        raise UserError(
            f"{wanted}: a product with a vector has no faster scheme; every extent must be 2 or more"
        )
    if wanted.blocks > MOST_BLOCKS or wanted.products > MOST_PRODUCTS:
        raise UserError(
            f"{wanted} is too large for the search: a matrix may have {MOST_BLOCKS} blocks, and m·k·n may be at most "
            f"{MOST_PRODUCTS}"
        )
    return wanted


def route(wanted: Format) -> list[Format]:
    """The ascending formats from 2x2x2 to `wanted`, each with its largest extent one larger than in the one before.

    A good scheme of one format and a classical slice are a better start for the next than its classical algorithm
    (Arai, Ichikawa and Hukushima 2024).
    """
    steps = [wanted.ascending]
    while steps[0] != (2, 2, 2):
        m, k, n = steps[0]
        steps.insert(0, Format(*sorted((m, k, n - 1))))
    return steps


def extended(scheme: Scheme, wanted: Format) -> Scheme:
    """A scheme of `wanted`, which has one extent more than `scheme` by one: with classical products for that slice."""
    for axes in _orders(scheme):
        if (axes.m, axes.k, axes.n + 1) in itertools.permutations(wanted):
            slice_ = compose.classical(axes.m, axes.k, 1)
            return reordered(compose.direct_sum("n", [axes, slice_]), wanted)
    raise ValueError(f"{scheme.label} has not one extent less than {wanted}")


def reordered(scheme: Scheme, wanted: Format) -> Scheme:
    """The scheme with its extents in the order of `wanted`. ValueError when they are other extents."""
    for other in _orders(scheme):
        if (other.m, other.k, other.n) == wanted:
            return other
    raise ValueError(f"{scheme.label} has other extents than {wanted}")


def _orders(scheme: Scheme) -> list[Scheme]:
    """The scheme in all six orders of its extents."""
    turn: Callable[[Scheme], Scheme] = compose.rotate
    three = [scheme, turn(scheme), turn(turn(scheme))]
    return three + [compose.transpose(one) for one in three]
