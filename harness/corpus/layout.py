"""Reading order: from a page's positioned text fragments to its text, one column after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# Range, as shares of the page width, in which a second column may begin.
_RIGHT_FROM, _RIGHT_TO = 0.42, 0.72
_TOLERANCE_PT = 3.0
_LEAST_LINES = 5
_LEAST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment of text; x, y of the start of its baseline, and its font size, in points."""

    text: str
    x: float
    y: float
    size: float

    @property
    def end(self) -> float:
        """Estimated end of the fragment: half an em per character, the mean of Latin text."""
        return self.x + 0.5 * self.size * len(self.text.strip())


def page_text(fragments: Sequence[Fragment], width: float, plain: str) -> str:
    """The page's text in reading order.

    `plain` is the text in drawing order, which is right for one column and for most typesetters. It is reordered only
    when two columns were drawn line by line across the page, and only if no character is lost.
    """
    solid = [fragment for fragment in fragments if fragment.text.strip()]
    right = _second_column(solid, width)
    if right is None:
        return plain
    sides = [_side(fragment, right, width) for fragment in solid]
    if not _interleaved(sides):
        return plain
    ordered = _by_columns(solid, sides)
    return ordered if _letters(ordered) == _letters(plain) else plain


def _second_column(fragments: Sequence[Fragment], width: float) -> float | None:
    """The x at which the second column begins: many lines start there, and as many start at one x on the left."""
    starts: Counter[int] = Counter()
    previous: Fragment | None = None
    for fragment in fragments:
        if (
            previous is None
            or not _same_line(previous, fragment)
            or fragment.x > previous.end + 2 * fragment.size
        ):
            starts[round(fragment.x / _TOLERANCE_PT)] += 1
        previous = fragment
    total = sum(starts.values())
    least = max(_LEAST_LINES, _LEAST_SHARE * total)
    left = [
        place for place, count in starts.items() if place * _TOLERANCE_PT < 0.4 * width and count >= least
    ]
    right = [
        (count, -place)
        for place, count in starts.items()
        if _RIGHT_FROM * width < place * _TOLERANCE_PT < _RIGHT_TO * width and count >= least
    ]
    return -max(right)[1] * _TOLERANCE_PT if left and right else None


def _side(fragment: Fragment, right: float, width: float) -> str:
    """The column of a fragment: "L", "R", or "W" when it spans both."""
    if fragment.x >= right - 2 * _TOLERANCE_PT:
        return "R"
    return "W" if fragment.end > right + 0.15 * width else "L"


def _interleaved(sides: Sequence[str]) -> bool:
    """Whether drawing jumps from right to left more often than a few headings explain."""
    columns = [side for side in sides if side != "W"]
    return sum(a == "R" and b == "L" for a, b in pairwise(columns)) > 3


def _by_columns(fragments: Sequence[Fragment], sides: Sequence[str]) -> str:
    """Bands between lines that span the page; in each band the left column, then the right one, in drawing order."""
    out: list[Fragment] = []
    band: dict[str, list[Fragment]] = {"L": [], "R": []}
    for fragment, side in zip(fragments, sides, strict=True):
        if side == "W":
            out += band["L"] + band["R"] + [fragment]
            band = {"L": [], "R": []}
        else:
            band[side].append(fragment)
    return _joined(out + band["L"] + band["R"])


def _joined(fragments: Sequence[Fragment]) -> str:
    parts: list[str] = []
    previous: Fragment | None = None
    for fragment in fragments:
        if previous is not None and not _same_line(previous, fragment):
            parts.append("\n")
        parts.append(fragment.text.strip("\n"))
        previous = fragment
    return "\n".join(line.strip() for line in "".join(parts).splitlines())


def _same_line(a: Fragment, b: Fragment) -> bool:
    return abs(a.y - b.y) < 0.5 * max(a.size, b.size, 1.0)


def _letters(text: str) -> Counter[str]:
    return Counter(character for character in text if not character.isspace())
