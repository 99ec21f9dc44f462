"""The built-in tuner: the analytical model first, then measurements. Needs no model and no download.

Order of schedules, per lane (a lane is one search space: the fastest family, safe Rust, a narrower vector unit …):

1. The analytical schedule, then those that were fastest on other machines with the same vector unit.
2. A short plan of single and double steps away from it, in the order of what usually pays off.
3. From then on alternately a step away from the best kernel, and Optuna's tree-structured Parzen estimator.

A kernel that chooses its code path by shape has a lane for each region of shapes. They take turns: a generation changes
the path of one region, is timed briefly at the shapes of that region, and keeps the fastest paths of the others.

A shortlist is the next schedules in that order; schedules that were only timed briefly count like judged ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.minds.known_trials import ANALYTICAL, KnownTrials, belongs, ratio_of, tuned
from harness.minds.protocol import Hint, Trial, Tuned
from harness.schedule.model import Schedule
from harness.schedule.space import Choice, Knob, Space

if TYPE_CHECKING:
    import optuna

# Number of schedules per lane that follow the plan before measurements alone decide.
PLANNED = 5
_ASKS = 64


class BuiltinTuner:
    """Deterministic: the same seed and the same trials give the same proposal."""

    name = "builtin"

    def __init__(self, lanes: Sequence[Space], seed: int, random_start: bool = False) -> None:
        """`random_start` begins with random schedules instead of the analytical model's, for comparisons."""
        self._lanes = tuple(lanes)
        self._seed = seed
        self._random_start = random_start

    def shortlist(
        self, trials: Sequence[Trial], generation: int, slot: int, count: int, hints: Sequence[Hint] = ()
    ) -> list[Tuned]:
        """See Tuner. The first slot of a generation uses the fastest lane, the others take turns over the remaining
        lanes.
        """
        known = KnownTrials(trials, hints)
        found: list[Tuned] = []
        for lane in known.lanes_in_turn(self._lanes, generation, slot):
            start = len(known.schedules) + slot
            taken = known.keys_in(lane)
            while len(found) < count:
                one = self._in_lane(lane, known, taken, start + len(found), len(found))
                if one is None:
                    break
                found.append(one)
                schedule = Schedule.model_validate(one.schedule)
                known.keys.add(schedule.key())
                taken.add(lane.key(schedule))
            if found:
                break
        return found

    def _in_lane(
        self, lane: Space, known: KnownTrials, taken: set[str], count: int, listed: int
    ) -> Tuned | None:
        """The next schedule of a lane, with a key that is not taken, after `listed` others of the same shortlist;
        `count` varies the random choices.
        """
        rng = random.Random(f"{self._seed}/{count}")
        here = known.in_lane(lane)
        if lane.region and here and lane.base.key() not in known.keys:
            return tuned(lane.base, known.nearest_name(lane.base), "the fastest paths of all regions", lane)
        if len(here) + listed < PLANNED:
            planned = _random_points(lane, rng) if self._random_start else _plan(lane, known.hints)
            for schedule, why in planned:
                if lane.key(schedule) not in taken:
                    return tuned(schedule, known.nearest_name(schedule) if here else None, why, lane)
        best = max((pair for pair in here if pair[0].ratio is not None), key=ratio_of, default=None)
        if best is not None and (len(here) + listed) % 2:
            for schedule, why in _steps(lane, best[1], rng):
                if lane.key(schedule) not in taken:
                    parent = best[0].name if best[0].judged else known.nearest_name(schedule)
                    return tuned(schedule, parent, f"a step from the best schedule so far: {why}", lane)
        sampled = _sample(lane, here, taken, rng.randrange(1 << 31))
        if sampled is not None:
            why = f"Parzen estimator over {len(here)} timed schedules"
            return tuned(sampled, known.nearest_name(sampled), why, lane)
        return None


def _plan(lane: Space, hints: Sequence[tuple[Schedule, str]]) -> Iterator[tuple[Schedule, str]]:
    """The analytical schedule, the hints of this lane, and steps away from the analytical schedule.

    The model's block depth is a lower end (published kernels use up to 2.5 times as much), and which of two good tiles
    is faster depends on the core. So depth and tile are varied first, together with the limit below which packing is
    skipped.
    """
    base = lane.choices_of(lane.base)
    yield lane.base.normalise(), ANALYTICAL
    yield from (
        (schedule, f"among the fastest on {machine}")
        for schedule, machine in hints
        if belongs(lane, schedule) and not lane.region
    )
    knobs = {knob.name: knob for knob in lane.knobs}
    deeper = _shift(knobs.get("kc"), base, 2)
    tile = _other(knobs.get("tile"), base, 0)
    second = _other(knobs.get("tile"), base, 1)
    flips = [
        *_region_flips(lane, knobs, base),
        (deeper, "deeper blocks: C is updated less often"),
        (tile, "the next best register tile"),
        (_shift(knobs.get("direct_edge"), base, 1), "no packing up to a larger size"),
        (deeper | tile, "deeper blocks with the other tile"),
        (_other(knobs.get("resident"), base, 0), "the other panel stays in L1"),
        (_shift(knobs.get("unroll"), base, 1), "a longer innermost loop body"),
        (second, "another register tile"),
        (_other(knobs.get("pack_a"), base, 0), "another way to pack A"),
        (_other(knobs.get("fuse_b"), base, 0), "B packed before or while it is first multiplied"),
        (_shift(knobs.get("nc"), base, -1), "a narrower packed block of B"),
        (_shift(knobs.get("cutoff"), base, -2), "recursion from half the size on"),
        (_other(knobs.get("scheme"), base, 0), "another scheme"),
        (_other(knobs.get("levels"), base, 0), "one level of recursion only"),
    ]
    for change, why in flips:
        if change:
            yield lane.build(base | change), why


