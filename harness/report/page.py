"""The leaderboard as one self-contained HTML page: chart, table, and the replay command of every rejection."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from harness.report.chart import evolution_svg
from harness.report.gate_report import VerdictReport
from harness.report.table import algorithm, rank, ratio_cell
from harness.visible import visible

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .6rem;
vertical-align: top; }
tr { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); } td.n { text-align: right;
font-variant-numeric: tabular-nums; } code { font-size: .9em; } .no { color: #c8402f; } .yes { color: #2a9d5c; }
.open { color: #b07d1a; }
svg { width: 100%; height: auto; }
"""


def leaderboard(verdicts: Sequence[VerdictReport], machine: str) -> str:
    """HTML text of the page for one machine; `verdicts` in the order judged."""
    rows = "".join(_row(place, verdict) for place, verdict in enumerate(rank(verdicts), start=1))
    head = "".join(
        f"<th>{h}</th>"
        for h in ("rank", "run", "algorithm and tile", "ms", "GFLOP/s", "ratio to BLAS", "verdict")
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>kernels on {escape(machine)}</title>'
        f"<style>{_STYLE}</style><h1>Kernels</h1><p>{escape(machine)}. A ratio is t(BLAS) / t(candidate), both timed "
        f"side by side, with its 95 % interval.</p>{evolution_svg(verdicts)}"
        f"<table><tr>{head}</tr>{rows}</table></html>\n"
    )


def _row(place: int, verdict: VerdictReport) -> str:
    record = verdict.record
    if verdict.accepted:
        cells = [str(place), f"{record.time_ms:.2f}", f"{record.gflops:.1f}", ratio_cell(verdict)]
        numerics = "" if record.numerics == "componentwise" else f", {record.numerics}"
        label = f'<span class="yes">accepted, {record.tier}{numerics}</span>'
    else:
        cells = ["-", "", "", ""]
        reason, replay = escape(visible(record.reason)), escape(visible(record.replay))
        kind, short = ("open", record.outcome) if verdict.untimed else ("no", record.verdict)
        label = f'<span class="{kind}">{short}</span>: {reason}<br><code>{replay}</code>'
    return (
        f'<tr><td class="n">{cells[0]}</td><td>{escape(visible(record.candidate))}</td>'
        f'<td>{escape(algorithm(verdict.manifest))}</td><td class="n">{cells[1]}</td>'
        f'<td class="n">{cells[2]}</td><td>{cells[3]}</td><td>{label}</td></tr>'
    )
