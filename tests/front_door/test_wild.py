"""Other people's machines at the front door: locale, limits, read-only folders, cores, CI variables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import NAIVE, add_candidate

QUICK = ("--suite", "48x48x48", "--clock-budget", "1", "--profile", "quick", "-p", "no:cacheprovider")
COMMENTED = "// Größe × 2\n" + NAIVE


def judge(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess(*QUICK, *arguments)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def ascii_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """The locale C, without the rescue of PEP 538 and PEP 540."""
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")


@pytest.mark.slow
def test_everything_is_utf_8_whatever_the_locale_says(project: pytest.Pytester, ascii_locale: None) -> None:
    add_candidate(project, "größe", COMMENTED)
    result = judge(project, "candidates", "--verdicts", "v.jsonl", "--generate", "1")
    assert result.ret == pytest.ExitCode.OK, result.stdout.str()
    assert "Error" not in result.stdout.str()
    found = {line["candidate"]: line for line in lines(project.path / "v.jsonl")}
    assert found["größe"]["verdict"] == "Accepted"
    assert found["größe"]["path"] == "candidates/größe"
    assert len(found) == 2
