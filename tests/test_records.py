"""Records and saved timings: durable, readable, compared by intervals."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.durable import append_line, read_lines, write_whole
from harness.errors import UserError
from harness.records import Circumstances, replay_command
from harness.saved_timings import Comparable, Ratio, Reach, SavedSessions, compare, reach
from harness.shapes import Shape
from harness.verdict import At, Counterexample, Crash, Gate, Score, Wrong

RATIO = Ratio(1.0, 0.99, 1.01, "m", "rustc 1.95", "OpenBLAS", "default", "1")


def test_a_torn_line_loses_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "records.jsonl"
    append_line(path, {"n": 1})
    with path.open("a") as file:
        file.write('{"n": 2, "torn')
    append_line(path, {"n": 3})
    assert [entry["n"] for entry in read_lines(path)] == [1, 3]


def test_an_unwritable_record_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        append_line(tmp_path / "file" / "records.jsonl", {})
    with pytest.raises(UserError, match="cannot be written"):
        write_whole(tmp_path / "file" / "x.json", "{}")


def test_replay_commands_repeat_the_case_or_the_seed() -> None:
    wrong = Wrong(Counterexample("exact", "first wrong"), At(Gate.SHAPES, Shape(3, 2, 1), 17))
    around = Circumstances("1", "componentwise", True, "candidates/x", case="3x2x1:17:exact")
    assert replay_command(around, wrong) == "pytest candidates/x --case 3x2x1:17:exact"
    plain = replace(around, case=None)
    assert (
        replay_command(plain, Crash(11, At(Gate.CLOCK, Shape(64, 64, 64), 5)))
        == "pytest candidates/x --seed 5"
    )
    assert replay_command(plain, Crash(11, At(Gate.COMPILE))) == "pytest candidates/x"


@pytest.mark.parametrize(
    ("now", "kind", "beyond_five"),
    [
        (1.0, Comparable.AGREES, False),
        (0.98, Comparable.AGREES, False),
        (0.5, Comparable.SLOWER, True),
        (0.93, Comparable.SLOWER, False),
        (2.0, Comparable.FASTER, False),
    ],
)
def test_comparisons_are_decided_by_intervals(now: float, kind: Comparable, beyond_five: bool) -> None:
    found = compare(replace(RATIO, ratio=now, low=now * 0.99, high=now * 1.01), RATIO)
    assert found.kind is kind
    assert found.regressed_by_more_than(5) is beyond_five


def test_another_machine_or_toolchain_cannot_be_compared_and_never_regresses() -> None:
    for field in ("machine", "toolchain", "baseline", "suite", "threads"):
        found = compare(replace(RATIO, ratio=0.1, low=0.1, high=0.1, **{field: "other"}), RATIO)
        assert found.kind is Comparable.NOT_COMPARABLE
        assert field in found.why
        assert not found.regressed_by_more_than(1)


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(0.8, 0.89, Reach.BELOW), (0.8, 0.9, Reach.UNDECIDED), (0.9, 1.1, Reach.REACHED)],
)
def test_a_required_ratio_is_compared_with_the_interval(low: float, high: float, found: Reach) -> None:
    assert reach(Score(0.85, low, high, (), 1, "", 1.0, 1.0), 0.9) is found


@given(st.floats(0.01, 100), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_wide_interval_never_fails_what_a_narrow_one_passes(
    ratio: float, narrow: float, more: float
) -> None:
    def at(width: float) -> Ratio:
        return replace(RATIO, ratio=ratio, low=ratio * math.exp(-width), high=ratio * math.exp(width))

    if compare(at(narrow + more), RATIO).regressed_by_more_than(5):
        assert compare(at(narrow), RATIO).regressed_by_more_than(5)


def test_saved_sessions_are_read_back_unchanged(tmp_path: Path) -> None:
    saves = SavedSessions(tmp_path / "saved")
    saves.save("first", {"run3": RATIO})
    saves.save("second", {"run3": replace(RATIO, ratio=2.0, high=2.1)})
    (tmp_path / "saved" / "first.json").touch()
    assert saves.load("first") == {"run3": RATIO}
    assert saves.load("second")["run3"].ratio == 2.0


def saved(**changes: object) -> str:
    """The text of a saved session in which one field is invalid."""
    return json.dumps({"format": 1, "timings": {"a": asdict(RATIO) | changes}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 1, "timings": {"a": {"x": 1}}}',
        "\x00",
        saved(ratio="1.0"),
        saved(low=None),
        saved(low=0),
        saved(low=1.2),
        saved(high=float("inf")),
        saved(ratio=float("nan")),
    ],
)
def test_a_corrupt_save_is_reported_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(UserError, match=r"bad\.json: not a saved session"):
        SavedSessions(tmp_path).load("bad")


def test_saves_of_another_version_missing_saves_and_invalid_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(json.dumps({"format": 99, "timings": {}}))
    with pytest.raises(UserError, match="another version"):
        SavedSessions(tmp_path).load("old")
    with pytest.raises(UserError, match="no such save; saved: old"):
        SavedSessions(tmp_path).load("older")
    for name in ("../evil", "", "latest", "a/b"):
        with pytest.raises(UserError, match="cannot name a save"):
            SavedSessions(tmp_path).save(name, {})
