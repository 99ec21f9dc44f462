"""What the charts share: a scale from values to pixels, round ticks, axes with titles, and marks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.records import Outcome
from harness.report.markup import Markup, join, tag

# The class of a mark in chart.css, its shape and its word; never the colour alone tells the outcome.
KINDS = {
    Outcome.ACCEPTED: "good",
    Outcome.UNTIMED: "open",
    Outcome.REJECTED: "bad",
    Outcome.UNJUDGED: "open",
}


def chart_style() -> str:
    """The style sheet of the charts, with the colours of the page."""
    return (Path(__file__).parent / "chart.css").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with what belongs to it: its title, a sentence on how to read it, and the table with its numbers."""

    anchor: str
    title: str
    caption: str
    picture: Markup
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear scale: `low` is drawn at pixel `start`, `high` at pixel `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value; values outside are drawn at the border."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values between `low` and `high`, roughly `about` of them."""
        rough = (self.high - self.low) / max(1, about)
        if rough <= 0 or not math.isfinite(rough):
            return [self.low]
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [round(number * step, 10) for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def ratio_scale(values: Iterable[float], start: float, end: float) -> Scale:
    """A scale that holds the values and BLAS (ratio 1), with a margin."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min([1.0, *known]), max([1.0, *known])
    margin = max(0.02, 0.08 * (high - low))
    return Scale(max(0.0, low - margin), high + margin, start, end)


def svg(width: float, height: float, label: str, *parts: str) -> Markup:
    """A picture of natural size; `label` is its name for those who do not see it."""
    return tag(
        "svg", tag("title", label), *parts, role="img", aria_label=label, width=width, height=height,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
    )  # fmt: skip


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A straight line of a class of chart.css."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def words(x: float, y: float, content: str, kind: str = "", at: str = "start") -> Markup:
    """A line of text; `at` is the end of it that is at `x`: start, middle or end."""
    return tag("text", content, x=x, y=y, class_=kind or None, text_anchor=None if at == "start" else at)


def ratio_axis(scale: Scale, left: float, right: float) -> Markup:
    """Horizontal lines with their ratios at the left of a chart; ratio 1 is labelled BLAS."""
    parts = []
    for value in scale.ticks():
        if abs(value - 1) > 1e-9:
            parts += [line(left, scale.at(value), right, scale.at(value), "grid")]
            parts += [words(left - 6, scale.at(value) + 4, f"{value:g}", at="end")]
    parts += [line(left, scale.at(1), right, scale.at(1), "blas")]
    return join([*parts, words(left - 6, scale.at(1) + 4, "BLAS 1", "strong", at="end")])


def dot(x: float, y: float, kind: str, about: str, target: str = "") -> Markup:
    """A mark with a tooltip; a click on it opens the kernel `target`. Circles are accepted, crosses are not.

    `kind` is one or two classes of chart.css, the outcome first.
    """
    if kind.startswith("good"):
        shape = tag("circle", cx=x, cy=y, r=5)
    else:
        shape = tag("path", d=f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10")
    return tag("g", tag("title", about), shape, class_=f"mark {kind}", data_to=target or None)


def interval(x: float, low: float, high: float, kind: str) -> Markup:
    """A vertical interval between two pixels, with caps."""
    path = f"M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8"
    return tag("path", d=path, class_=f"interval {kind}")
