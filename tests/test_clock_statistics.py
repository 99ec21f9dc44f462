"""The clock's arithmetic on simulated machines: coverage of the intervals, early stopping, slow kernels, A/A alarms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock.pairs import Plan, Samples, Side, Turn, race
from harness.clock.statistics import FEW_HALF_WIDTH, Interval, geometric_mean, interval
from harness.shapes import Shape
from harness.verdict import At, Gate, Timeout

SMALL, LARGE = Shape(64, 64, 64), Shape(512, 512, 512)


@dataclass
class Simulation:
    """A machine with drift, luck per process, noise per turn and spikes; `ratio` is the truth to be found."""

    seed: int
    ratio: float = 1.0
    luck: float = 0.01
    noise: float = 0.01
    spikes: float = 0.05
    gflops: float = 50.0
    clean: float = 1.0
    now_s: float = 0.0
    turns: list[tuple[int, Side, Shape]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    @contextmanager
    def duel(self, process: int) -> Iterator[_SimulatedDuel]:
        yield _SimulatedDuel(self, process, {side: self.rng.normal(0, self.luck) for side in Side})


@dataclass
class _SimulatedDuel:
    machine: Simulation
    process: int
    luck: dict[Side, float]

    def turn(self, side: Side, shape: Shape) -> Turn:
        machine = self.machine
        machine.turns.append((self.process, side, shape))
        spike = machine.rng.exponential(0.3) if machine.rng.random() < machine.spikes else 0.0
        drift = 0.2 * math.sin(machine.now_s / 3)
        log_time = self.luck[side] + machine.rng.normal(0, machine.noise) + spike + drift
        true_ns = shape.flops / machine.gflops / (machine.ratio if side is Side.CANDIDATE else 1.0)
        time_ns = true_ns * math.exp(log_time)
        machine.now_s += max(3 * time_ns / 1e9, 0.005)
        return Turn(time_ns, machine.rng.random() < machine.clean)


def run(machine: Simulation, **changes: object) -> Samples:
    plan = Plan(**({"shapes": (SMALL, LARGE), "budget_s": 2.0} | changes))  # type: ignore[arg-type]
    outcome = race(plan, machine.duel, lambda: machine.now_s, seed=machine.seed)
    assert isinstance(outcome, Samples)
    return outcome


@pytest.mark.parametrize(
    ("luck", "noise", "spikes"),
    [(0.01, 0.01, 0.0), (0.002, 0.02, 0.1), (0.0, 0.02, 0.2), (0.02, 0.01, 0.05)],
)
def test_interval_covers_the_truth(luck: float, noise: float, spikes: float) -> None:
    """At least 93 % of the 95 % intervals hold the truth, early stopping, drift and spikes included."""
    trials, hits, mean_hits = 300, 0, 0
    for seed in range(trials):
        machine = Simulation(seed, ratio=1.07, luck=luck, noise=noise, spikes=spikes)
        samples, rng = run(machine), np.random.default_rng(seed)
        found, mean = samples.interval(SMALL, rng), samples.mean(rng)
        hits += found.low <= 1.07 <= found.high
        mean_hits += mean.low <= 1.07 <= mean.high
    assert hits / trials >= 0.93, f"one shape: {hits} of {trials}"
    assert mean_hits / trials >= 0.93, f"geometric mean: {mean_hits} of {trials}"
