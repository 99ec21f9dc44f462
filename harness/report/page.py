"""The leaderboard as one self-contained HTML page: the picture, the table, every rejection with its replay command."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from harness.report.chart import evolution_svg
from harness.report.table import algorithm, rank
from harness.visible import visible

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .6rem;
vertical-align: top; }
tr { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); } td.n { text-align: right;
font-variant-numeric: tabular-nums; } code { font-size: .9em; } .no { color: #c8402f; } .yes { color: #2a9d5c; }
svg { width: 100%; height: auto; }
"""


def leaderboard(outcomes: Sequence[dict[str, Any]], machine: str) -> str:
    """HTML text of the page for one machine; `outcomes` in the order judged, as the reports carry them."""
    rows = "".join(_row(place, outcome) for place, outcome in enumerate(rank(outcomes), start=1))
    head = "".join(
        f"<th>{h}</th>"
        for h in ("rank", "run", "algorithm and tile", "ms", "GFLOP/s", "ratio to BLAS", "verdict")
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>kernels on {escape(machine)}</title>'
        f"<style>{_STYLE}</style><h1>Kernels</h1><p>{escape(machine)}. A ratio is t(BLAS) / t(candidate), both timed "
        f"side by side, with its 95 % interval.</p>{evolution_svg(outcomes)}"
        f"<table><tr>{head}</tr>{rows}</table></html>\n"
    )


def _row(place: int, outcome: dict[str, Any]) -> str:
    r = outcome["record"]
    if r["verdict"] == "Accepted":
        interval = f"{r['ratio_to_blas']:.3f} [{r['ratio_low']:.3f}, {r['ratio_high']:.3f}]"
        cells = [str(place), f"{r['time_ms']:.2f}", f"{r['gflops']:.1f}", interval]
        label = r["tier"] if r["numerics"] == "componentwise" else f"{r['tier']}, {r['numerics']}"
        verdict = f'<span class="yes">accepted, {label}</span>'
    else:
        cells = ["-", "", "", ""]
        reason, replay = escape(visible(str(r["reason"]))), escape(visible(r["replay"]))
        verdict = f'<span class="no">{r["verdict"]}</span>: {reason}<br><code>{replay}</code>'
    return (
        f'<tr><td class="n">{cells[0]}</td><td>{escape(visible(r["candidate"]))}</td>'
        f'<td>{escape(algorithm(outcome.get("manifest", {})))}</td><td class="n">{cells[1]}</td>'
        f'<td class="n">{cells[2]}</td><td>{cells[3]}</td><td>{verdict}</td></tr>'
    )
