"""The comparison of minds: its table, its baselines, its reaction to bad input."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.memory.kernels import open_memory
from harness.minds.protocol import Minds, Trial
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.model import Schedule
from harness.studies.compare_minds import AnalyticalTuner, ArmResult, RandomTuner, _row, main, page, table
from tests.conftest import ROOT
from tests.roundtable.support import AVX2, Scene, by_schedule, does_not_compile

LANE = ScheduleAdapter(AVX2, 1).lanes()[0]


def test_a_row_counts_what_was_judged_accepted_and_best(tmp_path: Path) -> None:
    with open_memory(str(tmp_path / "memory")) as memory:
        scene = Scene(tmp_path, memory)
        good = scene.run(generate=2, minds=Minds(RandomTuner(LANE, 1)))
        bad = scene.run(lambda c: does_not_compile(), run_id="r2", generate=1)
    row = _row("random", [good, bad])
    assert (row.judged, row.accepted) == (3, 2)
    assert row.best == max(row.ratios)
    assert row.best_low is not None
    assert row.best_low < row.best
    assert "random" in table([row])
    assert f"{row.best:.3f}" in page({"live": {"facts": {"machine": "x"}, "rows": [asdict(row)]}})


def test_a_mind_without_an_accepted_kernel_has_no_ratio() -> None:
    row = ArmResult("hapless", 2, 0, None, None, None, None, 1, 10, 0.1, ())
    assert "none" in table([row])


def test_random_points_differ_and_the_analytical_model_has_one(tmp_path: Path) -> None:
    tuner, trials = RandomTuner(LANE, 3), list[Trial]()
    for number in range(10):
        (tuned,) = tuner.shortlist(trials, number + 1, 0, 4)
        trials.append(Trial(str(number), tuned.schedule, None))
    assert len({Schedule.model_validate(t.schedule).key() for t in trials}) == 10
    with open_memory(str(tmp_path / "memory")) as memory:
        result = Scene(tmp_path, memory).run(by_schedule, generate=3, minds=Minds(AnalyticalTuner(LANE)))
    assert len(result.verdicts) == 1


@pytest.mark.parametrize("judged", ["0", "3"])
def test_an_odd_count_is_reported_in_one_line(judged: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--judged", judged]) == 2
    assert "an even number" in capsys.readouterr().out


def test_the_committed_comparison_matches_its_record() -> None:
    results = ROOT / "results"
    record = json.loads((results / "minds.json").read_text())
    assert (results / "minds.md").read_text() == page(record)
