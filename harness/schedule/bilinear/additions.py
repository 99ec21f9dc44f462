"""Additions of a bilinear scheme when common sums are computed once: randomised greedy elimination.

Finding the fewest is NP-hard. Greedy elimination of the most frequent pair (Paar 1997) depends on how ties are broken,
so it is repeated with random ones. A linear map and its transpose cost the same up to the numbers of their rows and
columns (Tellegen's principle), so both are tried and the better one counts. `straight_line` writes the result out.
"""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from typing import TypeAlias

from harness.schedule.bilinear.linear_program import Coefficient, LinearProgram, ProgramTerm
from harness.schedule.bilinear.scheme import Factor, Scheme

# A linear form: {index of variable: coefficient}. Indices beyond the inputs are shared sums.
LinearForm: TypeAlias = dict[int, Coefficient]
# A sum x·s + y·t up to a factor: s, t and y / x.
_Pair: TypeAlias = tuple[int, int, Coefficient]


def fewest_additions(scheme: Scheme, rng: random.Random, tries: int) -> int:
    """The fewest block additions found in `tries` runs over each factor and its transpose."""
    return sum(program.additions for program in fewest_programs(scheme, rng, tries))


def fewest_programs(
    scheme: Scheme, rng: random.Random, tries: int
) -> tuple[LinearProgram, LinearProgram, LinearProgram]:
    """Programs for the sums of blocks of A, of B, and of products, with the fewest additions found in `tries` runs."""
    u, v, w = (_fewest(rows, rng, tries) for rows in (scheme.u, scheme.v, tuple(zip(*scheme.w, strict=True))))
    return u, v, w


def _fewest(rows: Factor, rng: random.Random, tries: int) -> LinearProgram:
    columns = tuple(zip(*rows, strict=True))
    straight, transposed = _forms(rows), _forms(columns)
    programs = []
    for _ in range(max(1, tries)):
        programs.append(_shared(straight, len(columns), rng))
        programs.append(_shared(transposed, len(rows), rng).transposed())
    return min(programs, key=lambda program: program.additions)


def _shared(forms: list[LinearForm], inputs: int, rng: random.Random) -> LinearProgram:
    """The program after greedy elimination of common pairs; pairs that differ by a factor are equal.

    The most frequent pair x·s + y·t is replaced by a new variable until no pair occurs twice; ties are broken at
    random.
    """
    kept, outputs = _distinct(forms)
    live = [dict(form) for form in kept]
    steps: list[tuple[ProgramTerm, ...]] = []
    counts: Counter[_Pair] = Counter(pair for form in live for pair in _pairs(form))
    while (most := max(counts.values(), default=0)) >= 2:
        ties = [pair for pair, times in counts.items() if times == most]
        first, second, ratio = rng.choice(ties)
        fresh = inputs + len(steps)
        steps.append(((1, first), (ratio, second)))
        for form in live:
            if first in form and second in form and _ratio(form[second], form[first]) == ratio:
                counts.subtract(_pairs(form))
                form[fresh] = form.pop(first)
                del form[second]
                counts.update(_pairs(form))
    values: list[ProgramTerm] = []
    for form in live:
        terms = tuple((coefficient, index) for index, coefficient in form.items())
        if len(terms) > 1:
            steps.append(terms)
        values.append(terms[0] if len(terms) == 1 else (1, inputs + len(steps) - 1))
    found = (None if one is None else (one[0] * values[one[1]][0], values[one[1]][1]) for one in outputs)
    return LinearProgram(inputs, tuple(steps), tuple(found))


def _pairs(form: LinearForm) -> list[_Pair]:
    keys = sorted(form)
    return [(s, t, _ratio(form[t], form[s])) for i, s in enumerate(keys) for t in keys[i + 1 :]]


def _ratio(x: Coefficient, y: Coefficient) -> Coefficient:
    if x == y:
        return 1
    return -1 if x == -y else _number(Fraction(x) / y)


def _number(x: Fraction) -> Coefficient:
    return x.numerator if x.denominator == 1 else x


def _forms(rows: Factor) -> list[LinearForm]:
    return [{index: _number(x) for index, x in enumerate(row) if x} for row in rows]


def _distinct(forms: list[LinearForm]) -> tuple[list[LinearForm], list[ProgramTerm | None]]:
    """The nonzero forms, one of each set that differ only by a factor: their sum is computed once.

    With them, each form as a multiple of one of these, by its number; None for 0.
    """
    seen: dict[tuple[tuple[int, Coefficient], ...], tuple[int, Coefficient]] = {}
    kept: list[LinearForm] = []
    multiples: list[ProgramTerm | None] = []
    for form in forms:
        if not form:
            multiples.append(None)
            continue
        lead = form[min(form)]
        key = tuple(sorted((index, _ratio(x, lead)) for index, x in form.items()))
        if key not in seen:
            seen[key] = len(kept), lead
            kept.append(form)
        number, first = seen[key]
        multiples.append((_ratio(lead, first), number))
    return kept, multiples
