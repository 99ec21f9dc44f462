"""An estimation-of-distribution mind: one histogram per knob over the fast half of what was accepted.

The univariate marginal distribution algorithm (Mühlenbein and Paaß, 1996), with one difference: a single virtual
observation, spread evenly over the choices of a knob, keeps every choice possible. A mind that was trained for this
task should propose better kernels than this one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from harness.minds.known_trials import ANALYTICAL, KnownTrials, tuned
from harness.minds.protocol import Hint, Trial, Tuned
from harness.schedule.model import Schedule
from harness.schedule.space import Space

# Draws for one schedule before the lane counts as exhausted.
_DRAWS = 256


class HistogramTuner:
    """Deterministic: the same seed and the same trials give the same proposal."""

    name = "histograms"

    def __init__(self, lanes: Sequence[Space], seed: int) -> None:
        self._lanes = tuple(lanes)
        self._seed = seed

    def shortlist(
        self, trials: Sequence[Trial], generation: int, slot: int, count: int, hints: Sequence[Hint] = ()
    ) -> list[Tuned]:
        """See Tuner. The first schedule of a lane is the analytical model's; hints of other machines are not used."""
        known = KnownTrials(trials)
        rng = random.Random(f"{self._seed}/{generation}/{slot}/{len(known.schedules)}")
        for lane in known.lanes_in_turn(self._lanes, generation, slot):
            if found := self._in_lane(lane, known, count, rng):
                return found
        return []

    def _in_lane(self, lane: Space, known: KnownTrials, count: int, rng: random.Random) -> list[Tuned]:
        """Up to `count` schedules of one lane that are not known."""
        found: list[Tuned] = []
        taken = known.keys_in(lane)
        ranked = [schedule for _, schedule in known.ranked(lane)]
        fast = ranked[: (len(ranked) + 1) // 2]
        first = lane.base.normalise()
        if lane.key(first) not in taken:
            found.append(tuned(first, None, ANALYTICAL, lane))
            taken.add(lane.key(first))
        weights = knob_weights(lane, fast)
        why = f"drawn from histograms over the {len(fast)} fastest schedules" if fast else "a random schedule"
        for _ in range(_DRAWS):
            if len(found) >= count:
                break
            drawn = _drawn(lane, weights, rng)
            if drawn is not None and lane.key(drawn) not in taken:
                taken.add(lane.key(drawn))
                found.append(tuned(drawn, known.nearest_name(drawn) if fast else None, why, lane))
        return found


def knob_weights(lane: Space, fast: Sequence[Schedule]) -> dict[str, list[float]]:
    """For each knob one weight per choice: how many of the fast schedules have it, plus an even share of 1."""
    chosen = [lane.choices_of(schedule) for schedule in fast]
    return {
        knob.name: [
            sum(one[knob.name] == choice for one in chosen) + 1 / len(knob.choices) for choice in knob.choices
        ]
        for knob in lane.knobs
    }


def _drawn(lane: Space, weights: dict[str, list[float]], rng: random.Random) -> Schedule | None:
    """One schedule, every knob by its own weights; None for a combination that Schedule refuses."""
    return lane.built({knob.name: rng.choices(knob.choices, weights[knob.name])[0] for knob in lane.knobs})
