"""The arithmetic of the clock evidence, on data whose coverage and spread are known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from harness.clock import yardsticks
from harness.judge.worker.calls import Abi, Program
from harness.studies import clock_evidence
from harness.studies.clock_evidence import Estimate
from tests.conftest import ROOT


def runs(count: int, spread: float, half: float, seed: int = 1) -> list[Estimate]:
    """`count` runs whose log-ratio is normal around log 0.9, each with the same half-width."""
    centres = np.random.default_rng(seed).normal(math.log(0.9), spread, count)
    return [Estimate(math.exp(c), math.exp(c - half), math.exp(c + half)) for c in centres]


def test_right_intervals_cover_about_95_percent() -> None:
    assert 0.92 < clock_evidence.coverage(runs(400, 0.02, 1.96 * 0.02)) < 0.98


def test_intervals_that_are_too_narrow_are_detected() -> None:
    assert clock_evidence.coverage(runs(400, 0.02, 0.01)) < 0.5


def test_summary_finds_the_spread() -> None:
    found = clock_evidence.summary(runs(2000, 0.02, 0.05))
    assert found["median_ratio"] == pytest.approx(0.9, rel=0.01)
    assert found["spread_percent"] == pytest.approx(2.0, rel=0.1)
    assert found["median_half_width_percent"] == pytest.approx(5.0)


@pytest.mark.parametrize("way", ["min", "median", "slope"])
def test_the_other_ways_find_the_ratio_of_quiet_timings(way: str) -> None:
    rng = np.random.default_rng(2)
    ours, theirs = 100.0 + rng.random(40), 80.0 + rng.random(40)
    if way == "slope":
        found = clock_evidence.criterion_way(ours, theirs, rng)
    else:
        found = clock_evidence.benchmark_way(ours, theirs, getattr(np, way))
    assert found.ratio == pytest.approx(0.8, rel=0.02)
    assert found.low <= found.ratio <= found.high


def test_the_record_under_results_is_the_table_beside_it() -> None:
    """The committed files were written by this script from its own numbers."""
    folder = ROOT / "results"
    record = json.loads((folder / "clock-evidence.json").read_text())
    assert (folder / "clock-evidence.md").read_text() == clock_evidence.table(record)
    assert record["repeats"] >= 30
    for methods in record["conditions"].values():
        assert methods["A/A control"]["runs"] == record["repeats"]


@pytest.mark.parametrize("name", yardsticks.NAMES)
def test_every_yardstick_is_locked(name: str) -> None:
    assert yardsticks.locked_version(name)[0].isdigit()


def test_only_yardsticks_built_by_the_harness_are_trusted(tmp_path: Path) -> None:
    def program(path: str) -> Program:
        return Program(tmp_path / path, "harness_matmul", Abi.KERNEL)

    assert yardsticks.is_trusted(program("tools/yardstick-gemm-0123/library.so"), tmp_path)
    for path in (
        "kernels/yardstick-x/library.so",
        "tools/externs-0123/library.so",
        "../tools/yardstick-x/library.so",
    ):
        assert not yardsticks.is_trusted(program(path), tmp_path)
    assert not yardsticks.is_trusted(program("tools/../kernels/yardstick-x/library.so"), tmp_path)
    assert not yardsticks.is_trusted(Program(None, "", Abi.NULL), tmp_path)
