"""From decided schedules to samples: selection, validation, shuffling, and where they come from."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.learning import decided
from harness.learning.decided import AskedByLetters, Decided, Evidence
from harness.learning.samples import (
    MOST_PER_NICHE,
    groups_of,
    is_for_validation,
    samples_of,
    shuffled,
)
from harness.memory.kernels import open_memory
from harness.minds.knob_question import LETTERS
from harness.minds.measured_table import read_table
from harness.minds.tuner import BuiltinTuner
from harness.roundtable.schedule_adapter import ScheduleAdapter
from tests.minds.table_support import MACHINE, write_table
from tests.roundtable.support import AVX2, Scene, builtin, by_schedule


def evidence_of(path: Path, count: int = 60, suites: tuple[str, ...] = ("default",)) -> Evidence:
    table = read_table(write_table(path / "t.jsonl", count))
    evidence = Evidence()
    decided.from_table(table, suites, table.rows(), evidence)
    return evidence


def test_only_the_faster_half_is_learned_and_few_of_each_niche(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, 200)
    (group,) = groups_of(evidence.newest())
    median = sorted(one.ratio_low for one in group.every)[len(group.every) // 2]
    assert all(one.ratio_low >= median for one in group.good)
    niches = Counter((one.schedule.tile, one.schedule.pack_a, one.schedule.pack_b) for one in group.good)
    assert max(niches.values()) <= MOST_PER_NICHE
    assert len(group.good) < len(group.every) / 2


def test_a_sample_says_the_schedule_and_its_ratio_in_the_letters_of_its_own_table(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path)
    samples = samples_of(evidence, 6, 1)
    ratios = {one.key: one.ratio for one in evidence.newest()}
    assert len(samples.training) == 6
    assert len({question.user for question in samples.training}) == 6
    for question in samples.training:
        assert "Products: 64x64x64, 256x256x256." in question.user
        assert question.knobs is not None
        for answer in question.answers:
            schedule = question.knobs.schedule(answer.picks)
            assert schedule is not None
            assert schedule.key() == answer.key
            assert answer.lead == f"{ratios[answer.key]:.3f} |"
            tile = question.knobs.knobs[0]
            assert f"{LETTERS[answer.picks[0]]}={tile.choices[answer.picks[0]]}" in question.user


def test_keys_of_validation_are_never_learned_nor_shown(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, 200)
    samples = samples_of(evidence, 8, 1)
    assert samples.validation
    assert not any(is_for_validation(key) for key in samples.keys)
    assert all(is_for_validation(a.key) for question in samples.validation for a in question.answers)
    assert samples_of(evidence, 8, 1).digest == samples.digest
    assert samples_of(evidence, 8, 2).digest != samples.digest


def test_the_control_has_the_same_schedules_and_ratios_in_other_pairs(tmp_path: Path) -> None:
    original = evidence_of(tmp_path).newest()
    control = shuffled(original, 1)
    assert {one.key for one in control} == {one.key for one in original}
    assert sorted(one.ratio for one in control) == sorted(one.ratio for one in original)
    same = {one.key: one.ratio for one in original}
    assert sum(one.ratio == same[one.key] for one in control) < len(control) / 2


def test_too_few_kernels_are_one_line_with_the_way_to_more(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"not enough to learn from: 5 accepted.*--generate 20.*schedule_table"
    ):
        samples_of(evidence_of(tmp_path, 5), 4, 1)
    with pytest.raises(UserError, match="not enough to learn from: 0 accepted"):
        samples_of(Evidence(), 4, 1)


def test_schedules_outside_of_the_lane_and_fast_schemes_are_left_out(tmp_path: Path) -> None:
    found = evidence_of(tmp_path, 20).newest()
    odd = replace(found[0], schedule=found[0].schedule.model_copy(update={"kc": 300}))
    (group,) = groups_of([odd, *found[1:]])
    assert len(group.every) == 19


def test_accepted_kernels_of_a_run_are_found_in_its_journal(tmp_path: Path) -> None:
    with open_memory(str(tmp_path / "memory")) as memory:
        scene = Scene(tmp_path, memory)
        scene.run(by_schedule, generate=3, minds=builtin(1))
    evidence = Evidence()
    decided.from_runs(tmp_path / "results", {}, evidence)
    assert not evidence.decided
    assert evidence.notes == ["r1: its machine is in no record"]
    decided.from_runs(tmp_path / "results", {AVX2.fingerprint: AVX2}, evidence)
    assert len(evidence.decided) == 3
    assert all(one.source == "run" and one.ratio > 0.5 and one.threads == 1 for one in evidence.decided)


def test_a_run_of_sgemm_is_left_out_with_a_note(tmp_path: Path) -> None:
    """Its schedules are of other families, and its ratios of other products."""
    with open_memory(str(tmp_path / "memory")) as memory:
        scene = Scene(tmp_path, memory)
        scene.run(by_schedule, generate=3, minds=builtin(1))
    path = tmp_path / "results" / "r1" / "journal.jsonl"
    text = path.read_text(encoding="utf-8")
    assert '"operation": "matmul"' in text
    path.write_text(text.replace('"operation": "matmul"', '"operation": "sgemm"'), encoding="utf-8")
    evidence = Evidence()
    decided.from_runs(tmp_path / "results", {AVX2.fingerprint: AVX2}, evidence)
    assert not evidence.decided
    assert evidence.notes == ["r1: a run of sgemm is left out"]


def test_a_question_of_a_run_becomes_a_sample_with_the_ratio_that_was_reached() -> None:
    lane = ScheduleAdapter(AVX2, 1).lanes()[0]
    (tuned,) = BuiltinTuner([lane], 1).shortlist([], 1, 0, 1)
    assert tuned.schedule
    asked = AskedByLetters(
        "Tune.",
        "Machine.\n\nKnobs:\ntile: A=6x16 B=4x24\nkc: A=128 B=256 C=512\n\nSpeed",
        "B C",
        "1" * 16,
        1.07,
    )
    evidence = Evidence(
        decided=table_of_twenty(), asked=[asked, replace(asked, answer="C C"), replace(asked, answer="no")]
    )
    (question,) = [one for one in samples_of(evidence, 2, 1).training if one.knobs is None]
    assert question.choices == (2, 3)
    (answer,) = question.answers
    assert (answer.picks, answer.lead) == ((1, 2), "1.070 |")


def table_of_twenty() -> list[Decided]:
    lane = ScheduleAdapter(MACHINE, 1).lanes()[0]
    kc = next(knob for knob in lane.knobs if knob.name == "kc")
    nc = next(knob for knob in lane.knobs if knob.name == "nc")
    schedules = {
        one.key(): one for c in kc.choices for n in nc.choices for one in [lane.build({"kc": c, "nc": n})]
    }
    return [
        Decided(one, 1.0 + number / 100, 0.99, MACHINE, 1, ((64, 64, 64),), "table")  # type: ignore[arg-type]
        for number, one in enumerate(list(schedules.values())[:20])
    ]
