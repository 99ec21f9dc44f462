"""The maker of the measured table: its choice of schedules, its summary, bad input; the timing is a measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.minds.measured_table import Reading, read_table
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.model import Schedule
from harness.studies.schedule_table import SUITES, Sampler, code_paths, main, summary
from tests.conftest import ROOT
from tests.minds.table_support import ratio_of, write_table
from tests.roundtable.support import AVX2

LANES = ScheduleAdapter(AVX2, 1).lanes()
COUNT = sum(map(len, SUITES.values()))


def read(schedule: Schedule, origin: str) -> Reading:
    return Reading(1, schedule.key(), schedule, (ratio_of(schedule),) * COUNT, "accepted", origin)


def sampled(count: int, seed: int = 1) -> list[Reading]:
    sampler, readings = Sampler(LANES, seed), list[Reading]()
    while len(readings) < count:
        readings.append(read(*sampler.next(readings, [])))
    return readings


def test_half_is_random_half_near_a_fast_one_and_every_tenth_is_read_again() -> None:
    readings = sampled(200)
    origins = [one.origin for one in readings]
    assert origins.count("again") == 20
    assert 70 <= origins.count("near") <= 100
    first = {one.key for one in readings if one.origin != "again"}
    assert len(first) == 180
    assert {one.key for one in readings if one.origin == "again"} <= first
    intrinsics = sum(one.schedule.family == "packed_intrinsics" for one in readings)
    assert 0.6 < intrinsics / 200 < 0.9

    def mean(origin: str) -> float:
        found = [ratio_of(one.schedule) for one in readings[60:] if one.origin == origin]
        return sum(found) / len(found)

    assert mean("near") > mean("random") + 0.1


def test_the_choice_goes_on_after_an_interruption_as_if_there_had_been_none() -> None:
    whole = sampled(60)
    resumed = Sampler(LANES, 1).next(whole[:40], [])
    assert resumed[0].key() == whole[40].key
    assert [one.key for one in sampled(30, seed=2)] != [one.key for one in sampled(30)]


def test_schedules_of_one_code_path_differ_in_sizes_only() -> None:
    base = LANES[0].base
    deeper = base.model_copy(update={"kc": 1024, "unroll": 1})
    wider = LANES[0].build({"tile": "4x24"})
    assert code_paths(base) == code_paths(deeper)
    assert code_paths(base) != code_paths(wider)


def test_the_summary_has_the_noise_of_every_suite(tmp_path: Path) -> None:
    lines = summary(read_table(write_table(tmp_path / "t.jsonl", 12)))
    assert lines[0].startswith("12 schedules, 14 readings, 1 code paths, 1 machine")
    assert any(line.startswith("default: best") and "1.4 %" in line for line in lines)


@pytest.mark.parametrize("arguments", [["--rows", "0"], ["--block", "0"], ["--minutes", "0"]])
def test_bad_numbers_of_the_table_are_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().out == "error: --rows and --block take 1 or more, --minutes more than 0\n"


def test_the_committed_table_can_be_read_and_all_its_code_paths_passed() -> None:
    path = ROOT / "results" / "schedule-table.jsonl"
    table = read_table(path)
    assert set(table.paths.values()) == {"passed"}
    covered = set(table.paths)
    assert all(set(code_paths(row.schedule)) <= covered for row in table.rows())
    assert path.stat().st_size < 2 << 20
