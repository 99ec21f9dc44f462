"""Minds on a measured table: an offline environment in which thousands of proposals cost no judging.

Half of the table's schedules, chosen by their keys, are the environment; the others are what minds may be trained
on. An arm proposes schedules of the whole space. The proposal that lies nearest to an untried row of the
environment stands for that row, whose own ratio is then told; no ratio is ever guessed. What is compared is the
best ratio after equally many rows, as regret: how far it is below the best row, counted as zero within the noise of
one reading.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from harness import shapes
from harness.durable import JsonObject
from harness.errors import UserError
from harness.learning.decided import machine_of
from harness.machine import Machine
from harness.minds import llama_model
from harness.minds.knob_question import KnobQuestion
from harness.minds.known_trials import KnownTrials, plain, ratio_of
from harness.minds.letters import LetterLogits, draw
from harness.minds.measured_table import MeasuredTable, TableRow, is_environment
from harness.minds.protocol import Trial, Tuner
from harness.roundtable.agents import choosing, prompt
from harness.schedule.model import Schedule, knob_distance
from harness.schedule.space import Space, space

# Proposals of an arm for one row; the nearest to an untried row is taken.
PROPOSALS = 4
# The context that questions of the largest lane need, with room to spare.
_CONTEXT_TOKENS = 2048
_ANY_LENGTH = 1_000_000
_DRAWS = 200
# Share of the environment that one run sees.
_PART = 0.8


@dataclass(frozen=True, slots=True)
class TableWorld:
    """The rows of one machine and lane, with their ratios in one suite; `rest` are the rows to train on."""

    machine: Machine
    lane: Space
    suite: str
    shapes: tuple[str, ...]
    rows: tuple[tuple[Schedule, float | None], ...]
    rest: tuple[TableRow, ...]
    noise: float
    # The knobs of each row in canonical form, because distances are taken often.
    normal: tuple[JsonObject, ...]

    @property
    def best(self) -> float:
        """The best ratio of the environment."""
        return max(ratio for _, ratio in self.rows if ratio is not None)

    def part(self, seed: int) -> TableWorld:
        """The environment of one run: four fifths of the rows, others for every seed, so that an arm without chance is
        not judged by the luck of one pool.
        """
        kept = random.Random(f"{seed}/rows").sample(range(len(self.rows)), math.ceil(_PART * len(self.rows)))
        return replace(
            self,
            rows=tuple(self.rows[number] for number in sorted(kept)),
            normal=tuple(self.normal[number] for number in sorted(kept)),
        )

    def regret(self, ratio: float) -> float:
        """How far a ratio is below the best row, as a log; zero within the noise of one reading."""
        below = math.log(self.best / ratio)
        return 0.0 if below <= self.noise else below

    def nearest(self, proposals: Sequence[Schedule], taken: set[int]) -> tuple[int, float, Schedule]:
        """The untried row nearest to any of the proposals, how far away it is, and that proposal."""
        free = [number for number in range(len(self.rows)) if number not in taken]
        wanted = [(schedule, _normal(schedule)) for schedule in proposals]
        return min(
            (
                (number, _distance(one, self.normal[number]), schedule)
                for schedule, one in wanted
                for number in free
            ),
            key=lambda found: found[1],
        )


def world_of(table: MeasuredTable, machine: str, suite: str) -> TableWorld:
    """The environment of one machine (by fingerprint) and suite, in its fastest lane.

    Raises UserError when the table is too small to split.
    """
    rows = [row for row in table.rows() if row.machine == machine]
    if not rows:
        raise UserError(f"the table has no rows of the machine {machine}")
    here = machine_of(rows[0].session.machine)
    lane = space(here, 1)
    own = [
        row for row in rows if (row.schedule.family, row.schedule.isa) == (lane.base.family, lane.base.isa)
    ]
    inside = [row for row in own if is_environment(row.key)]
    if len([row for row in inside if row.ratio(suite) is not None]) < 2 * PROPOSALS:
        raise UserError(
            f"{len(inside)} rows of {lane.base.family} {lane.base.isa} are too few for an environment; let "
            "python -m harness.studies.schedule_table measure more"
        )
    return TableWorld(
        machine=here,
        lane=lane,
        suite=suite,
        shapes=rows[0].session.suites[suite],
        rows=tuple((row.schedule, row.ratio(suite)) for row in inside),
        rest=tuple(row for row in own if not is_environment(row.key)),
        noise=table.noise(suite) or 0.0,
        normal=tuple(_normal(row.schedule) for row in inside),
    )


def _normal(schedule: Schedule) -> JsonObject:
    plain_knobs: JsonObject = schedule.normalise().model_dump(mode="json")
    return plain_knobs


def _distance(mine: JsonObject, theirs: JsonObject) -> float:
    """Schedule.distance, of knobs in canonical form."""
    return sum(knob_distance(mine[name], theirs[name]) for name in mine)


class OfflineArm(Protocol):
    """A way to propose schedules from what was told so far."""

    def propose(self, trials: Sequence[Trial], step: int, seed: int) -> list[Schedule]:
        """A few schedules of the lane; `step` counts from 0, and `seed` is the run's."""
        ...


@dataclass(frozen=True, slots=True)
class RandomArm:
    """Uniform random points."""

    lane: Space

    def propose(self, trials: Sequence[Trial], step: int, seed: int) -> list[Schedule]:
        """See OfflineArm."""
        rng = random.Random(f"{seed}/{step}")
        found: list[Schedule] = []
        for _ in range(_DRAWS):
            built = self.lane.built({knob.name: rng.choice(knob.choices) for knob in self.lane.knobs})
            found += [] if built is None else [built]
            if len(found) == PROPOSALS:
                break
        return found


