"""The search: along the route of formats, walks modulo 2, lifting of what they find, and files of what is proved."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.announce import Announce
from harness.errors import HarnessFaultError, UserError
from harness.schedule.bilinear import compose
from harness.schedule.bilinear.scheme import Scheme, holds_modulo_2
from harness.schedule.discover import cyclic
from harness.schedule.discover.cheapen import Aim, CheapeningPlan, cheaper, is_ternary
from harness.schedule.discover.formats import MOST_PRODUCTS, Format, extended, reordered, route
from harness.schedule.discover.found import Discovery, Ring, known, nonzero, ring_of
from harness.schedule.discover.lifting import lift
from harness.schedule.discover.lines import CYCLIC, FREE, Notation
from harness.schedule.discover.orbit import lightest
from harness.schedule.discover.walker import FlipCount, Walker

# A format on the way is left when nothing new came for this share of the time until the last new rank, and at least for
# so many seconds per product of its classical algorithm. The wanted format itself, and one whose lowest rank does not
# hold in the wanted ring yet, get more of both.
PATIENCE, LEAST_S = 2.0, 0.15
LAST_PATIENCE, LAST_LEAST_S = 4.0, 0.3
# Rounds without a lower rank after which a search ends.
ROUNDS = 2
# Schemes of the lowest rank that are kept for the next format, and how many of a rank are lifted whatever they weigh.
KEPT, LIFTED_AT_LEAST = 64, 12
# The PATIENCE of a round of a cyclic search: most end far above the lowest rank, so that many short ones find more
# than a few long ones.
CYCLIC_PATIENCE = 1.0
# The search for fewer coefficients at the end of a format: walks, schemes to start from, and its limit in seconds.
LIGHT_WALKS, LIGHT_STARTS, LIGHT_S = 16, 8, 5.0


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to search. `seconds` is the limit for the whole route; `target` ends the search at that rank.

    `ring` is Z2, TERNARY or INTEGERS: where the result must hold. With INTEGERS, a scheme with fractions is kept until
    one without is found.
    """

    wanted: Format
    ring: Ring
    seconds: float
    seed: int
    threads: int
    folder: Path
    target: int | None = None
    start: Scheme | None = None
    notation: Notation = FREE


