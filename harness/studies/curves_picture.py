"""The picture of the search curves: best ratio so far against judged candidates (left) and minutes (right)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _TOP, _BOTTOM, _GAP, _LEFT, _RIGHT = 900, 420, 84, 52, 56, 56, 16
# Okabe and Ito's colours, which colour-blind people can distinguish; each arm also has a dash pattern of its own.
_COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#009e73")
_DASHES = ("", "7 3", "2 2", "9 3 2 3", "1 4")
# Points of a curve over minutes.
_STEPS = 60


@dataclass(frozen=True, slots=True)
class Curve:
    """One arm: for each run the minutes of its verdicts and the best ratio after each."""

    name: str
    runs: list[tuple[list[float], list[float]]]

    @property
    def judged(self) -> int:
        """The most verdicts of a run."""
        return max(len(best) for _, best in self.runs)

    @property
    def longest(self) -> float:
        """Minutes of the longest run."""
        return max(minutes[-1] for minutes, _ in self.runs)

    def after(self, count: int) -> list[float]:
        """The best ratio of each run after `count` verdicts."""
        return [best[min(count, len(best)) - 1] for _, best in self.runs]

    def at(self, minute: float) -> list[float]:
        """The best ratio of each run at this minute; 0 before its first verdict."""
        found = []
        for minutes, best in self.runs:
            past = sum(one <= minute for one in minutes)
            found.append(best[past - 1] if past else 0.0)
        return found


@dataclass(frozen=True, slots=True)
class _Panel:
    """A chart with its own horizontal axis; `low` and `high` are the ratios at its bottom and top."""

    left: float
    right: float
    most: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return self.left + value / self.most * (self.right - self.left)

    def y(self, ratio: float) -> float:
        share = (min(max(ratio, self.low), self.high) - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def picture(curves: Sequence[Curve]) -> str:
    """SVG: medians as lines, and the range from the worst to the best run as bands. Text takes currentColor."""
    ends = [ratio for curve in curves for ratio in curve.after(curve.judged)]
    firsts = [statistics.median(curve.after(1)) for curve in curves]
    low = max(0.0, min([*firsts, *ends]) - 0.1)
    high = max(ends) + 0.03
    half = (_WIDTH - _LEFT - _RIGHT - _GAP) / 2
    judged = _Panel(_LEFT, _LEFT + half, max(c.judged for c in curves), low, high)
    minutes = _Panel(_LEFT + half + _GAP, _WIDTH - _RIGHT, max(c.longest for c in curves), low, high)
    parts = [_legend([curve.name for curve in curves])]
    parts += [_frame(judged, "judged candidates"), _frame(minutes, "minutes")]
    for index, curve in enumerate(curves):
        counts = range(1, curve.judged + 1)
        parts.append(_line(judged, index, curve.name, [(n, curve.after(n)) for n in counts]))
        times = [curve.longest * (step + 1) / _STEPS for step in range(_STEPS)]
        known = [(t, curve.at(t)) for t in times if min(curve.at(t)) > 0]
        parts.append(_line(minutes, index, curve.name, known))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'aria-label="best ratio to BLAS so far, against judged candidates and against minutes" '
        'font-family="system-ui, sans-serif" font-size="12" fill="currentColor" stroke="currentColor">'
        f"{''.join(parts)}</svg>\n"
    )


def _line(panel: _Panel, index: int, name: str, points: Sequence[tuple[float, Sequence[float]]]) -> str:
    """Median and range of one arm in one panel; a dot where there is only one point."""
    if not points:
        return ""
    colour, dash = _COLOURS[index % len(_COLOURS)], _DASHES[index % len(_DASHES)]
    upper = [(panel.x(at), panel.y(max(values))) for at, values in points]
    lower = [(panel.x(at), panel.y(min(values))) for at, values in reversed(points)]
    middle = [(panel.x(at), panel.y(statistics.median(values))) for at, values in points]
    title = f"<title>{escape(name)}</title>"
    if len(middle) == 1:
        (x, y), (_, top), (_, bottom) = middle[0], upper[0], lower[0]
        return (
            f'<g fill="{colour}" stroke="{colour}">{title}<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/></g>'
        )
    return (
        f'<polygon points="{_points(upper + lower)}" fill="{colour}" stroke="none" opacity="0.15"/>'
        f'<polyline points="{_points(middle)}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dash}">{title}</polyline>'
    )


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _frame(panel: _Panel, axis: str) -> str:
    lines = []
    ticks = [low / 10 for low in range(int(panel.low * 10), int(panel.high * 10) + 1)]
    for ratio in ticks:
        if panel.low <= ratio <= panel.high:
            y, strength = panel.y(ratio), "0.6" if ratio == 1 else "0.15"
            lines.append(
                f'<line x1="{panel.left:.1f}" x2="{panel.right:.1f}" y1="{y:.1f}" y2="{y:.1f}" opacity="{strength}"/>'
                f'<text x="{panel.left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end" stroke="none">{ratio:.1f}</text>'
            )
    for part in range(5):
        value = panel.most * part / 4
        lines.append(
            f'<text x="{panel.x(value):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle" stroke="none">'
            f"{value:.3g}</text>"
        )
    middle = (panel.left + panel.right) / 2
    lines.append(
        f'<text x="{middle:.1f}" y="{_HEIGHT - 12}" text-anchor="middle" stroke="none">{axis}</text>'
    )
    return "".join(lines)


def _legend(names: Sequence[str]) -> str:
    parts = ['<text x="16" y="18" stroke="none" font-weight="bold">Best ratio to BLAS so far</text>']
    for index, name in enumerate(names):
        x, y = 16 + 290 * (index % 3), 40 + 20 * (index // 3)
        colour, dash = _COLOURS[index % len(_COLOURS)], _DASHES[index % len(_DASHES)]
        parts.append(
            f'<line x1="{x}" x2="{x + 34}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/><text x="{x + 40}" y="{y}" stroke="none">{escape(name)}</text>'
        )
    return "".join(parts)
