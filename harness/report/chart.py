"""The chart of an evolution as SVG text: each candidate's ratio to BLAS with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from harness.records import Outcome, Record
from harness.report.gate_report import VerdictReport
from harness.visible import visible

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 360, 64, 24, 28, 76
_ACCEPTED, _UNTIMED, _REJECTED = "#2a9d5c", "#b07d1a", "#c8402f"


def evolution_svg(verdicts: Sequence[VerdictReport]) -> str:
    """One column per candidate in the order judged: a dot and its 95 % interval, or a cross and the last gate.

    The dashed line is BLAS (ratio 1). Lines and text take currentColor, so that they show on light and dark pages.
    """
    ratios = [v.record.ratio_high for v in verdicts if v.record.ratio_high]
    top = float(max([1.15, *(r * 1.08 for r in ratios)]))
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(verdicts))

    def y(ratio: float) -> float:
        return _HEIGHT - _BOTTOM - ratio / top * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_frame(top, y)]
    for index, verdict in enumerate(verdicts):
        x = _LEFT + step * (index + 0.5)
        parts.append(_column(verdict.record, x, y))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="ratio to BLAS of {len(verdicts)} candidates" font-family="system-ui, sans-serif" font-size="12" '
        f'fill="currentColor" stroke="currentColor">{"".join(parts)}</svg>'
    )


def _frame(top: float, y: Callable[[float], float]) -> str:
    tick = 0.25 if top <= 2 else 0.5 if top <= 4 else round(top / 8, 1)
    lines = []
    value = 0.0
    while value <= top:
        dash = ' stroke-dasharray="6 4" stroke-width="1.5"' if abs(value - 1) < 1e-9 else ' opacity="0.15"'
        lines.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"{dash}/>'
        )
        label = "BLAS" if abs(value - 1) < 1e-9 else f"{value:.2f}"
        lines.append(
            f'<text x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end" stroke="none">{label}</text>'
        )
        value += tick
    lines.append(
        f'<text x="{_LEFT}" y="16" stroke="none" opacity="0.7">t(BLAS) / t(candidate), higher is faster</text>'
    )
    return "".join(lines)


def _column(record: Record, x: float, y: Callable[[float], float]) -> str:
    # XML forbids control characters, even escaped ones.
    name = escape(visible(str(record.candidate)))
    title = f"<title>{name}: {escape(visible(str(record.reason)))}</title>"
    base = _HEIGHT - _BOTTOM
    label = (
        f'<text x="{x:.1f}" y="{base + 16}" stroke="none" text-anchor="end" font-size="11" '
        f'transform="rotate(-30 {x:.1f} {base + 16})">{name}</text>'
    )
    if record.ratio_to_blas is not None and record.ratio_low is not None and record.ratio_high is not None:
        low, mid, high = y(record.ratio_low), y(record.ratio_to_blas), y(record.ratio_high)
        ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"'
        return (
            f'<g>{title}<line {ends} stroke="{_ACCEPTED}" stroke-width="3"/>'
            f'<circle cx="{x:.1f}" cy="{mid:.1f}" r="5" fill="{_ACCEPTED}" stroke="none"/>{label}</g>'
        )
    untimed = record.outcome is Outcome.UNTIMED
    colour, gate = (_UNTIMED, "not timed") if untimed else (_REJECTED, escape(str(record.gate)))
    return (
        f'<g>{title}<path d="M{x - 5:.1f} {base - 13} l10 10 m0 -10 l-10 10" stroke="{colour}" stroke-width="2.5"/>'
        f'<text x="{x:.1f}" y="{base - 20}" text-anchor="middle" stroke="none" fill="{colour}" font-size="11">'
        f"{gate}</text>"
        f"{label}</g>"
    )
