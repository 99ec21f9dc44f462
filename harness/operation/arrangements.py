"""Arrangements drawn from a seed: how A, B and C lie in memory for one check of an sgemm kernel.

Oracles that were written for row-major products hold for every arrangement: the judge lays the operands out, calls with
scalars that give the plain product, and gathers C.
"""

from __future__ import annotations

import random

from harness.operation.forms import CallForm, Strides, by_columns, by_rows
from harness.shapes import Shape

# Unused elements after each row or column of a padded matrix: odd ones, and those that keep rows aligned.
PADDINGS = (1, 2, 3, 5, 8, 16)
# Elements of a matrix up to which its elements may lie apart in both directions, which takes about three times the
# memory.
SCATTERED_ELEMENTS = 1 << 14
# How often each kind is drawn. Most callers have one of the first two.
OPERAND_KINDS = ("rows",) * 3 + ("columns",) * 3 + ("padded rows", "padded columns") * 2 + ("scattered",) * 2
RESULT_KINDS = ("rows",) * 3 + ("padded rows",) * 3 + ("columns", "padded columns", "scattered")
# Strides along an extent of 1, which no element uses; callers leave there whatever a larger array had.
UNUSED_STRIDES = (0, 1, 3, 1 << 20)
# One matrix in so many has its rows or columns in reverse order, where strides may be negative.
REVERSED_ONE_IN = 4
# Scalars with which the judge asks for a plain product, on a C of zeros where beta counts and with B negated where
# alpha is −1: both are exact, and a sum of zeros stays +0. Kernels have paths of their own for such scalars.
PLAIN_SCALARS = ((1.0, 0.0), (1.0, 0.0), (1.0, 1.0), (-1.0, 0.5))
_SALT, _SCALAR_SALT = 0x5D6E, 0x11D3


def drawn(shape: Shape, seed: int, *, negative: bool) -> CallForm:
    """The arrangement of a seed at a shape, with alpha 1 and beta 0; `negative` allows negative strides.

    Elements of every matrix are distinct.
    """
    draw = random.Random(seed ^ _SALT)
    m, k, n = shape
    sizes = ((OPERAND_KINDS, m, k), (OPERAND_KINDS, k, n), (RESULT_KINDS, m, n))
    strides = [strides_of(draw.choice(kinds), rows, cols, draw) for kinds, rows, cols in sizes]
    if negative:
        strides = [reversed_some(x, draw) if draw.randrange(REVERSED_ONE_IN) == 0 else x for x in strides]
    a, b, c = strides
    return CallForm(a, b, c)


def plain_scalars(seed: int) -> tuple[float, float]:
    """Alpha and beta of a seed, one of PLAIN_SCALARS."""
    return random.Random(seed ^ _SCALAR_SALT).choice(PLAIN_SCALARS)


def strides_of(kind: str, rows: int, cols: int, draw: random.Random) -> Strides:
    """Strides of one of OPERAND_KINDS for a matrix; a large one is padded in place of scattered."""
    row, col = _usual_strides(kind, rows, cols, draw)
    unused = draw.choice(UNUSED_STRIDES)
    return Strides(unused if rows == 1 else row, unused if cols == 1 else col)


def _usual_strides(kind: str, rows: int, cols: int, draw: random.Random) -> Strides:
    padding = draw.choice(PADDINGS)
    if kind == "scattered" and rows * cols > SCATTERED_ELEMENTS:
        kind = draw.choice(("padded rows", "padded columns"))
    match kind:
        case "rows":
            return by_rows(cols)
        case "padded rows":
            return by_rows(cols, padding)
        case "columns":
            return by_columns(rows)
        case "padded columns":
            return by_columns(rows, padding)
        case _:
            return _scattered(rows, cols, draw)


def _scattered(rows: int, cols: int, draw: random.Random) -> Strides:
    """Neither rows nor columns of consecutive elements; sometimes the two strides are close to each other."""
    step, extra = draw.choice((2, 3)), draw.choice((0, 1, 2))
    if draw.randrange(2):
        return Strides(step * max(cols, 1) + extra, step)
    return Strides(step, step * max(rows, 1) + extra)


def reversed_some(strides: Strides, draw: random.Random) -> Strides:
    """The same distances with rows, columns or both in reverse order."""
    row, col = draw.choice(((-1, 1), (1, -1), (-1, -1)))
    return Strides(row * strides.row, col * strides.col)
