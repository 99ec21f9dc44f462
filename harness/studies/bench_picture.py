"""The picture of `make bench`: percent of the FMA peak by shape, one mark per library or kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP = 900, 22, 190, 20, 60
# Okabe and Ito's colours, which colour-blind people tell apart; each library or kernel has a form of its own, too.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f7f")
_FORMS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    "M-4 -4h8v8h-8z",
    "M0 -5L5 4H-5z",
    "M0 -5L5 0L0 5L-5 0z",
    "M-5 -4H5L0 5z",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One library or kernel at one shape: t_baseline / t_kernel with its 95 % interval, and percent of the FMA
    peak.
    """

    suite: str
    shape: str
    name: str
    evolved: bool
    ratio: float
    low: float
    high: float
    percent_of_peak: float


def picture(cells: Sequence[Cell]) -> str:
    """SVG with one row per suite and shape; lines and text take currentColor."""
    rows = list(dict.fromkeys((cell.suite, cell.shape) for cell in cells))
    names = list(dict.fromkeys(cell.name for cell in cells))
    height = _TOP + _ROW * len(rows) + 30

    def x(percent: float) -> float:
        return _LEFT + min(percent, 105) / 105 * (_WIDTH - _LEFT - _RIGHT)

    parts = [_legend(names), _grid(x, height)]
    for number, (suite, shape) in enumerate(rows):
        y = _TOP + _ROW * (number + 0.5)
        label = escape(f"{suite} {shape}")
        parts.append(
            f'<text x="{_LEFT - 10}" y="{y + 4:.0f}" text-anchor="end" stroke="none">{label}</text>'
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.0f}" y2="{y:.0f}" opacity="0.1"/>'
        )
        for cell in cells:
            if (cell.suite, cell.shape) == (suite, shape):
                label = f"{cell.name} at {shape}: {cell.percent_of_peak:.0f} % of peak"
                parts.append(_mark(names.index(cell.name), x(cell.percent_of_peak), y, label))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'aria-label="percent of the FMA peak by shape and library or kernel" font-family="system-ui, sans-serif" '
        f'font-size="12" fill="currentColor" stroke="currentColor">{"".join(parts)}</svg>\n'
    )


def _mark(index: int, x: float, y: float, label: str) -> str:
    colour, form = _COLOURS[index % len(_COLOURS)], _FORMS[index % len(_FORMS)]
    return (
        f'<path d="{form}" transform="translate({x:.1f} {y:.1f})" fill="{colour}" stroke="none" opacity="0.85">'
        f"<title>{escape(label)}</title></path>"
    )


def _legend(names: Sequence[str]) -> str:
    step = (_WIDTH - 40) / max(len(names), 1)
    parts = []
    for index, name in enumerate(names):
        at = 30 + step * index
        label = f'<text x="{at + 10:.0f}" y="20" stroke="none">{escape(name)}</text>'
        parts.append(_mark(index, at, 16, name) + label)
    return "".join(parts)


def _grid(x: Callable[[float], float], height: int) -> str:
    lines = []
    for percent in range(0, 101, 20):
        at = x(percent)
        lines.append(
            f'<line x1="{at:.0f}" x2="{at:.0f}" y1="{_TOP}" y2="{height - 26}" opacity="0.25"/>'
            f'<text x="{at:.0f}" y="{height - 10}" text-anchor="middle" stroke="none">{percent} %</text>'
        )
    return (
        "".join(lines)
        + f'<text x="{_LEFT}" y="46" stroke="none" opacity="0.7">percent of the FMA peak</text>'
    )
