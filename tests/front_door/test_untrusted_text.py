"""Untrusted text from candidate.toml and folder names on its way to terminals and CI pages."""

from __future__ import annotations

from typing import Any

import pytest

from harness import saved_timings
from harness.report import github, table
from harness.report.gate_report import ManifestFacts, VerdictReport
from tests.report.test_report import verdict_report

RAW = "\x1b[2J\u202eAccepted\x07\n| x |"


def hostile_report(manifest: dict[str, Any]) -> VerdictReport:
    """An accepted candidate whose folder name and manifest hold control characters."""
    return verdict_report(RAW, 1.0, ManifestFacts(**manifest), reason=RAW)


@pytest.mark.parametrize(
    "manifest",
    [
        {"title": RAW, "parent": RAW},
        {"proposal": {"algorithm": RAW}, "parent": RAW},
        {"proposal": {"schedule": {"family": RAW, "isa": RAW, "mr": RAW, "nr": RAW, "kc": RAW}}},
    ],
)
def test_tables_print_no_control_characters(manifest: dict[str, Any]) -> None:
    lines = table.results_table([hostile_report(manifest)], 300)
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 3


@pytest.mark.parametrize(
    "proposal", [{"schedule": 5}, {"schedule": ["a"]}, {"algorithm": 7}, {"schedule": "x"}]
)
def test_a_malformed_proposal_does_not_break_the_table(proposal: dict[str, Any]) -> None:
    assert len(table.results_table([verdict_report("a", 1.0, ManifestFacts(proposal=proposal))], 300)) == 3


def test_the_job_summary_stays_well_formed() -> None:
    summary = github.job_summary([hostile_report({"title": RAW})], "here")
    assert "\x1b" not in summary
    title, blank, head, rule, row, last, control = summary.splitlines()
    assert (blank, last) == ("", "")
    assert head.count("|") == rule.count("|") == row.count("|") == 7
    assert title.startswith("### ")
    assert control.startswith("BLAS timed against itself: ")


def test_a_claims_machine_is_shown_without_control_characters() -> None:
    now = saved_timings.Ratio(1.0, 0.9, 1.1, "here", "t", "b", "s", "1")
    then = saved_timings.Ratio(1.0, 0.9, 1.1, RAW, "t", "b", "s", "1")
    found = saved_timings.compare(now, then)
    assert found.kind is saved_timings.Comparable.NOT_COMPARABLE
    assert found.why.isprintable()
