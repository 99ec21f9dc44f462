"""Tables, annotations and the job summary, checked as text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Outcome, Record
from harness.report import github, table
from harness.report.gate_report import GateReport, ManifestFacts, TimingReport, VerdictReport
from harness.saved_timings import Ratio
from harness.shapes import Shape
from harness.verdict import ShapeTiming


def verdict_report(
    name: str, ratio: float | None = None, manifest: ManifestFacts | None = None, **more: Any
) -> VerdictReport:
    accepted = ratio is not None
    record = Record(
        candidate=name,
        path=f"candidates/{name}",
        outcome=Outcome.ACCEPTED if accepted else Outcome.REJECTED,
        verdict="Accepted" if accepted else "Wrong",
        gate=None if accepted else "shapes",
        reason="fine" if accepted else "wrong at 3x2x1",
        shape="64x64x64",
        seed=None,
        ratio_to_blas=ratio,
        ratio_low=ratio and ratio * 0.98,
        ratio_high=ratio and ratio * 1.02,
        gflops=88.1 if accepted else None,
        time_ms=0.0123 if accepted else None,
        threads="1",
        tier="safe",
        numerics="componentwise",
        replay=f"pytest candidates/{name}",
        sandboxed=True,
    )
    schedule = {"family": "packed_intrinsics", "isa": "avx512", "mr": 14, "nr": 32, "kc": 384}
    shape = ShapeTiming(
        shape=Shape(64, 64, 64),
        time_ns=4000.0,
        baseline_time_ns=4400.0,
        min_time_ns=3600.0,
        min_baseline_time_ns=4320.0,
        ratio=1.1,
        ratio_low=1.05,
        ratio_high=1.15,
        gflops=131.1,
        percent_of_peak=71.0,
        pairs=40,
        error=3.14e-7,
    )
    timing = TimingReport(
        per_shape=(shape,),
        baseline="OpenBLAS",
        control_low=0.99,
        control_high=1.01,
        ratio=Ratio(ratio or 1.0, 0.9, 1.1, "here", "rustc", "OpenBLAS", "default", "1"),
        remarks=("a: claimed 1.1",),
    )
    return VerdictReport(
        record=replace(record, **more),
        manifest=manifest or ManifestFacts(parent="run3", proposal={"schedule": schedule}),
        timing=timing if accepted else None,
    )


@pytest.mark.parametrize(
    "verdict",
    [None, verdict_report("bad"), verdict_report("good", 1.2), verdict_report("x", 1.0, ManifestFacts())],
)
def test_a_gate_report_survives_the_trip_between_processes(verdict: VerdictReport | None) -> None:
    report = GateReport("k", "candidates/k/kernel.rs", "clock", generated=True, verdict=verdict)
    assert GateReport.from_plain(json.loads(json.dumps(report.to_plain()))) == report


def test_junit_shows_the_gate_and_the_known_parts_of_the_verdict() -> None:
    pending = GateReport("k", "n", "shapes", generated=False)
    assert pending.junit_properties() == {"gate": "shapes"}
    accepted = replace(pending, verdict=verdict_report("k", 1.2)).junit_properties()
    assert accepted["ratio_to_blas"] == 1.2
    assert type(accepted["outcome"]) is str
    assert "gflops" not in replace(pending, verdict=verdict_report("k")).junit_properties()


def shape_lines(verdict: VerdictReport, width: int) -> list[str]:
    assert verdict.timing is not None
    return table.shape_lines(verdict.timing.per_shape, width)


UNTIMED = verdict_report(
    "open",
    outcome=Outcome.UNTIMED,
    verdict="Inconclusive",
    gate="clock",
    reason="correct, but not timed: busy",
)


def test_a_kernel_that_was_not_timed_is_shown_as_neither_accepted_nor_rejected() -> None:
    assert "| <code>open</code> | correct, not timed |" in github.job_summary([UNTIMED], "m")
    faulty = verdict_report("x", outcome=Outcome.UNJUDGED, verdict="HarnessError", gate="policy")
    assert "NOT JUDGED: HarnessError (policy)" in table.results_table([faulty], 200)[-1]


def test_the_job_summary_has_the_numbers_of_the_chart_and_stays_short() -> None:
    many = [verdict_report(f"k{n}", 1.0 + n / 1000, elsewhere=0.9) for n in range(120)]
    lines = github.job_summary(many, "m").splitlines()
    assert lines[4].startswith("| <code>k119</code> | Accepted | ")
    assert lines[4].endswith(" | 0.900 | 88.1 |  |")
    assert sum(line.startswith("| <code>") for line in lines) == github.MOST_ROWS
    assert "20 more are left out." in lines
    assert lines[-1] == "BLAS timed against itself: [0.990, 1.010]; differences within it mean nothing."


def test_the_fastest_comes_first_and_the_rejected_last() -> None:
    lines = table.results_table(
        [verdict_report("slow", 0.5), verdict_report("bad"), UNTIMED, verdict_report("fast", 1.2)], 200
    )
    names = ("fast", "slow", "open", "bad")
    assert [name for line in lines for name in names if f"  {name} " in line] == list(names)
    assert "correct, not timed, safe" in lines[-2]
    assert "REJECTED: Wrong (shapes)" in lines[-1]
    assert "avx512 14x32 kc384" in " ".join(lines)


@given(st.integers(40, 200), st.text(max_size=60))
def test_the_table_fits_any_terminal(width: int, name: str) -> None:
    plain = "".join(ch for ch in name if ch.isprintable())
    for line in table.results_table([verdict_report(plain or "x", 1.0), verdict_report("bad")], width):
        assert len(line) <= width


@given(st.integers(40, 200))
def test_the_table_of_shapes_fits_any_terminal_and_keeps_the_ratio(width: int) -> None:
    lines = shape_lines(verdict_report("a", 1.1), width)
    assert all(len(line) <= width for line in lines)
    assert "1.100 [1.050, 1.150]" in lines[-1]


def test_a_wide_terminal_shows_the_least_times_of_both_sides() -> None:
    lines = shape_lines(verdict_report("a", 1.1), 200)
    times = ["0.004", "0.0036", "0.0044", "0.00432"]
    assert lines[-1].split() == [
        "64x64x64",
        "1.100",
        "[1.050,",
        "1.150]",
        "1.200",
        *times,
        "131.1",
        "71",
        "%",
        "40",
        "3.1e-07",
        "-",
    ]


def test_the_error_is_told_at_the_largest_shape_or_not_at_all() -> None:
    timing = verdict_report("a", 1.1).timing
    assert timing is not None
    assert table.error_at_largest(timing.per_shape) == "relative error at 64x64x64 3.1e-07, BLAS -"
    assert table.error_at_largest([replace(timing.per_shape[0], error=None)]) == ""
    assert table.error_at_largest([]) == ""


def test_unsandboxed_and_normwise_results_are_marked() -> None:
    lines = table.results_table(
        [verdict_report("a", 1.0, sandboxed=False), verdict_report("b", 0.9, numerics="normwise")], 200
    )
    assert "accepted, safe, unsandboxed" in " ".join(lines)
    assert "accepted, safe, normwise" in " ".join(lines)


def test_annotations_cannot_be_forged() -> None:
    lines = github.annotate([("candidates/x/kernel.rs::shapes", "panicked\n::set-output name=a::b 100%")])
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert lines[0].endswith("::panicked%0A::set-output name=a::b 100%25")


@pytest.mark.parametrize(
    "hostile",
    [
        "a | b <img src=x onerror=alert(1)>",
        "[here](http://evil.example) ![x](http://evil.example/x.png)",
        "@somebody and #123 and somebody@evil.example",
        "www.evil.example https://evil.example",
        "`` ` ` | **bold** ~~gone~~ \\| </code> <b>",
        "x\n\n# heading\n| cell |",
    ],
)
def test_the_job_summary_shows_links_images_and_mentions_as_text(hostile: str) -> None:
    from markdown_it import MarkdownIt

    text = github.job_summary([verdict_report(hostile, reason=hostile)], "here")
    assert len(text.splitlines()) == 5
    assert not re.search(r"@(?!-)\w|@<", text.replace("&#64;<!-- -->", ""))
    assert not re.search(r"https?:|www\.|\]\(|`", text)
    html = MarkdownIt("commonmark").enable("table").render(text)
    body = html.partition("<tbody>")[2]
    assert body.count("<td>") == 6
    assert set(re.findall(r"</?[a-z]+", body)) <= {
        "<tr",
        "</tr",
        "<td",
        "</td",
        "<code",
        "</code",
        "</tbody",
        "</table",
    }


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"GITHUB_STEP_SUMMARY": "s.md"}, None),
        ({"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "s.md"}, Path("s.md")),
    ],
)
def test_the_summary_goes_only_to_the_file_that_github_names(
    environ: dict[str, str], expected: Path | None
) -> None:
    assert github.summary_file(environ) == expected
