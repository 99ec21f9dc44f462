"""What a GitHub run shows: annotations beside the kernels, and a table in the job's summary."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.report.table import rank
from harness.visible import visible


def annotate(failed: Sequence[tuple[str, str]]) -> list[str]:
    """Workflow commands, one per failed item; `failed` holds (node id, one line of reason)."""
    return [
        f"::error file={_property(nodeid.partition('::')[0])},title={_property(nodeid)}::{_data(why)}"
        for nodeid, why in failed
    ]


def job_summary(outcomes: Sequence[dict[str, Any]], machine: str) -> str:
    """A Markdown table of every candidate judged."""
    lines = [
        f"### Kernels on {machine}",
        "",
        "| run | verdict | ratio to BLAS | reason |",
        "|---|---|---|---|",
    ]
    for outcome in rank(outcomes):
        r = outcome["record"]
        ratio = (
            f"{r['ratio_to_blas']:.3f} [{r['ratio_low']:.3f}, {r['ratio_high']:.3f}]"
            if r["ratio_to_blas"]
            else ""
        )
        reason = "" if r["verdict"] == "Accepted" else _cell(str(r["reason"]))
        lines.append(f"| {_cell(r['candidate'])} | {r['verdict']} | {ratio} | {reason} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return visible(text).replace("|", "\\|").replace("<", "&lt;")


def summary_file(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where the job's summary goes, when this is a GitHub run."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    return Path(path) if environ.get("GITHUB_ACTIONS") == "true" and path else None


def _data(text: str) -> str:
    """Escaped as the runner wants it, so that untrusted text cannot issue commands of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
