"""A scheme with shared sums as a straight-line program in symbolic notation: what its additions are can be counted.

Sums of blocks of A are x1, x2 …, of blocks of B y1, y2 …, products M1, M2 …, and sums of products z1, z2 …
`symbolic.parse` reads the text, so that the program itself is proved.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from fractions import Fraction

from harness.schedule.bilinear.additions import fewest_programs
from harness.schedule.bilinear.linear_program import Coefficient, LinearProgram
from harness.schedule.bilinear.scheme import Scheme, symbol
from harness.schedule.bilinear.symbolic import linear


def straight_line(scheme: Scheme, rng: random.Random, tries: int) -> str:
    """The program with the fewest additions found in `tries` runs over each factor and its transpose.

    It computes the products of `scheme` up to their signs.
    """
    m, k, n = scheme.m, scheme.k, scheme.n
    of_a, of_b, of_c = fewest_programs(scheme, rng, tries)
    of_a, of_b = of_a.positive(), of_b.positive()
    lines = [f"⟨{m},{k},{n};{scheme.rank}⟩"]
    left = _written(of_a, _blocks(scheme, "a", m, k), "x", lines)
    right = _written(of_b, _blocks(scheme, "b", k, n), "y", lines)
    signs: list[Coefficient] = []
    for t, ((x, one), (y, other)) in enumerate(zip(left, right, strict=True), start=1):
        lines.append(f"M{t} = {one} * {other}")
        signs.append(x * y)
    products = [f"M{t}" for t in range(1, scheme.rank + 1)]
    of_c = of_c.scaled(tuple(signs))
    for (x, value), block in zip(
        _written(of_c, products, "z", lines), _blocks(scheme, "c", m, n), strict=True
    ):
        lines.append(f"{block} = {linear([(Fraction(x), value)])}")
    return "\n".join(lines) + "\n"


def _blocks(scheme: Scheme, letter: str, rows: int, columns: int) -> list[str]:
    return [symbol(scheme, letter, (i, j)) for i in range(1, rows + 1) for j in range(1, columns + 1)]


def _written(
    program: LinearProgram, inputs: Sequence[str], letter: str, lines: list[str]
) -> list[tuple[Coefficient, str]]:
    """Adds a line for each step; returns coefficient and name of each output. An output that is 0 is no scheme's."""
    names = [*inputs, *(f"{letter}{number}" for number in range(1, len(program.steps) + 1))]
    for number, step in enumerate(program.steps):
        terms = [(Fraction(coefficient), names[source]) for coefficient, source in step]
        lines.append(f"{names[len(inputs) + number]} = {linear(terms)}")
    outputs = [output for output in program.outputs if output is not None]
    if len(outputs) < len(program.outputs):
        raise ValueError(
            "a product or a block of C is 0; such a scheme is not valid, or has a product too many"
        )
    return [(coefficient, names[source]) for coefficient, source in outputs]


def additions_in(program: str) -> int:
    """The signs + and - in the text, but for those that begin an expression."""
    expressions = (line.partition("=")[2].strip() for line in program.splitlines())
    return sum(len(re.findall(r"[+-]", expression[1:])) for expression in expressions)
