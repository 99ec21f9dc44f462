"""Additions of a bilinear scheme when common sums are computed once: randomised greedy elimination.

Finding the fewest is NP-hard. Greedy elimination of the most frequent pair (Paar 1997) depends on how ties are broken,
so it is repeated with random ones. A linear map and its transpose cost the same up to the numbers of their rows and
columns (Tellegen's principle), so both are tried and the better one counts.
"""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from typing import TypeAlias

from harness.schedule.bilinear.scheme import Factor, Scheme

# Integers where possible: they are ten times as fast as fractions.
_Number: TypeAlias = int | Fraction
# A linear form: {index of variable: coefficient}. Indices beyond the inputs are shared sums.
LinearForm: TypeAlias = dict[int, _Number]
# A sum x·s + y·t up to a factor: s, t and y / x.
_Pair: TypeAlias = tuple[int, int, _Number]


def fewest_additions(scheme: Scheme, rng: random.Random, tries: int) -> int:
    """The fewest block additions found in `tries` runs over each factor and its transpose."""
    return sum(_fewest(rows, rng, tries) for rows in (scheme.u, scheme.v, tuple(zip(*scheme.w, strict=True))))


def _fewest(rows: Factor, rng: random.Random, tries: int) -> int:
    columns = tuple(zip(*rows, strict=True))
    used = sum(1 for column in columns if any(column)), sum(1 for row in rows if any(row))
    straight, transposed = _forms(rows), _forms(columns)
    # A map from `used[0]` inputs to `used[1]` outputs costs as much as its transpose plus inputs minus outputs.
    more = used[0] - used[1]
    return min(min(_shared(straight, rng), _shared(transposed, rng) + more) for _ in range(max(1, tries)))


def _shared(forms: list[LinearForm], rng: random.Random) -> int:
    """Additions after greedy elimination of common pairs; pairs that differ by a factor are equal.

    The most frequent pair x·s + y·t is replaced by a new variable until no pair occurs twice; ties are broken at
    random.
    """
    live = [dict(form) for form in _distinct(forms)]
    fresh = 1 + max((index for form in live for index in form), default=0)
    counts: Counter[_Pair] = Counter(pair for form in live for pair in _pairs(form))
    additions = 0
    while True:
        most = max(counts.values(), default=0)
        if most < 2:
            return additions + sum(max(0, len(form) - 1) for form in live)
        ties = [pair for pair, times in counts.items() if times == most]
        first, second, ratio = rng.choice(ties)
        for form in live:
            if first in form and second in form and _ratio(form[second], form[first]) == ratio:
                counts.subtract(_pairs(form))
                form[fresh] = form.pop(first)
                del form[second]
                counts.update(_pairs(form))
        fresh, additions = fresh + 1, additions + 1


def _pairs(form: LinearForm) -> list[_Pair]:
    keys = sorted(form)
    return [(s, t, _ratio(form[t], form[s])) for i, s in enumerate(keys) for t in keys[i + 1 :]]


def _ratio(x: _Number, y: _Number) -> _Number:
    if x == y:
        return 1
    return -1 if x == -y else _number(Fraction(x) / y)


def _number(x: Fraction) -> _Number:
    return x.numerator if x.denominator == 1 else x


def _forms(rows: Factor) -> list[LinearForm]:
    return [{index: _number(x) for index, x in enumerate(row) if x} for row in rows]


def _distinct(forms: list[LinearForm]) -> list[LinearForm]:
    """The nonzero forms, one of each set that differ only by a factor: their sum is computed once."""
    seen: dict[tuple[tuple[int, _Number], ...], LinearForm] = {}
    for form in forms:
        if form:
            lead = form[min(form)]
            seen.setdefault(tuple(sorted((index, _ratio(x, lead)) for index, x in form.items())), form)
    return list(seen.values())
