"""Tuning one region of shapes at a time: who is changed when, what is learned from which shapes, what is joined."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from harness.clock.suites import SUITES
from harness.minds.histograms import HistogramTuner
from harness.minds.knob_question import KnobQuestion
from harness.minds.known_trials import KnownTrials
from harness.minds.protocol import Trial, Tuned, Tuner
from harness.minds.tuner import BuiltinTuner
from harness.roundtable.agents.proposing import title
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.model import Schedule
from tests.roundtable.support import AVX2

SKINNY = SUITES["skinny"]
ADAPTER = ScheduleAdapter(AVX2, 1, SKINNY)
REGIONAL = [lane for lane in ADAPTER.lanes() if lane.region]
TUNERS = [BuiltinTuner, HistogramTuner]


def by_shape(schedule: Schedule, shapes: object = SKINNY) -> dict[str, float]:
    """Ratios of a landscape in which every region has a best depth of its own."""
    best = {"small": 128, "few_rows": 512, "shallow": 16, "few_columns": 1024, "general": 256}
    ratios = {}
    for shape in SKINNY:
        path = schedule.path_of(shape)
        ratios[str(shape)] = 1.0 - 0.05 * abs(math.log2(schedule.parts[path].kc / best[path]))
    return ratios


def mean(ratios: dict[str, float]) -> float:
    return math.exp(sum(map(math.log, ratios.values())) / len(ratios))


def judged(name: str, schedule: Schedule) -> Trial:
    ratios = by_shape(schedule)
    return Trial(name, schedule.model_dump(mode="json", exclude_none=True), mean(ratios), by_shape=ratios)


def timed(number: int, one: Tuned) -> Trial:
    ratios = by_shape(Schedule.model_validate(one.schedule))
    told = mean({str(shape): ratios[str(shape)] for shape in one.shapes})
    return Trial(
        f"screened {number}",
        one.schedule,
        told,
        judged=False,
        by_shape={str(s): told for s in one.shapes},
    )


def evolve(
    mind: Tuner, generations: int, shortlist: int, seen: Callable[[int, list[Tuned]], None] = lambda *_: None
) -> list[Trial]:
    """What a run does: the fastest of a shortlist at its shapes is judged, the others are known from these."""
    trials: list[Trial] = []
    for generation in range(1, generations + 1):
        listed = mind.shortlist(trials, generation, 0, shortlist)
        seen(generation, listed)
        ratios = [timed(number, one) for number, one in enumerate(listed)]
        chosen = max(range(len(listed)), key=lambda i: ratios[i].ratio or 0.0)
        trials += [trial for index, trial in enumerate(ratios) if index != chosen]
        trials.append(judged(f"k{generation}", Schedule.model_validate(listed[chosen].schedule)))
    return trials


@pytest.mark.parametrize("tuner", TUNERS)
def test_regions_take_turns_and_a_shortlist_differs_in_one_of_them_only(tuner: type[Tuner]) -> None:
    def check(generation: int, listed: list[Tuned]) -> None:
        lane = REGIONAL[(generation - 1) % len(REGIONAL)]
        assert {one.shapes for one in listed} == {lane.shapes}
        parts = [Schedule.model_validate(one.schedule).parts for one in listed]
        assert {name for one in parts for name in one if one[name] != parts[0][name]} == {lane.region}
        assert len({lane.key(Schedule.model_validate(one.schedule)) for one in listed}) == len(listed)

    evolve(tuner(ADAPTER.lanes(), 3), 9, 5, check)  # type: ignore[call-arg]


@pytest.mark.slow
def test_the_paths_of_all_regions_improve_and_are_joined_in_one_kernel() -> None:
    trials = evolve(BuiltinTuner(ADAPTER.lanes(), 1), 16, 6)
    best = max((trial for trial in trials if trial.judged), key=lambda trial: trial.ratio or 0.0)
    first = judged("first", REGIONAL[0].base)
    assert best.ratio is not None
    assert first.ratio is not None
    assert best.ratio > first.ratio + 0.03
    for lane in REGIONAL:
        champion, _ = KnownTrials(trials).ranked(lane)[0]
        assert champion.ratio is not None
        joined = mean({str(shape): best.by_shape[str(shape)] for shape in lane.shapes})
        assert joined == pytest.approx(champion.ratio), lane.region


def test_a_region_learns_from_its_own_shapes_only() -> None:
    few_rows = next(lane for lane in REGIONAL if lane.region == "few_rows")
    schedule = few_rows.build({"kc": 512})
    plain = schedule.model_dump(mode="json", exclude_none=True)
    ratios = dict.fromkeys(map(str, SKINNY), 2.0) | {"8x1024x1024": 0.5}
    told = KnownTrials(
        [
            Trial("everywhere", plain, 1.7, by_shape=ratios),
            Trial("elsewhere", plain, 3.0, judged=False, by_shape={"1024x8x1024": 3.0}),
            Trial("remembered without its shapes", plain, 1.5),
            Trial("wrong", plain, None),
        ]
    )
    assert [(trial.name, trial.ratio) for trial, _ in told.in_lane(few_rows)] == [
        ("everywhere", pytest.approx(0.5)),
        ("wrong", None),
    ]
    whole = next(lane for lane in ADAPTER.lanes() if not lane.region)
    assert told.in_lane(whole) == [], "kernels with paths say nothing about those with one"


def test_a_kernel_with_one_path_is_a_trial_of_every_region() -> None:
    plain = next(lane for lane in ADAPTER.lanes() if not lane.region).base
    trial = Trial("one path", plain.model_dump(mode="json", exclude_none=True), 1.0, by_shape=by_shape(plain))
    for lane in REGIONAL:
        ((_, schedule),) = KnownTrials([trial]).in_lane(lane)
        assert lane.part(schedule).key() == plain.key()
        assert lane.build(lane.choices_of(schedule)).border(lane.region) == lane.base.border(lane.region)


def test_a_small_model_answers_for_the_code_path_of_one_region() -> None:
    lane = KnownTrials([]).lanes_in_turn(ADAPTER.lanes(), 2, 0)[0]
    question = KnobQuestion.of(lane, frozenset(), 1)
    assert lane.region
    assert question.fits_letters
    picks = question.picks_of(lane.base)
    for lettered in (True, False):
        answer = question.letters(picks) if lettered else question.line(picks)
        assert question.read(answer, lettered).key() == lane.base.key()
    assert not KnobQuestion.of(lane, frozenset({lane.key(lane.base)}), 1).is_new(picks)


def test_the_title_names_the_regions_and_the_adapter_treats_paths_like_any_schedule() -> None:
    schedule = REGIONAL[0].base.model_dump(mode="json", exclude_none=True)
    read = ADAPTER.read_proposal({"algorithm": title(schedule), "schedule": schedule})
    assert read["algorithm"].startswith("packed_intrinsics avx2 by shape: small 6x16, few_rows 6x16")
    assert read["algorithm"].endswith("shallow 6x16, …")
    assert ADAPTER.objections(read) == []
    assert ADAPTER.key(read["schedule"]) == REGIONAL[0].base.key()
    assert ADAPTER.tier(read) == "unsafe"
    assert "mod few_rows {" in ADAPTER.render(read)