def _region_flips(
    lane: Space, knobs: dict[str, Knob], base: dict[str, Choice]
) -> list[tuple[dict[str, Choice], str]]:
    """What pays first at elongated shapes: how B is read, and in which direction C is written."""
    if not lane.region:
        return []
    in_place: dict[str, Choice] = {"pack_b": "none", "kc": 16, "resident": "a", "pack_a": "strip"}
    usable = all(choice in knobs[name].choices for name, choice in in_place.items())
    return [
        (_other(knobs.get("tile"), base, 0), "another register tile"),
        (_shift(knobs.get("nc"), base, 1), "a wider packed block of B"),
        (_other(knobs.get("prefetch_next"), base, 0), "the next block of B prefetched or not"),
        (_other(knobs.get("resident"), base, 0), "the other panel stays in L1"),
        (in_place if usable else {}, "B is read in place, sixteen rows at a time"),
    ]


def _random_points(lane: Space, rng: random.Random) -> Iterator[tuple[Schedule, str]]:
    for _ in range(_ASKS):
        yield lane.build({knob.name: rng.choice(knob.choices) for knob in lane.knobs}), "a random schedule"


def _shift(knob: Knob | None, base: dict[str, Choice], by: int) -> dict[str, Choice]:
    """The knob moved along its ladder of choices; empty when it cannot move."""
    if knob is None:
        return {}
    index = knob.choices.index(base[knob.name])
    target = max(0, min(len(knob.choices) - 1, index + by))
    return {} if target == index else {knob.name: knob.choices[target]}


def _other(knob: Knob | None, base: dict[str, Choice], which: int) -> dict[str, Choice]:
    """Another choice of the knob, number `which` in its order of preference."""
    others = [choice for choice in knob.choices if choice != base[knob.name]] if knob else []
    return {knob.name: others[which]} if knob and which < len(others) else {}


def _is_ladder(knob: Knob) -> bool:
    return all(isinstance(choice, int) and not isinstance(choice, bool) for choice in knob.choices)


def _steps(lane: Space, best: Schedule, rng: random.Random) -> Iterator[tuple[Schedule, str]]:
    """Neighbours of the best kernel: one knob changed by one step, in random order, then two knobs at once."""
    at = lane.choices_of(best)
    moves: list[dict[str, Choice]] = []
    for knob in lane.knobs:
        if _is_ladder(knob):
            moves += [move for by in (-1, 1) if (move := _shift(knob, at, by))]
        else:
            moves += [{knob.name: choice} for choice in knob.choices if choice != at[knob.name]]
    rng.shuffle(moves)
    pairs = [a | b for index, a in enumerate(moves) for b in moves[index + 1 :] if set(a) != set(b)]
    rng.shuffle(pairs)
    for move in moves + pairs:
        yield (
            lane.build(at | move),
            ", ".join(f"{name} {at[name]} -> {value}" for name, value in move.items()),
        )


def _sample(lane: Space, here: list[tuple[Trial, Schedule]], tried: set[str], seed: int) -> Schedule | None:
    """Ask Optuna's TPE after giving it every timed schedule of the lane; rejected ones count as pruned."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=PLANNED, multivariate=True, group=False)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    distributions = {knob.name: _distribution(knob) for knob in lane.knobs}
    for trial, schedule in (pair for pair in here if pair[0].conclusive):
        params = {k.name: _encode(k, value) for k, value in _choices(lane, schedule)}
        study.add_trial(_told(params, distributions, trial.ratio))
    for _ in range(_ASKS):
        asked = study.ask(distributions)
        choices = {knob.name: _decode(knob, asked.params[knob.name]) for knob in lane.knobs}
        schedule = lane.build(choices)
        if lane.key(schedule) not in tried:
            return schedule
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
    return None


def _choices(lane: Space, schedule: Schedule) -> list[tuple[Knob, Choice]]:
    nearest = lane.choices_of(schedule)
    return [(knob, nearest[knob.name]) for knob in lane.knobs]


def _told(
    params: dict[str, Any], distributions: dict[str, Any], ratio: float | None
) -> optuna.trial.FrozenTrial:
    import optuna

    state = optuna.trial.TrialState.PRUNED if ratio is None else optuna.trial.TrialState.COMPLETE
    return optuna.trial.create_trial(state=state, value=ratio, params=params, distributions=distributions)


def _distribution(knob: Knob) -> Any:
    """A distribution for a knob; sizes keep their order, so the sampler sees the index, not the name."""
    import optuna

    if _is_ladder(knob) and len(knob.choices) > 1:
        return optuna.distributions.IntDistribution(0, len(knob.choices) - 1)
    return optuna.distributions.CategoricalDistribution(knob.choices)


def _encode(knob: Knob, choice: Choice) -> Choice:
    return knob.choices.index(choice) if _is_ladder(knob) and len(knob.choices) > 1 else choice


def _decode(knob: Knob, value: Any) -> Choice:
    return knob.choices[int(value)] if _is_ladder(knob) and len(knob.choices) > 1 else value
