"""Output for GitHub Actions: annotations at the kernels, and a table in the job summary."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from harness.report.gate_report import VerdictReport
from harness.report.table import rank, ratio_cell
from harness.visible import visible


def annotate(items: Sequence[tuple[str, str]], level: Literal["error", "warning"] = "error") -> list[str]:
    """Workflow commands, one per item; `items` holds (node id, one line of reason)."""
    return [
        f"::{level} file={_property(nodeid.partition('::')[0])},title={_property(nodeid)}::{_data(why)}"
        for nodeid, why in items
    ]


# GitHub drops a summary of more than 1 MiB.
MOST_ROWS = 100


def job_summary(verdicts: Sequence[VerdictReport], machine: str) -> str:
    """A Markdown table of the candidates judged, the best first, and the A/A control of their timings."""
    lines = [
        f"### Kernels on {machine}",
        "",
        "| run | verdict | ratio to BLAS | elsewhere | GFLOP/s | reason |",
        "|---|---|---|---|---|---|",
    ]
    ranked = rank(verdicts)
    for verdict in ranked[:MOST_ROWS]:
        record = verdict.record
        reason = "" if verdict.accepted else _cell(record.reason)
        label = record.outcome if verdict.untimed else record.verdict
        elsewhere = f"{record.elsewhere:.3f}" if verdict.accepted and record.elsewhere else ""
        gflops = f"{record.gflops:.1f}" if verdict.accepted and record.gflops else ""
        lines.append(
            f"| {_cell(record.candidate)} | {label} | {ratio_cell(verdict)} | {elsewhere} | {gflops} | {reason} |"
        )
    if len(ranked) > MOST_ROWS:
        lines += ["", f"{len(ranked) - MOST_ROWS} more are left out."]
    timings = [verdict.timing for verdict in ranked if verdict.timing is not None]
    if timings:
        low, high = min(one.control_low for one in timings), max(one.control_high for one in timings)
        lines += [
            "",
            f"BLAS timed against itself: [{low:.3f}, {high:.3f}]; differences within it mean nothing.",
        ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Untrusted text as a cell in which GitHub sees no link, image, mention, reference or HTML.

    Every ASCII character that is neither letter, digit nor space becomes a character reference: those cannot begin a
    Markdown structure, and a URL without ":" and "." is no autolink. GitHub looks for mentions and addresses in the
    finished text, but not inside of <code>; a comment after "@" keeps its two sides apart there, too.
    """
    if not text:
        return ""
    letters = (
        letter if letter.isalnum() or letter == " " or not letter.isascii() else f"&#{ord(letter)};"
        for letter in visible(text)
    )
    return f"<code>{''.join(letters).replace('&#64;', '&#64;<!-- -->')}</code>"


def summary_file(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file that takes the job summary; None outside of GitHub Actions."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    return Path(path) if environ.get("GITHUB_ACTIONS") == "true" and path else None


def _data(text: str) -> str:
    """Escaped as the runner requires, so that untrusted text cannot issue workflow commands."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
