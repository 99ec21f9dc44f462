"""The study of fast schemes: the committed page, the crossover, and the error of a kernel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.places import ROOT
from harness.studies.fast_schemes import AgainstClassical, SchemeRow, main, report

RECORD = json.loads((ROOT / "results" / "fast-schemes.json").read_text(encoding="utf-8"))


def row(*ratios: tuple[int, float, float]) -> SchemeRow:
    """A row with (size, low, high) for each size."""
    timed = tuple(AgainstClassical(size, (low + high) / 2, low, high) for size, low, high in ratios)
    return SchemeRow("strassen", 1, 7, 8 / 7, 36, 12.0, 1.5, timed)


def test_the_committed_page_matches_its_record() -> None:
    rows = [
        SchemeRow(**one | {"ratios": tuple(AgainstClassical(**ratio) for ratio in one["ratios"])})
        for one in RECORD["rows"]
    ]
    sizes = [ratio.size for ratio in rows[0].ratios]
    page = (ROOT / "results" / "fast-schemes.md").read_text(encoding="utf-8")
    assert page == report(rows, RECORD["classical_error"], sizes, RECORD["machine"])


@pytest.mark.parametrize(
    ("ratios", "crossover"),
    [
        ([(512, 0.9, 0.95), (1024, 1.01, 1.05), (2048, 1.1, 1.2)], 1024),
        ([(512, 1.01, 1.02), (1024, 0.99, 1.05), (2048, 1.1, 1.2)], 2048),
        ([(512, 1.01, 1.02), (1024, 1.01, 1.05), (2048, 0.9, 1.2)], None),
    ],
)
def test_a_kernel_is_faster_from_the_size_from_which_no_interval_reaches_one(
    ratios: list[tuple[int, float, float]], crossover: int | None
) -> None:
    assert row(*ratios).crossover == crossover
    shown = report([row(*ratios)], 1.0, [size for size, _, _ in ratios], "a machine").splitlines()[-1]
    assert shown.endswith(f"| {crossover or '–'} |")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nosuch:1", "no scheme is called 'nosuch'"),
        ("strassen:x", "levels are 1, 2 or 3"),
        ("strassen:4", "levels are 1, 2 or 3"),
    ],
)
def test_a_scheme_that_cannot_be_rendered_is_one_line_before_anything_is_judged(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--scheme", text, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().out
    assert said.startswith("error: ")
    assert told in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())
