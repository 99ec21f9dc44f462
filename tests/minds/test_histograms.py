"""The mind with one histogram per knob: first the analytical schedule, then draws that follow the fast half."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.machine import Machine
from harness.minds.histograms import HistogramTuner, knob_weights
from harness.minds.protocol import Trial, Tuner
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.analytical import first
from harness.schedule.model import Schedule
from harness.schedule.space import Space
from tests.minds.test_tuner import MACHINES, evolve, keys, landscape, landscape_of
from tests.roundtable.support import AVX2

LANES = ScheduleAdapter(AVX2, 1).lanes()


def test_it_is_a_tuner() -> None:
    assert isinstance(HistogramTuner(LANES, 1), Tuner)


@pytest.mark.parametrize("machine", MACHINES)
def test_an_empty_memory_gives_the_analytical_schedule_and_then_random_ones(machine: Machine) -> None:
    listed = HistogramTuner(ScheduleAdapter(machine, 1).lanes(), 3).shortlist([], 1, 0, 6)
    assert Schedule.model_validate(listed[0].schedule).key() == first(machine, 1).key()
    assert [one.why for one in listed[1:]] == ["a random schedule"] * 5
    assert len({Schedule.model_validate(one.schedule).key() for one in listed}) == 6


def test_without_accepted_kernels_every_choice_is_equally_likely() -> None:
    for weights in knob_weights(LANES[0], []).values():
        assert len(set(weights)) == 1


@given(st.integers(0, 2**31), st.integers(1, 12))
@settings(max_examples=25)
def test_weights_count_the_fast_half_and_leave_no_choice_out(seed: int, count: int) -> None:
    rng = random.Random(seed)
    lane = LANES[0]
    fast = [lane.build({knob.name: rng.choice(knob.choices) for knob in lane.knobs}) for _ in range(count)]
    for knob in lane.knobs:
        weights = knob_weights(lane, fast)[knob.name]
        assert min(weights) > 0
        assert sum(weights) == pytest.approx(count + 1)


@pytest.mark.parametrize("machine", MACHINES)
def test_proposals_are_feasible_and_never_repeated(machine: Machine) -> None:
    schedules = ScheduleAdapter(machine, 1)
    rng = random.Random(3)
    mind = HistogramTuner(schedules.lanes(), 1)
    trials = evolve(mind, lambda schedule: rng.choice([None, rng.random()]), 24, population=3)
    assert len(set(keys(trials))) == 24
    assert not any(schedules.objections({"algorithm": "x", "schedule": trial.schedule}) for trial in trials)
    again = HistogramTuner(schedules.lanes(), 1)
    assert again.shortlist(trials, 9, 0, 3) == mind.shortlist(trials, 9, 0, 3)


def test_it_learns_from_measurements() -> None:
    """Over five seeds: the mean of its last ten schedules against the mean of its first ten."""
    early, late = [], []
    for seed in range(5):
        ratios = [landscape_of(one) for one in evolve(HistogramTuner(LANES, seed), landscape, 40)]
        early += ratios[1:11]
        late += ratios[-10:]
    assert sum(late) > sum(early)


def test_a_space_that_was_tried_in_full_gives_nothing() -> None:
    lane = Space(LANES[0].base, LANES[0].knobs[:2])
    one, other = lane.knobs
    points = [lane.build({one.name: x, other.name: y}) for x in one.choices for y in other.choices]
    trials = [
        Trial(f"k{i}", point.model_dump(mode="json"), 0.5) for i, point in enumerate([*points, lane.base])
    ]
    assert HistogramTuner([lane], 1).shortlist(trials, 1, 0, 6) == []