@dataclass(frozen=True, slots=True)
class AnalyticalArm:
    """The analytical model's schedule again and again: the row nearest to it, then the next nearest."""

    lane: Space

    def propose(self, trials: Sequence[Trial], step: int, seed: int) -> list[Schedule]:
        """See OfflineArm."""
        return [self.lane.base.normalise()]


@dataclass(frozen=True, slots=True)
class TunerArm:
    """A tuner of the product. `make` gets a seed; `before` are trials that it knows from the start."""

    make: Callable[[int], Tuner]
    before: tuple[Trial, ...] = ()

    def propose(self, trials: Sequence[Trial], step: int, seed: int) -> list[Schedule]:
        """See OfflineArm."""
        listed = self.make(seed).shortlist([*self.before, *trials], step + 1, 0, PROPOSALS)
        return [Schedule.model_validate(one.schedule) for one in listed]


@dataclass(slots=True)
class LetterArm:
    """A small model that is asked by letters, as the Proposer asks it; the model stays loaded."""

    world: TableWorld
    model: Path
    adapter: Path | None
    _loaded: object = None
    _letters: list[int] = field(default_factory=list)

    def open(self) -> None:
        """Load the model; raises UserError when it cannot be asked by letters."""
        from harness.learning.tokens import encoder_of

        self._letters = encoder_of(self.model).letters
        self._loaded = llama_model.load(self.model, _CONTEXT_TOKENS, 0, self.adapter)
        llama_model.thread_choice(self._loaded, self.model, 0)

    def propose(self, trials: Sequence[Trial], step: int, seed: int) -> list[Schedule]:
        """See OfflineArm."""
        from harness.learning.tokens import QuestionEncoder

        if self._loaded is None:
            self.open()
        world = self.world
        known = KnownTrials(trials)
        ranked = known.ranked(world.lane)
        wanted = choosing.wanted_after([ratio_of(pair) for pair in ranked])
        # One order of the choices for a whole run, as in a run of the table.
        knobs = KnobQuestion.of(world.lane, frozenset(known.keys), seed, choosing.lead_of(wanted))
        parts = choosing.question_parts(
            world.machine,
            1,
            [shapes.read(shape) for shape in world.shapes],
            knobs,
            [(ratio_of(pair), pair[1]) for pair in ranked],
            lettered=True,
        )
        encode = QuestionEncoder(self._loaded, self._letters)
        tokens = encode.prompt(choosing.system_text(lettered=True), prompt.fit(parts, len, _ANY_LENGTH).text)
        logits = LetterLogits(self._loaded, [*tokens, *encode.tokens_of(knobs.lead)], self._letters)
        rng = random.Random(f"{seed}/{step}")
        found = []
        for _ in range(PROPOSALS):
            picks = draw(knobs, logits, rng)
            schedule = None if picks is None else knobs.schedule(picks)
            found += [] if schedule is None else [schedule]
        return found


@dataclass(frozen=True, slots=True)
class TurnsArm:
    """Two arms in turns."""

    first: OfflineArm
    second: OfflineArm

    def propose(self, trials: Sequence[Trial], step: int, seed: int) -> list[Schedule]:
        """See OfflineArm."""
        return (self.second if step % 2 else self.first).propose(trials, step, seed)


@dataclass(frozen=True, slots=True)
class OfflineRun:
    """One run of an arm: the ratio of each row that it was told (None where the judge refused it), the distance from
    proposal to row, and the regret at the end, as a log.
    """

    arm: str
    suite: str
    seed: int
    ratios: tuple[float | None, ...]
    distances: tuple[float, ...]
    regret: float


def run_arm(name: str, arm: OfflineArm, world: TableWorld, judged: int, seed: int) -> OfflineRun:
    """Let an arm find `judged` rows of the seed's part of the environment, or all that there are."""
    world = world.part(seed)
    trials: list[Trial] = []
    taken: set[int] = set()
    distances: list[float] = []
    found: list[float | None] = []
    for step in range(min(judged, len(world.rows))):
        proposals = arm.propose(trials, step, seed) or RandomArm(world.lane).propose(trials, step, seed)
        number, distance, proposal = world.nearest(proposals, taken)
        taken.add(number)
        distances.append(round(distance, 3))
        schedule, ratio = world.rows[number]
        trials.append(Trial(f"row-{number}", plain(schedule), ratio))
        found.append(ratio)
        if distance > 0:
            # Else a tuner whose first schedule is in no row would propose it at every step.
            trials.append(Trial(f"proposed-{step}", plain(proposal), None, conclusive=False))
    best = max((ratio for ratio in found if ratio is not None), default=None)
    regret = math.inf if best is None else world.regret(best)
    return OfflineRun(name, world.suite, seed, tuple(found), tuple(distances), round(regret, 5))


def training_trials(world: TableWorld, suites: Sequence[str]) -> tuple[Trial, ...]:
    """The training rows as trials, each with the geometric mean of its ratios in these suites."""
    found = []
    for row in world.rest:
        logs = [math.log(ratio) for suite in suites if (ratio := row.ratio(suite)) is not None]
        if logs:
            found.append(Trial(row.key, plain(row.schedule), math.exp(statistics.mean(logs))))
    return tuple(found)
