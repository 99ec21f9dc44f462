"""The arithmetic, the page and the picture of the search curves; the runs themselves are a measurement."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.studies.curves_picture import picture
from harness.studies.search_curves import SearchRun, curves, load, main, page
from tests.conftest import ROOT

SLOW = SearchRun("random", 1, (0.1, 0.2, 0.3, 0.4), (0.5, None, 0.9, 0.8))
FAST = SearchRun("tuner", 1, (0.3, 0.5), (None, 1.0))


def test_the_best_so_far_never_falls_and_ignores_rejections() -> None:
    assert SLOW.best_so_far == [0.5, 0.5, 0.9, 0.9]
    assert FAST.best_so_far == [0.0, 1.0]
    assert SLOW.verdicts_to(0.9) == 3
    assert SLOW.verdicts_to(0.95) is None


def test_the_page_counts_verdicts_to_98_percent_of_the_best_of_all_runs() -> None:
    rows = [[cell.strip() for cell in line.split("|")] for line in page([SLOW, FAST], {}).splitlines()]
    found = {row[1]: row for row in rows if len(row) > 9}
    assert found["random"][8] == "more than 4 (0 of 1 runs)"
    assert found["tuner"][8] == "2 (1 of 1 runs)"
    assert found["random"][4:6] == ["0.500", "0.900"]


def test_a_curve_over_minutes_begins_with_its_first_verdict() -> None:
    random, _ = curves([SLOW, FAST])
    assert random.at(0.05) == [0.0]
    assert random.at(0.25) == [0.5]
    assert random.at(9.0) == [0.9]


def test_the_picture_is_xml_with_a_line_for_each_arm_in_both_panels() -> None:
    root = ElementTree.fromstring(picture(curves([SLOW, FAST, SearchRun("alone", 1, (0.1,), (0.9,))])))
    space = "{http://www.w3.org/2000/svg}"
    titles = [element.text for element in root.iter(f"{space}title")]
    assert titles.count("random") == titles.count("tuner") == titles.count("alone") == 2


def test_a_call_goes_on_with_the_runs_of_an_earlier_one(tmp_path: Path) -> None:
    file = tmp_path / "search-curves.json"
    assert load(file) == []
    runs = [{"arm": "tuner", "seed": 1, "minutes": [0.3, 0.5], "ratios": [None, 1.0]}]
    file.write_text(json.dumps({"facts": {}, "runs": runs}))
    assert load(file) == [FAST]
    file.write_text("[]")
    with pytest.raises(UserError, match="move it away"):
        load(file)


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--judged", "2"]])
def test_bad_numbers_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().out == "error: --seeds takes 1 or more, --judged 3 or more\n"


def test_the_committed_curves_match_their_record() -> None:
    results = ROOT / "results"
    record = json.loads((results / "search-curves.json").read_text())
    runs = load(results / "search-curves.json")
    assert (results / "search-curves.md").read_text() == page(runs, record["facts"])
    assert (results / "search-curves.svg").read_text() == picture(curves(runs))
