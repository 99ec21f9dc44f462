"""The studies of workers: what is computed from measurements, and the reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.studies import fleet, fleet_scale
from harness.studies.fleet import GenerationCost
from harness.studies.fleet_scale import CoordinatorCost, dealer_cost_s, simulate


def test_a_fleet_is_as_fast_as_its_slowest_worker_and_its_coordinator() -> None:
    free = CoordinatorCost(0, 0.0, 0.0, 0.0, 0.0)
    alone = simulate(1, free, 0.0, [10.0])
    assert (alone.per_hour, alone.coordinator_share, alone.idle_share) == (360.0, 0.0, 0.0)
    assert simulate(10, free, 0.0, [10.0]).per_hour == pytest.approx(3600)
    # One second of the coordinator for each of ten candidates, then ten seconds of judging.
    busy = simulate(10, CoordinatorCost(0, 0.0, 0.5, 0.3, 0.1), 0.1, [10.0])
    assert busy.per_hour == pytest.approx(1800)
    assert busy.coordinator_share == pytest.approx(0.5)
    assert busy.idle_share == pytest.approx(0.5)
    waits = simulate(100, free, 0.0, [1.0, 10.0])
    assert waits.idle_share == pytest.approx(0.45, abs=0.05), "all wait for the slowest of a generation"


def test_the_scale_report_names_the_number_of_workers_that_a_coordinator_can_feed() -> None:
    cost = CoordinatorCost(100, 0.7, 0.05, 0.04, 0.008)
    dealer = {1: 0.002, 10: 0.002, 100: 0.002, 1000: 0.002}
    text = fleet_scale.report([cost], dealer, [simulate(10, cost, 0.002, [10.0])], [10.0])
    assert "| 100 | 50 | 40 | 8 | 98 |" in text
    assert "100 kernels in the memory: 100 workers; at most 36000 verdicts per hour" in text


def test_the_dealer_is_measured_with_every_candidate_judged(tmp_path: Path) -> None:
    assert 0 < dealer_cost_s(12, tmp_path) < 5


@pytest.mark.parametrize(("load", "is_told"), [(1.5, False), (200.0, True)])
def test_the_report_of_a_generation_says_when_the_machine_was_busy(load: float, is_told: bool) -> None:
    costs = [
        GenerationCost("one by one", 0, 20.0, 60.0, ("Accepted", "Accepted"), load),
        GenerationCost("local:2", 0, 10.0, 48.0, ("Accepted", "Inconclusive"), load),
    ]
    text = fleet.report(costs, "a machine", 2, "default")
    assert "Speed-up of correctness, round by round: 2.00; median 2.00." in text
    assert "Speed-up of the whole generation, round by round: 1.25; median 1.25." in text
    assert "1 Accepted, 1 Inconclusive" in text
    assert ("The machine was busy" in text) is is_told
