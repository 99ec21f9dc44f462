"""The built-in tuner: no repeats, always feasible, repeatable, and better than random on a known landscape."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.machine import Machine
from harness.minds.protocol import Hint, Trial, Tuned, Tuner
from harness.minds.tuner import PLANNED, BuiltinTuner
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.analytical import first
from harness.schedule.model import Schedule
from harness.shapes import Shape
from tests.roundtable.support import AVX2

AVX512 = Machine(
    "Wide CPU",
    "x86_64",
    "Linux",
    ("avx", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"),
    48 << 10,
    2 << 20,
    32 << 20,
    (0, 1, 2, 3),
)
NEON = Machine("Arm CPU", "aarch64", "Darwin", ("neon",), 128 << 10, 12 << 20, 0, (0, 1))
PORTABLE = Machine("Old CPU", "x86_64", "Linux", (), 32 << 10, 256 << 10, 4 << 20, (0,))
MACHINES = (AVX2, AVX512, NEON, PORTABLE)


def tuner(machine: Machine = AVX2, seed: int = 1, threads: str = "1") -> BuiltinTuner:
    return BuiltinTuner(ScheduleAdapter(machine, "all" if threads == "all" else 1).lanes(), seed)


def proposed(mind: Tuner, trials: list[Trial], generation: int, slot: int) -> Tuned | None:
    """The schedule that is judged where none is timed first."""
    return next(iter(mind.shortlist(trials, generation, slot, 1)), None)


def evolve(
    mind: Tuner, measure: Callable[[Schedule], float | None], count: int, population: int = 1
) -> list[Trial]:
    trials: list[Trial] = []
    for number in range(count):
        tuned = proposed(mind, trials, 1 + number // population, number % population)
        assert tuned is not None
        ratio = measure(Schedule.model_validate(tuned.schedule))
        trials.append(Trial(f"k{number}", tuned.schedule, ratio))
    return trials


def keys(trials: list[Trial]) -> list[str]:
    return [Schedule.model_validate(trial.schedule).key() for trial in trials]


def landscape(schedule: Schedule) -> float:
    """Best with deep blocks, the second tile and no prefetch of A; smooth, so that single steps lead there."""
    score = 1.0 - 0.1 * abs(schedule.kc - 768) / 768 - 0.1 * (schedule.tile != "4x24")
    return score - 0.05 * (schedule.prefetch_a > 0) - 0.05 * (schedule.unroll != 2)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("threads", ["1", "all"])
def test_the_first_proposal_comes_from_the_analytical_model(machine: Machine, threads: str) -> None:
    tuned = proposed(tuner(machine, threads=threads), [], 1, 0)
    assert tuned is not None
    expected = first(machine, "all" if threads == "all" else 1)
    assert Schedule.model_validate(tuned.schedule).key() == expected.key()
    assert tuned.parent is None


@pytest.mark.parametrize("machine", MACHINES)
def test_proposals_are_feasible_and_never_repeated(machine: Machine) -> None:
    schedules = ScheduleAdapter(machine, 1)
    rng = random.Random(3)
    trials = evolve(tuner(machine), lambda schedule: rng.choice([None, rng.random()]), 24, population=3)
    assert len(set(keys(trials))) == 24
    refused = [schedules.objections({"algorithm": "x", "schedule": trial.schedule}) for trial in trials]
    assert sum(bool(reasons) for reasons in refused) == 0


@pytest.mark.parametrize("machine", MACHINES)
def test_a_run_for_safe_rust_proposes_and_accepts_nothing_else(machine: Machine) -> None:
    large = (Shape(2048, 2048, 2048),)
    safe, free = ScheduleAdapter(machine, 1, large, safe_only=True), ScheduleAdapter(machine, 1, large)
    assert {lane.base.tier for lane in safe.lanes()} == {"safe"}
    assert any(lane.schemes for lane in safe.lanes()), "fast schemes are there in safe Rust, too"
    for lane in free.lanes():
        proposal = {"algorithm": "x", "schedule": lane.base.model_dump(mode="json", exclude_none=True)}
        assert free.objections(proposal) == []
        refused = safe.objections(proposal)
        assert bool(refused) == (lane.base.tier == "unsafe")
        assert all("--tier safe" in reason for reason in refused)


@given(st.integers(0, 2**31 - 1), st.integers(0, 3))
@settings(max_examples=8)
def test_the_same_seed_and_trials_give_the_same_proposal(seed: int, slot: int) -> None:
    trials = evolve(tuner(seed=1), landscape, PLANNED + 3)
    assert proposed(tuner(seed=seed), trials, 2, slot) == proposed(tuner(seed=seed), trials, 2, slot)


def test_a_rejected_schedule_is_neither_proposed_again_nor_a_parent() -> None:
    trials = evolve(tuner(), lambda schedule: None, 10)
    assert len(set(keys(trials))) == 10
    tuned = proposed(tuner(), trials, 11, 0)
    assert tuned is not None
    assert tuned.parent is None


def test_an_inconclusive_timing_is_not_repeated_and_does_not_affect_its_neighbours() -> None:
    trials = evolve(tuner(), landscape, 7)
    unsure = [*trials[:-1], Trial("k6", trials[-1].schedule, None, conclusive=False)]
    without, failed = trials[:-1], [*trials[:-1], Trial("k6", trials[-1].schedule, None)]
    proposals = [proposed(tuner(), known, 9, 0) for known in (unsure, failed)]
    assert all(found is not None for found in proposals)
    assert proposals[0] is not None
    assert proposals[0].schedule != trials[-1].schedule
    assert proposed(tuner(), without, 9, 0) is not None


def test_the_tuner_finds_better_kernels_than_random_choice() -> None:
    """Over five seeds: the best of 16 tuned kernels against the best of 16 random points of the same space."""
    tuned, chance = [], []
    for seed in range(5):
        tuned.append(max(landscape_of(trial) for trial in evolve(tuner(seed=seed), landscape, 16)))
        space, rng = ScheduleAdapter(AVX2, 1).lanes()[0], random.Random(seed)
        points = [space.build({k.name: rng.choice(k.choices) for k in space.knobs}) for _ in range(16)]
        chance.append(max(landscape(point) for point in points))
    assert sum(tuned) > sum(chance)


def landscape_of(trial: Trial) -> float:
    assert trial.ratio is not None
    return trial.ratio


def test_a_schedule_of_another_version_in_the_memory_is_skipped() -> None:
    odd = Trial("old", {"family": "packed_intrinsics", "warp": 9}, 2.0)
    assert proposed(tuner(), [odd], 1, 0) == proposed(tuner(), [], 1, 0)


def test_further_slots_use_other_lanes() -> None:
    trials = evolve(tuner(AVX512), lambda schedule: 0.5, 12, population=3)
    kinds = {(s.family, s.isa) for s in (Schedule.model_validate(trial.schedule) for trial in trials)}
    assert len(kinds) >= 3


def test_a_shortlist_has_different_schedules_and_begins_with_what_would_be_proposed() -> None:
    trials = evolve(tuner(), landscape, PLANNED + 2)
    listed = tuner().shortlist(trials, 3, 0, 6)
    assert listed[0] == proposed(tuner(), trials, 3, 0)
    found = {Schedule.model_validate(one.schedule).key() for one in listed}
    assert len(found) == 6
    assert not found & set(keys(trials))


def test_what_was_timed_briefly_is_learned_from_and_is_no_parent() -> None:
    trials = evolve(tuner(), landscape, PLANNED)
    (better,) = tuner().shortlist(trials, 6, 0, 1)
    known = [*trials, Trial("screened", better.schedule, 9.0, judged=False)]
    for one in tuner().shortlist(known, 7, 0, 6):
        assert one.parent in {trial.name for trial in trials}
        assert Schedule.model_validate(one.schedule).key() != Schedule.model_validate(better.schedule).key()


def test_schedules_of_other_machines_follow_the_analytical_one() -> None:
    base = tuner()._lanes[0].base
    theirs = base.model_copy(update={"kc": 192, "unroll": 2}).normalise()
    wide = ScheduleAdapter(AVX512, 1).lanes()[0].base.normalise()
    hints = [Hint(one.model_dump(mode="json", exclude_none=True), "a kin CPU") for one in (wide, theirs)]
    listed = tuner().shortlist([], 1, 0, 3, hints)
    assert Schedule.model_validate(listed[0].schedule).key() == base.normalise().key()
    assert Schedule.model_validate(listed[1].schedule).key() == theirs.key()
    assert listed[1].why == "among the fastest on a kin CPU"
    assert all(Schedule.model_validate(one.schedule).isa == "avx2" for one in listed)
