"""Cheaper schemes of the same rank: fewer additions with shared sums, or fewer nonzero coefficients.

Simulated annealing in the walker program (mode `cheapen`), with three kinds of moves that keep a scheme valid, of its
rank, and its coefficients -1, 0 and 1: elementary changes of basis (see `orbit`), flips as in the flip graph but with
signs, and detours over one more product, which lead to schemes that the others do not reach. The program is trusted
with nothing: what it gives is proved here, and additions are counted here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from harness.announce import Announce
from harness.errors import HarnessFaultError
from harness.schedule.bilinear.scheme import Proof, Scheme, prove
from harness.schedule.bilinear.scheme_cost import growth
from harness.schedule.discover.formats import Format, reordered
from harness.schedule.discover.found import Discovery, known, with_program
from harness.schedule.discover.lines import from_signed_line, to_signed_line
from harness.schedule.discover.walker import WalkerProcess

# Steps of a walk per product, and the heat at which a walk starts, in thousandths of an addition or coefficient.
STEPS_PER_PRODUCT, HEAT = 1500, 2000
# Eliminations of common sums for the count of a scheme on the way, and of the best one in the end.
TRIES, LAST_TRIES = 4, 200
# The program's sets have 64 bits.
MOST_PRODUCTS = 64


class Aim(StrEnum):
    """What is to be small."""

    ADDITIONS = "additions"
    NONZERO = "nonzero"


@dataclass(frozen=True, slots=True)
class CheapeningPlan:
    """How long to walk: `seconds`, and at most `walks` walks in each of `threads` threads (0: until the time is over).

    A thread's walks depend on `seed` and on the walks before, not on time: with one thread, the same seed and number of
    walks give the same result.
    """

    aim: Aim
    seconds: float
    seed: int
    threads: int
    walks: int = 0


def is_ternary(scheme: Scheme) -> bool:
    """Whether all coefficients are -1, 0 and 1, and there are few enough products, as the program needs it."""
    values = {x for factor in (scheme.u, scheme.v, scheme.w) for row in factor for x in row}
    return values <= {-1, 0, 1} and scheme.rank <= MOST_PRODUCTS


def cheaper(
    program: Path,
    starts: Sequence[Scheme],
    plan: CheapeningPlan,
    progress: Callable[[int, int], None] = lambda steps, best: None,
) -> Iterator[Scheme]:
    """Schemes, each proved and better than the one before; in the end better than `starts` or like the best of them.

    starts: valid ternary schemes of one format and rank (`is_ternary`). `progress` gets the steps so far and the
    program's lowest count about ten times a second. Raises HarnessFaultError when the program fails or gives a scheme
    that does not hold.
    """
    first = starts[0]
    numbers = (
        *(first.m, first.k, first.n),
        *(plan.threads, plan.seed, STEPS_PER_PRODUCT * first.rank, plan.walks, HEAT),
    )
    words = ["cheapen", plan.aim.value, *map(str, numbers)]
    process = WalkerProcess(program, words, [to_signed_line(scheme) for scheme in starts])
    try:
        for line in process.lines(time.monotonic() + plan.seconds):
            kind, *rest = line.split(" ")
            try:
                if kind == "steps":
                    progress(int(rest[0]), int(rest[1]))
                    continue
                scheme = from_signed_line(rest[2], first)
            except (ValueError, IndexError):
                raise HarnessFaultError(f"the walker said {line[:80]!r}") from None
            outcome = prove(scheme)
            if not isinstance(outcome, Proof) or scheme.rank != first.rank:
                raise HarnessFaultError(f"the walker gave a wrong scheme: {outcome}")
            yield scheme
    finally:
        process.close()


def cheap_starts(schemes: Sequence[Scheme], wanted: Format, folder: Path) -> list[Scheme]:
    """Those of the given schemes and of the folder's from which a search for few additions can start.

    They are ternary, all of the lowest rank among the given ones, and in the order of the extents of `wanted`.
    """
    earlier = [one.scheme for form in {wanted, wanted.ascending} for one in known(folder, form)]
    lowest = min(scheme.rank for scheme in schemes)
    fit = [scheme for scheme in (*schemes, *earlier) if scheme.rank == lowest and is_ternary(scheme)]
    proved = [reordered(scheme, wanted) for scheme in fit if isinstance(prove(scheme), Proof)]
    return list({to_signed_line(scheme): scheme for scheme in proved}.values())


def fewest(
    program: Path,
    starts: Sequence[Scheme],
    plan: CheapeningPlan,
    folder: Path,
    say: Announce,
    progress: Callable[[int, int], None] = lambda steps, best: None,
) -> Discovery:
    """The scheme with the fewest additions that was found from `starts` or is in the folder, with its program.

    Each better one is written at once, so that the search can be ended at any moment.
    """
    began_s = time.monotonic()
    first = starts[0]
    form = Format(first.m, first.k, first.n)
    earlier = [one for one in known(folder, form) if one.program and one.scheme.rank == first.rank]
    best = min(earlier, key=_cost, default=None)

    def kept(scheme: Scheme, tries: int) -> Discovery:
        seconds = time.monotonic() - began_s
        found = with_program(scheme, plan.seed, round(seconds, 2), tries)
        if best is not None and _cost(best) <= _cost(found):
            return best
        found.save(folder)
        say(f"{form}: {found.shared_additions} additions after {seconds:.1f} s")
        return found

    lowest = first
    for lowest in cheaper(program, starts, plan, progress):
        best = kept(lowest, TRIES)
    return kept(lowest, LAST_TRIES)


def _cost(found: Discovery) -> tuple[int, Fraction]:
    return found.shared_additions, growth(found.scheme)
