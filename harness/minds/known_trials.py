"""Trials with their schedules parsed, and the order in which minds take turns over the lanes."""

from __future__ import annotations

from collections.abc import Sequence

from harness.durable import JsonObject
from harness.minds.protocol import Hint, Trial, Tuned
from harness.schedule.model import Schedule
from harness.schedule.space import Space

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
        """The trials of one lane, in their order."""
        return [pair for pair in self.schedules if belongs(lane, pair[1])]

    def ranked(self, lane: Space) -> list[tuple[Trial, Schedule]]:
        """The trials of one lane that have a ratio, the fastest first."""
        return sorted((pair for pair in self.in_lane(lane) if pair[0].ratio is not None), key=ratio_of)[::-1]

    def nearest_name(self, schedule: Schedule) -> str | None:
        """The accepted trial nearest to the schedule, recorded as its parent."""
        accepted = [
            (trial, other) for trial, other in self.schedules if trial.ratio is not None and trial.judged
        ]
        return min(accepted, key=lambda pair: pair[1].distance(schedule))[0].name if accepted else None


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


def tuned(schedule: Schedule, parent: str | None, why: str) -> Tuned:
    """A schedule to try next, as plain types."""
    return Tuned(plain(schedule), parent, why)


def belongs(lane: Space, schedule: Schedule) -> bool:
    """Whether the schedule is of the lane's family, vector unit, thread class and scheme."""
    base = lane.base
    return (
        schedule.family == base.family
        and schedule.kernel == base.kernel
        and schedule.isa == base.isa
        and schedule.threads == base.threads
        and (schedule.bilinear is None or schedule.bilinear.scheme in lane.schemes)
    )


def lane_order(lanes: Sequence[Space], generation: int, slot: int) -> list[Space]:
    """The lanes in the order in which a proposal tries them: the fastest lane first in the first slot of a generation;
    in the other slots the remaining lanes take turns.
    """
    if slot == 0 or len(lanes) == 1:
        return list(lanes)
    others = list(lanes[1:])
    start = (generation - 1 + slot - 1) % len(others)
    return [*others[start:], *others[:start], lanes[0]]
