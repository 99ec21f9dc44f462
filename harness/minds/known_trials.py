"""Trials with their schedules parsed, and the order in which minds take turns over the lanes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from harness.durable import JsonObject
from harness.minds.protocol import Hint, Trial, Tuned
from harness.schedule.model import Schedule
from harness.schedule.space import Space
from harness.shapes import Shape

# The reason of a lane's first schedule.
ANALYTICAL = "the analytical model for this machine's registers and caches"


class KnownTrials:
    """Trials and hints with their schedules parsed; those whose schedule this version cannot parse are left out."""

    def __init__(self, trials: Sequence[Trial], hints: Sequence[Hint] = ()) -> None:
        parsed = [(_read(hint.schedule), hint.machine) for hint in hints]
        self.hints = [(schedule, machine) for schedule, machine in parsed if schedule is not None]
        self.schedules: list[tuple[Trial, Schedule]] = []
        for trial in trials:
            schedule = _read(trial.schedule)
            if schedule is not None:
                self.schedules.append((trial, schedule))
        self.keys = {schedule.key() for _, schedule in self.schedules}

    def in_lane(self, lane: Space) -> list[tuple[Trial, Schedule]]:
        """The trials of one lane, in their order; in the lane of a region, with their ratios at its shapes."""
        here = [pair for pair in self.schedules if belongs(lane, pair[1])]
        if not lane.region:
            return here
        told = [(_at(lane.shapes, trial), schedule) for trial, schedule in here]
        return [(trial, schedule) for trial, schedule in told if trial is not None]

    def keys_in(self, lane: Space) -> set[str]:
        """What was tried of that which the lane varies, by `Space.key`."""
        return {lane.key(schedule) for _, schedule in self.schedules}

    def lanes_in_turn(self, lanes: Sequence[Space], generation: int, slot: int) -> list[Space]:
        """`lane_order`; a lane that varies one region has the fastest code path so far in every other region."""
        champions = next((lane.base for lane in lanes if lane.region), None)
        if champions is None:
            return lane_order(lanes, generation, slot)
        for lane in lanes:
            ranked = self.ranked(lane) if lane.region else []
            if ranked:
                best = ranked[0][1]
                champions = champions.with_part(lane.region, lane.part(best), best.border(lane.region))
        base = champions.normalise()
        ordered = lane_order(lanes, generation, slot)
        return [replace(lane, base=base) if lane.region else lane for lane in ordered]

    def ranked(self, lane: Space) -> list[tuple[Trial, Schedule]]:
        """The trials of one lane that have a ratio, the fastest first."""
        return sorted((pair for pair in self.in_lane(lane) if pair[0].ratio is not None), key=ratio_of)[::-1]

    def nearest_name(self, schedule: Schedule) -> str | None:
        """The accepted trial nearest to the schedule, recorded as its parent."""
        accepted = [
            (trial, other) for trial, other in self.schedules if trial.ratio is not None and trial.judged
        ]
        return min(accepted, key=lambda pair: pair[1].distance(schedule))[0].name if accepted else None


def _at(shapes: Sequence[Shape], trial: Trial) -> Trial | None:
    """The trial with its mean ratio at the shapes where it was timed among these; None if it was timed elsewhere only.

    A schedule that was rejected has no ratio anywhere.
    """
    found = [trial.by_shape[text] for text in map(str, shapes) if text in trial.by_shape]
    if not found:
        return trial if trial.ratio is None else None
    return replace(trial, ratio=math.exp(math.fsum(map(math.log, found)) / len(found)))


def _read(plain: JsonObject) -> Schedule | None:
    from pydantic import ValidationError

    try:
        return Schedule.model_validate(plain)
    except ValidationError:
        return None


def ratio_of(pair: tuple[Trial, Schedule]) -> float:
    """The ratio of a trial; 0 for one without."""
    return pair[0].ratio or 0.0


def plain(schedule: Schedule) -> JsonObject:
    """The schedule as plain types."""
    found: JsonObject = schedule.model_dump(mode="json", exclude_none=True)
    return found


def tuned(schedule: Schedule, parent: str | None, why: str, lane: Space) -> Tuned:
    """A schedule to try next in a lane, as plain types."""
    return Tuned(plain(schedule), parent, f"{lane.region}: {why}" if lane.region else why, lane.shapes)


def belongs(lane: Space, schedule: Schedule) -> bool:
    """Whether the schedule is of the lane's family, vector unit, thread class and scheme.

    Kernels that choose a code path by shape belong to the lanes of their regions only, others to these, too.
    """
    base = lane.base
    return (
        bool(lane.region or schedule.paths is None)
        and schedule.family == base.family
        and schedule.kernel == base.kernel
        and schedule.isa == base.isa
        and schedule.threads == base.threads
        and (schedule.bilinear is None or schedule.bilinear.scheme in lane.schemes)
    )


def lane_order(lanes: Sequence[Space], generation: int, slot: int) -> list[Space]:
    """The lanes in the order in which a proposal tries them: the fastest lane first in the first slot of a generation;
    in the other slots the remaining lanes take turns. The lanes of regions count as the fastest lane: one of them is
    first in each generation.
    """
    regions = [lane for lane in lanes if lane.region]
    if regions:
        start = (generation - 1) % len(regions)
        lanes = [
            *regions[start:],
            *regions[:start],
            *(lane for lane in lanes if not lane.region),
        ]
    others = list(lanes[max(1, len(regions)) :])
    if slot == 0 or not others:
        return list(lanes)
    start = (generation - 1 + slot - 1) % len(others)
    return [*others[start:], *others[:start], *lanes[: -len(others)]]
