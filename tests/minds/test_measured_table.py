"""The measured table: what is written is read back, repeats give the noise, bad files are one line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.minds.measured_table import is_environment, read_table
from tests.minds.table_support import MACHINE, ratio_of, write_table


def test_a_table_is_read_back_with_one_row_for_each_schedule(tmp_path: Path) -> None:
    table = read_table(write_table(tmp_path / "t.jsonl", 20))
    rows = table.rows()
    assert len(rows) == 20
    assert len(table.readings) == 22
    assert all(row.schedule.key() == row.key for row in rows)
    assert {row.machine for row in rows} == {MACHINE.fingerprint}
    assert rows[5].ratio("default") == pytest.approx(ratio_of(rows[5].schedule), abs=1e-3)
    assert rows[5].ratio("skinny") == pytest.approx(1.1 * ratio_of(rows[5].schedule), abs=1e-3)
    assert rows[0].ratio("default") == pytest.approx(ratio_of(rows[0].schedule) * math.sqrt(1.02), abs=1e-3)
    assert table.paths == {"a path": "passed"}
    halves = [is_environment(row.key) for row in rows]
    assert 3 < sum(halves) < 17


def test_the_noise_follows_from_repeats(tmp_path: Path) -> None:
    table = read_table(write_table(tmp_path / "t.jsonl", 4))
    # Two pairs that differ by 2 %: the standard deviation of one reading is ln 1.02 / sqrt 2.
    assert table.noise("default") == pytest.approx(math.log(1.02) / math.sqrt(2), rel=0.02)
    (tmp_path / "once.jsonl").write_text(
        "".join(f"{line}\n" for line in (tmp_path / "t.jsonl").read_text().splitlines()[:3])
    )
    assert read_table(tmp_path / "once.jsonl").noise("default") is None


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.jsonl", 5)
    path.write_bytes(path.read_bytes()[:-40])
    assert len(read_table(path).rows()) == 4


@pytest.mark.parametrize(
    "line", ['{"what": "reading", "session": 9}', '{"what": "guess"}', '{"a": 1}', '{"what": "session"}']
)
def test_a_file_of_another_kind_is_one_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(UserError, match="not a table of this version") as error:
        read_table(path)
    assert "\n" not in str(error.value)


def test_without_a_table_the_command_that_makes_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"schedule_table"):
        read_table(tmp_path / "none.jsonl")