@dataclass(slots=True)
class Stage:
    """The search of one format: the lowest rank modulo 2 with its schemes, and the best in the wanted ring."""

    form: Format
    rank: int
    starts: list[Scheme]
    binary: list[Scheme] = field(default_factory=list)
    best: Discovery | None = None
    # Schemes of the best rank that hold in the wanted ring.
    proved: list[Scheme] = field(default_factory=list)
    # Schemes of the lowest rank that are to be lifted.
    waiting: list[Scheme] = field(default_factory=list)
    # Whether it is a round of a cyclic search.
    cyclic: bool = False
    # The file of `best`; None before the walks, when it is a start.
    file: Path | None = None
    flips: int = 0
    tried: int = 0
    lifted: int = 0
    began_s: float = field(default_factory=time.monotonic)
    news_s: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds since the stage began."""
        return time.monotonic() - self.began_s

    @property
    def flips_per_s(self) -> float:
        """Flips per second since the stage began."""
        return self.flips / max(self.seconds, 1e-9)

    def is_stale(self, last: bool) -> bool:
        """Whether it has been too long since the last new rank."""
        lifted = self.best is not None and self.best.scheme.rank == self.rank
        patience, least_s = (PATIENCE, LEAST_S) if lifted and not last else (LAST_PATIENCE, LAST_LEAST_S)
        if self.cyclic:
            patience, least_s = CYCLIC_PATIENCE, LEAST_S
        wait_s = max(least_s * self.form.products, patience * (self.news_s - self.began_s))
        return time.monotonic() - self.news_s > wait_s


class Search:
    """One search; `stages` are those of the formats on the route so far.

    `say` gets lines for a person, and `progress` the stage about ten times a second.
    """

    def __init__(
        self,
        request: SearchRequest,
        program: Path,
        say: Announce,
        progress: Callable[[Stage], None] = lambda stage: None,
    ) -> None:
        self.request, self.program, self.say, self.progress = request, program, say, progress
        self.rng = random.Random(request.seed)
        self.until_s = time.monotonic() + request.seconds
        self.stages: list[Stage] = []
        # Rounds of a cyclic search so far.
        self._rounds = 0

    def run(self) -> Stage:
        """Search along the route, again and again; the last stage of the wanted format, with the best that is known.

        It ends at the target, at the time limit, or without a target after ROUNDS rounds without a lower rank (a cyclic
        search, whose rounds are independent, only at the limit). What was proved is in files at once, so that it can be
        ended at any moment. Raises UserError for a start that does not fit.
        """
        lowest, idle = None, 0
        while True:
            stage = self._round(fresh=lowest is not None)
            rank = stage.rank if stage.best is None else stage.best.scheme.rank
            idle = 0 if lowest is None or rank < lowest else idle + 1
            lowest = rank
            given_up = idle >= ROUNDS and self.request.target is None and self.request.notation is FREE
            if given_up or time.monotonic() > self.until_s or self._is_done(stage, last=True):
                self._save_as_wanted(stage)
                return stage

    def _round(self, fresh: bool) -> Stage:
        """Once along the route. A fresh round searches the formats on the way anew, for other schemes to start from."""
        if self.request.notation is CYCLIC:
            return self._cyclic_round()
        steps = route(self.request.wanted)
        starts = self._given_start()
        if (ready := self._ready(steps[-1], starts)) is not None:
            return ready
        before: list[Scheme] = []
        for number, form in enumerate(steps):
            last = number == len(steps) - 1
            weights = [step.products**1.5 for step in steps[number:]]
            limit_s = (self.until_s - time.monotonic()) * weights[0] / sum(weights)
            stage = self._begin(form, self._starts(form, before, starts if last else []))
            self.stages.append(stage)
            # The first round takes what an earlier search has left for a format on the way.
            skipped = not fresh and not last and stage.file is not None
            if not skipped and not self._is_done(stage, last):
                self._walk(stage, min(self.until_s, time.monotonic() + limit_s), last)
                self._lighten(stage)
            if stage.best is not None and stage.file is None:
                self._save(stage, stage.best)
            before = stage.proved or stage.binary
        return self.stages[-1]

    def _ready(self, form: Format, given: Sequence[Scheme]) -> Stage | None:
        """The stage of the wanted format when the target is reached before any search."""
        if self.request.target is None or self.stages:
            return None
        stage = self._begin(form, self._starts(form, [], given))
        if not self._is_done(stage, last=True):
            return None
        self.stages.append(stage)
        if stage.best is not None and stage.file is None:
            self._save(stage, stage.best)
        return stage

    def _lighten(self, stage: Stage) -> None:
        """Replace the best scheme by one of the same rank with fewer coefficients, if there is one."""
        best = stage.best
        if best is None or best.ring is Ring.Z2:
            return
        scheme = best.scheme if is_ternary(best.scheme) else lightest(best.scheme, self.rng)
        if is_ternary(scheme):
            others = (one for one in stage.proved if is_ternary(one) and one.rank == scheme.rank)
            starts = [scheme, *itertools.islice(others, LIGHT_STARTS - 1)]
            plan = CheapeningPlan(Aim.NONZERO, LIGHT_S, self.rng.getrandbits(48), 1, LIGHT_WALKS)
            scheme = [scheme, *cheaper(self.program, starts, plan)][-1]
        ring = ring_of(scheme)
        if ring is None or not self._fits(ring):
            return
        lighter = replace(best, scheme=scheme, ring=ring)
        if lighter.cost < best.cost:
            stage.best = lighter
            self._save(stage, lighter)

    def _save_as_wanted(self, stage: Stage) -> None:
        """A second file with the extents in the order that was asked for, unless that is ascending."""
        if stage.best is not None and stage.form != self.request.wanted:
            scheme = reordered(stage.best.scheme, self.request.wanted)
            stage.best = replace(stage.best, scheme=scheme)
            stage.best.save(self.request.folder)

    def _given_start(self) -> list[Scheme]:
        start, wanted = self.request.start, self.request.wanted
        if start is None:
            return []
        if sorted((start.m, start.k, start.n)) != sorted(wanted):
            raise UserError(f"{start.label} is no scheme of {wanted}, from which the search could start")
        try:
            self.request.notation.to_line(start)
        except ValueError as problem:
            raise UserError(f"{problem}, so the search with --symmetry cannot start from it") from None
        return [reordered(start, wanted.ascending)]

    def _cyclic_round(self) -> Stage:
        """One search of the wanted format from the start that was given, or from the classical algorithm with cubes."""
        wanted = self.request.wanted
        counts = cyclic.cube_counts(wanted, self.request.target)
        cubes = counts[self._rounds % len(counts)]
        self._rounds += 1
        stage = self._begin(wanted, self._given_start() or [cyclic.start(wanted, cubes)])
        stage.cyclic = True
        self.stages.append(stage)
        known_best = stage.best
        if not self._is_done(stage, last=True):
            self._walk(stage, self.until_s, last=True)
            for _ in range(LIFTED_AT_LEAST):
                if stage.best is None or stage.rank < stage.best.scheme.rank:
                    self._lift_one(stage)
        if stage.best is not known_best:
            self._lighten(stage)
        return stage

    def _starts(self, form: Format, before: Sequence[Scheme], given: Sequence[Scheme]) -> list[Scheme]:
        """The schemes to start from: given ones, those of earlier searches, and the stage before with a classical
        slice; the classical algorithm when there are none.
        """
        earlier = known(self.request.folder, form)
        starts = [*given, *(one.scheme for one in earlier if _is_odd(one.scheme))]
        starts += [extended(scheme, form) for scheme in before if _is_odd(scheme)]
        starts = starts or [compose.classical(*form)]
        return [scheme for scheme in starts if scheme.rank <= MOST_PRODUCTS]

    def _begin(self, form: Format, starts: list[Scheme]) -> Stage:
        """A stage that starts from these schemes, with the best that an earlier search has left."""
        rank = min(scheme.rank for scheme in starts)
        stage = Stage(form, rank + 1, starts)
        earlier = known(self.request.folder, form)
        mine = next((one for one in earlier if self._fits(one.ring) and not one.program), None)
        if mine is not None:
            stage.best, stage.file = mine, self.request.folder / f"{mine.name}.json"
        for scheme in starts:
            if scheme.rank == rank:
                self._take(stage, scheme)
        return stage

    def _walk(self, stage: Stage, deadline_s: float, last: bool) -> None:
        """Walk from the stage's schemes until the deadline, the target, or for too long without a new rank."""
        seed, threads = self.rng.getrandbits(48), self.request.threads
        notation = self.request.notation
        with Walker(self.program, stage.starts, stage.form, seed, threads, notation) as walker:
            for news in walker.news(deadline_s):
                if isinstance(news, FlipCount):
                    stage.flips = news.flips
                    self.progress(stage)
                    # A round of a cyclic search is short, and ranks on the way are lifted when it ends.
                    if not stage.cyclic or stage.rank <= (self.request.target or 0):
                        self._lift_one(stage)
                else:
                    self._take(stage, news)
                late = time.monotonic() > deadline_s
                if late or stage.is_stale(last) or self._is_done(stage, last):
                    break

    def _is_done(self, stage: Stage, last: bool) -> bool:
        target, best = self.request.target, stage.best
        if not last or target is None or best is None:
            return False
        return best.scheme.rank <= target and best.ring is not Ring.RATIONALS

    def _take(self, stage: Stage, scheme: Scheme) -> None:
        """Keep a scheme that the walker has found."""
        if not holds_modulo_2(scheme):
            raise HarnessFaultError(f"the walker gave {scheme.label}, which does not hold modulo 2")
        if scheme.rank < stage.rank:
            stage.rank, stage.news_s = scheme.rank, time.monotonic()
            stage.binary, stage.waiting, stage.tried, stage.lifted = [], [], 0, 0
        if scheme.rank > stage.rank:
            return
        if len(stage.binary) < KEPT:
            stage.binary.append(scheme)
        if self.request.ring is Ring.Z2:
            self._keep(stage, scheme, Ring.Z2)
            return
        stage.waiting.append(scheme)
        if stage.best is None:
            self._lift_one(stage)

    def _lift_one(self, stage: Stage) -> None:
        """Lift the lightest scheme that waits, if that is of use; Hensel's steps only until one has been lifted."""
        if not stage.waiting:
            return
        scheme = min(stage.waiting, key=nonzero)
        stage.waiting.remove(scheme)
        best = stage.best
        lower = best is None or stage.rank < best.scheme.rank or best.ring is Ring.RATIONALS
        heavier = best is not None and nonzero(scheme) >= nonzero(best.scheme)
        if not lower and heavier and stage.tried >= LIFTED_AT_LEAST:
            stage.waiting = []
            return
        stage.tried += 1
        ring = ring_of(scheme)
        lifted = scheme if ring is not Ring.Z2 else lift(scheme, self.rng, signs_only=not lower)
        ring = ring_of(lifted) if lifted is not None else None
        if lifted is None or ring is None or not self._fits(ring):
            return
        stage.lifted += 1
        self._keep(stage, lifted, ring)

    def _fits(self, ring: Ring) -> bool:
        """Whether a scheme over this ring is what was asked for."""
        wanted = self.request.ring
        return wanted is Ring.Z2 or (ring is Ring.TERNARY if wanted is Ring.TERNARY else ring is not Ring.Z2)

    def _keep(self, stage: Stage, scheme: Scheme, ring: Ring) -> None:
        """Keep a proved scheme if it is better than what the stage has, and save it unless it is a start."""
        found = Discovery(scheme, ring, self.request.seed, stage.seconds, stage.flips)
        best = stage.best
        if best is None or scheme.rank < best.scheme.rank:
            stage.proved = []
        if len(stage.proved) < KEPT and (best is None or scheme.rank <= best.scheme.rank):
            stage.proved.append(scheme)
        if best is not None and (best.scheme.rank, best.cost) <= (scheme.rank, found.cost):
            return
        lower = best is None or scheme.rank < best.scheme.rank
        stage.best = found
        if stage.flips == 0:
            return
        if lower:
            stage.news_s = time.monotonic()
            self.say(f"{stage.form}: rank {scheme.rank} ({ring}) after {stage.seconds:.1f} s")
        self._save(stage, found)

    def _save(self, stage: Stage, found: Discovery) -> None:
        """Write a discovery, then remove the file that this search wrote for a worse one."""
        path = found.save(self.request.folder)
        if stage.file is not None and stage.file != path:
            stage.file.unlink(missing_ok=True)
        stage.file = path


def _is_odd(scheme: Scheme) -> bool:
    """Whether the scheme can be read modulo 2: all its coefficients are integers."""
    return all(x.denominator == 1 for factor in (scheme.u, scheme.v, scheme.w) for row in factor for x in row)
