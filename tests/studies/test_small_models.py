"""The study of small models' proposals: its rows, its page, its reaction to bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.minds.catalogue import HISTOGRAMS
from harness.settings import AnswerProtocol
from harness.studies.small_models import ProposalRow, main, page, propose, table
from tests.conftest import ROOT
from tests.minds import tiny_gguf
from tests.roundtable.support import AVX2


def test_a_mind_that_computes_has_no_seconds() -> None:
    row = propose(HISTOGRAMS, AnswerProtocol.AUTO, 3, 1, AVX2, print)
    assert (row.protocol, row.asked, row.valid, row.distinct) == ("computes", 3, 3, 3)
    assert row.first_s is None
    assert "| -" in table([row])


@pytest.mark.parametrize(
    ("protocol", "valid"), [("letters", 4), pytest.param("full", None, marks=pytest.mark.slow)]
)
def test_a_model_is_counted_by_its_own_answers(tmp_path: Path, protocol: str, valid: int | None) -> None:
    pytest.importorskip("gguf")
    pytest.importorskip("llama_cpp")
    model = tiny_gguf.write(tmp_path / "spelling.gguf", letters=True)
    row = propose(str(model), AnswerProtocol(protocol), 4, 1, AVX2, print)
    assert row.valid == row.distinct == valid if valid else row.valid <= 4
    assert row.distinct <= row.valid
    assert row.first_s is not None
    assert row.later_s is not None
    assert row.prompt_tokens is not None


def test_a_missing_model_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", str(tmp_path / "none.gguf"), "--results", str(tmp_path)]) == 2
    told = capsys.readouterr().out
    assert told.startswith("error: ")
    assert told.count("\n") == 1


def test_the_committed_page_matches_its_record() -> None:
    results = ROOT / "results"
    record = json.loads((results / "small-models.json").read_text())
    rows = [ProposalRow(**row) for row in record["rows"]]
    assert (results / "small-models.md").read_text() == page(rows, record["facts"])
