"""The clock's arithmetic on simulated machines: coverage of the intervals, early stopping, slow kernels, A/A alarms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock.pairs import Plan, Samples, Side, Turn, race
from harness.clock.statistics import FEW_HALF_WIDTH, RatioInterval, geometric_mean, interval
from harness.shapes import Shape
from harness.verdict import At, Gate, Rejection, Timeout

SMALL, LARGE = Shape(64, 64, 64), Shape(512, 512, 512)


@dataclass
class Simulation:
    """A machine with drift, a factor per process, noise per turn, and spikes; `ratio` is the true ratio."""

    seed: int
    ratio: float = 1.0
    luck: float = 0.01
    noise: float = 0.01
    spikes: float = 0.05
    gflops: float = 50.0
    clean: float = 1.0
    stretch: float = 0.3
    now_s: float = 0.0
    turns: list[tuple[int, Side, Shape]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    @contextmanager
    def duel(self, process: int) -> Iterator[_SimulatedWorkerPair]:
        yield _SimulatedWorkerPair(self, process, {side: self.rng.normal(0, self.luck) for side in Side})


@dataclass
class _SimulatedWorkerPair:
    machine: Simulation
    process: int
    luck: dict[Side, float]

    def block(self, shape: Shape, sides: Sequence[Side], warm: int) -> list[Turn] | Rejection:
        turns: list[Turn] = []
        for side in sides:
            turn = self.turn(side, shape)
            if not isinstance(turn, Turn):
                return turn
            turns.append(turn)
        return turns

    def turn(self, side: Side, shape: Shape) -> Turn:
        machine = self.machine
        machine.turns.append((self.process, side, shape))
        spiked = machine.rng.random() < machine.spikes
        # A turn is delayed by at most one time slice of the system, about ten times its length.
        spike = min(machine.rng.exponential(machine.stretch), math.log(10)) if spiked else 0.0
        drift = 0.2 * math.sin(machine.now_s / 3)
        log_time = self.luck[side] + machine.rng.normal(0, machine.noise) + spike + drift
        true_ns = shape.flops / machine.gflops / (machine.ratio if side is Side.CANDIDATE else 1.0)
        time_ns = true_ns * math.exp(log_time)
        machine.now_s += max(3 * time_ns / 1e9, 0.005)
        return Turn(time_ns, 1, machine.rng.random() < machine.clean)


def run(machine: Simulation, **changes: object) -> Samples:
    plan = Plan(**({"shapes": (SMALL, LARGE), "budget_s": 2.0} | changes))  # type: ignore[arg-type]
    outcome = race(plan, machine.duel, lambda: machine.now_s, seed=machine.seed)
    assert isinstance(outcome, Samples)
    return outcome


@pytest.mark.slow
@pytest.mark.together
@pytest.mark.parametrize(
    ("luck", "noise", "spikes"),
    [(0.01, 0.01, 0.0), (0.002, 0.02, 0.1), (0.0, 0.02, 0.2), (0.02, 0.01, 0.05)],
)
def test_interval_covers_the_truth(luck: float, noise: float, spikes: float) -> None:
    """At least 93 % of the 95 % intervals contain the true ratio, with early stopping, drift and spikes."""
    trials, hits, mean_hits = 200, 0, 0
    for seed in range(trials):
        machine = Simulation(seed, ratio=1.07, luck=luck, noise=noise, spikes=spikes)
        samples, rng = run(machine), np.random.default_rng(seed)
        found, mean = samples.interval(SMALL, rng), samples.mean(rng)
        hits += found.low <= 1.07 <= found.high
        mean_hits += mean.low <= 1.07 <= mean.high
    assert hits / trials >= 0.93, f"one shape: {hits} of {trials}"
    assert mean_hits / trials >= 0.93, f"geometric mean: {mean_hits} of {trials}"


def test_threads_that_wait_for_each_other_are_measured_by_their_best_turns() -> None:
    """Half of all turns are stretched several-fold, as by barriers on a busy machine; the true ratio is still found."""
    hits, widths = 0, {1: 0.0, 2: 0.0}
    for seed in range(100):
        for threads in (1, 2):
            machine = Simulation(seed, ratio=1.07, spikes=0.5, stretch=1.0)
            samples = run(machine, threads=threads, pairs=6, budget_s=8.0)
            found = samples.interval(LARGE, np.random.default_rng(seed))
            widths[threads] += found.half_width
            hits += threads == 2 and found.low <= 1.07 <= found.high
    assert hits >= 93
    assert widths[2] < 0.8 * widths[1]


def test_aa_control_seldom_alarms() -> None:
    """A kernel against itself: the interval of the mean excludes 1 in at most 7 % of 200 sessions (target: 5 %)."""
    alarms = 0
    for seed in range(200):
        machine = Simulation(1000 + seed)
        alarms += run(machine, budget_s=1.0).mean(np.random.default_rng(seed)).bias > 0
    assert alarms <= 14


def test_stops_as_soon_as_the_interval_is_narrow() -> None:
    quiet = Simulation(1, luck=0.0005, noise=0.001, spikes=0.0)
    samples = run(quiet, budget_s=100.0)
    assert quiet.now_s < 3.0
    for shape in (SMALL, LARGE):
        assert samples.interval(shape, np.random.default_rng(0)).half_width <= 0.01
        assert {pair.process for pair in samples.pairs[shape]} == set(range(8))


def test_stops_at_the_budget_when_noise_never_ends() -> None:
    machine = Simulation(2, luck=0.2, noise=0.2)
    run(machine, budget_s=3.0)
    assert machine.now_s < 3.5


def test_a_shape_that_is_done_costs_no_more() -> None:
    """The shape with quiet timings stops at the least number of processes; the other continues."""

    class Mixed(_SimulatedWorkerPair):
        def turn(self, side: Side, shape: Shape) -> Turn:
            turn = super().turn(side, shape)
            return turn if shape == LARGE else Turn(shape.flops / 50, 1, clean=True)

    machine = Simulation(3, noise=0.05)
    plan = Plan((SMALL, LARGE), budget_s=3.0)

    @contextmanager
    def duel(process: int) -> Iterator[Mixed]:
        yield Mixed(machine, process, dict.fromkeys(Side, 0.0))

    samples = race(plan, duel, lambda: machine.now_s, seed=3)
    assert isinstance(samples, Samples)
    assert len(samples.groups(SMALL)) == 8 < len(samples.groups(LARGE))


def test_a_textbook_kernel_is_slow_and_not_inconclusive() -> None:
    """10 s at 1024³: one measurement of the large shape; small shapes measured; the interval wide and far below 1."""
    shapes = (SMALL, LARGE, Shape(1024, 1024, 1024))
    machine = Simulation(4, ratio=0.004, gflops=50.0)
    samples = run(machine, shapes=shapes, budget_s=4.0)
    assert all(samples.pairs[shape] for shape in shapes)
    assert len(samples.pairs[shapes[2]]) == 1
    mean = samples.mean(np.random.default_rng(0))
    assert mean.low < 0.004 < mean.high < 0.01
    slow_turns = [turn for turn in machine.turns if turn[1:] == (Side.CANDIDATE, shapes[2])]
    assert len(slow_turns) == 1, "a slow call is not thrown away as a warm-up"


def test_where_data_takes_long_the_first_pair_is_still_a_warm_up() -> None:
    """Products of 30 ms whose inputs take 0.4 s to draw: every counted process was warmed up."""
    machine = Simulation(10, gflops=9.0)
    making_s = 0.4

    class Large(_SimulatedWorkerPair):
        def block(self, shape: Shape, sides: Sequence[Side], warm: int) -> list[Turn] | Rejection:
            machine.now_s += making_s
            return super().block(shape, sides, warm)

    @contextmanager
    def duel(process: int) -> Iterator[Large]:
        yield Large(machine, process, dict.fromkeys(Side, 0.0))

    samples = race(Plan((LARGE,), budget_s=6.0), duel, lambda: machine.now_s, seed=10)
    assert isinstance(samples, Samples)
    turns = [process for process, _, _ in machine.turns]
    counted = [pair.process for pair in samples.pairs[LARGE]]
    assert len(set(counted)) > 3
    assert all(turns.count(process) == 4 and counted.count(process) == 1 for process in counted)


def test_a_rejection_ends_the_race_at_once() -> None:
    late = Timeout(5.0, At(Gate.CLOCK, LARGE))

    class Hanging(_SimulatedWorkerPair):
        def turn(self, side: Side, shape: Shape) -> Turn | Timeout:  # type: ignore[override]
            return late if shape == LARGE and side is Side.CANDIDATE else super().turn(side, shape)

    machine = Simulation(5)

    @contextmanager
    def duel(process: int) -> Iterator[Hanging]:
        yield Hanging(machine, process, dict.fromkeys(Side, 0.0))

    assert race(Plan((SMALL, LARGE), 2.0), duel, lambda: machine.now_s, seed=1) is late


def test_both_sides_go_first_equally_often_and_alternate() -> None:
    machine = Simulation(6)
    run(machine, shapes=(SMALL,), budget_s=3.0)
    sides = [side for _, side, _ in machine.turns]
    assert sides.count(Side.CANDIDATE) == sides.count(Side.BASELINE)
    blocks = [sides[at : at + 6] for at in range(2, len(sides), 6)]
    a, b = Side.CANDIDATE, Side.BASELINE
    assert {tuple(block) for block in blocks} == {(a, b) * 3, (b, a) * 3}


def test_the_first_pair_of_a_block_does_not_count() -> None:
    machine = Simulation(6)
    samples = run(machine, shapes=(SMALL,), budget_s=3.0)
    processes = {process for process, _, _ in machine.turns}
    assert len(samples.pairs[SMALL]) == 2 * len(processes)


def test_disturbed_pairs_are_dropped_whatever_their_value() -> None:
    machine = Simulation(7, clean=0.95)
    samples = run(machine)
    assert all(pair.clean for pair in samples.used_pairs(SMALL))
    assert len(samples.used_pairs(SMALL)) < len(samples.pairs[SMALL])


def test_on_a_machine_that_is_never_quiet_every_pair_counts() -> None:
    samples = run(Simulation(8, clean=0.05))
    assert samples.used_pairs(SMALL) == samples.pairs[SMALL]


def test_a_busy_machine_is_detected() -> None:
    assert run(Simulation(9, clean=0.05)).mostly_disturbed
    assert not run(Simulation(9, clean=1.0)).mostly_disturbed
    assert RatioInterval(0.1, 0.03).blurred(0.04) == RatioInterval(0.1, pytest.approx(0.05))


def test_few_processes_get_the_assumed_width() -> None:
    rng = np.random.default_rng(0)
    assert interval({0: [0.1, 0.1]}, rng) == RatioInterval(0.1, FEW_HALF_WIDTH)
    mean = geometric_mean([{0: [0.0]}, {0: [0.2], 1: [0.2]}], rng)
    assert mean.centre == pytest.approx(0.1)
    assert mean.half_width == pytest.approx(FEW_HALF_WIDTH / math.sqrt(2))


logs = st.floats(-3, 3, allow_subnormal=False)
groupings = st.lists(st.lists(logs, min_size=1, max_size=5), min_size=1, max_size=8).map(
    lambda g: dict(enumerate(g))
)


@given(groupings, st.floats(-2, 2))
def test_interval_moves_with_the_data(groups: dict[int, list[float]], shift: float) -> None:
    """Adding a constant to every log-ratio shifts the centre and keeps the width; negation mirrors the interval."""
    here = interval(groups, np.random.default_rng(1))
    there = interval({p: [y + shift for y in ys] for p, ys in groups.items()}, np.random.default_rng(1))
    assert there.centre == pytest.approx(here.centre + shift, abs=1e-9)
    assert there.half_width == pytest.approx(here.half_width, abs=1e-9)
    mirrored = interval({p: [-y for y in ys] for p, ys in groups.items()}, np.random.default_rng(1))
    assert mirrored.centre == pytest.approx(-here.centre, abs=1e-9)


@given(groupings)
def test_centre_is_the_median_of_all_pairs(groups: dict[int, list[float]]) -> None:
    every = [y for ys in groups.values() for y in ys]
    assert interval(groups, np.random.default_rng(1)).centre == pytest.approx(
        float(np.median(every)), abs=1e-12
    )


@given(st.lists(groupings, min_size=1, max_size=4))
def test_mean_is_the_mean_of_the_medians(suite: list[dict[int, list[float]]]) -> None:
    mean = geometric_mean(suite, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    assert mean.centre == pytest.approx(
        float(np.mean([interval(groups, rng).centre for groups in suite])), abs=1e-9
    )
    assert mean.low <= mean.ratio <= mean.high


@pytest.mark.parametrize(("ratio", "few"), [(0.1, True), (0.45, True), (0.9, False), (1.2, False)])
def test_a_hopelessly_slow_kernel_is_measured_in_fewer_processes(ratio: float, few: bool) -> None:
    samples = run(Simulation(4, ratio=ratio, noise=0.02), budget_s=60.0, shapes=(SMALL,))
    processes = {pair.process for pair in samples.pairs[SMALL]}
    assert (len(processes) < samples.plan.min_processes) == few
    measured = samples.interval(SMALL, np.random.default_rng(1))
    assert measured.low <= ratio <= measured.high
    assert measured.half_width <= 0.05
