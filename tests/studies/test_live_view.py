"""The study of an open page: its arithmetic on known ratios, the journal that grows, and the committed record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.report import screenshots
from harness.roundtable.runlog import journal
from harness.studies import live_view
from harness.studies.live_view import AGAIN, CLOSED, CONDITIONS, OPEN, UNGUARDED, GrowingRun
from tests.conftest import ROOT
from tests.report.stories import accepted, write_run


def ratios(open_change: float, rounds: int = 200) -> dict[str, list[float]]:
    rng = np.random.default_rng(5)
    drift = rng.normal(0, 0.05, rounds)
    changes = {CLOSED: 0.0, AGAIN: 0.0, OPEN: open_change, UNGUARDED: -0.03}
    return {
        name: list(np.exp(0.05 + drift + change + rng.normal(0, 0.004, rounds)))
        for name, change in changes.items()
    }


def test_a_change_is_found_below_a_drift_that_all_conditions_share() -> None:
    found = live_view.summary(ratios(open_change=0.0))
    assert found[OPEN]["low"] < 0 < found[OPEN]["high"]
    assert found[AGAIN]["low"] < 0 < found[AGAIN]["high"]
    assert found[UNGUARDED]["high"] < 0
    assert found[UNGUARDED]["change_percent"] == pytest.approx(-3.0, abs=0.2)
    assert live_view.summary(ratios(open_change=-0.01))[OPEN]["high"] < 0


def test_the_journal_grows_by_whole_events_and_begins_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "results", [accepted(1.0)] * 3)
    growing = GrowingRun(run, tmp_path)
    sizes = []
    for _ in range(30):
        growing.grow()
        sizes.append(len(journal.read(growing.folder).messages))
    steps = set(np.diff(sizes))
    assert 1 in steps
    assert min(steps) < 0, "it begins again after the end"
    assert steps <= {0, 1, min(steps)}


def test_without_a_run_or_a_browser_one_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert live_view.main(["--results", str(tmp_path)]) == 2
    assert "start one with: pytest --generate 4" in capsys.readouterr().err
    write_run(tmp_path / "local", [accepted(1.0)])
    monkeypatch.setattr(screenshots, "PROGRAMS", ("no-such-browser",))
    assert live_view.main(["--results", str(tmp_path)]) == 2
    assert "apt install chromium" in capsys.readouterr().err
    assert shutil.which("no-such-browser") is None


def test_the_record_under_results_is_the_table_beside_it() -> None:
    record = json.loads((ROOT / "results" / "live-view.json").read_text())
    assert (ROOT / "results" / "live-view.md").read_text() == live_view.table(record)
    assert set(record["ratios"]) == set(CONDITIONS)
    assert {len(found) for found in record["ratios"].values()} == {record["rounds"]}
