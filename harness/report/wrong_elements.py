"""Drawings of counterexamples: which blocks of C a wrong kernel got wrong."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.axes import svg, words
from harness.report.markup import Markup, join, tag
from harness.report.pieces import scroll_box
from harness.report.progress_chart import kernel_link
from harness.report.run_story import StoryKernel
from harness.shapes import Shape
from harness.verdict import Counterexample, Wrong

# Counterexamples that are drawn, of the kernels judged first.
SHOWN = 8
_LEFT, _TOP = 8.0, 24.0
_KINDS = {"#": "wrong", "+": "partly"}
_WORDS = {"#": "wrong", "+": "partly wrong"}


def wrong_elements(kernels: Sequence[StoryKernel]) -> list[Markup]:
    """A picture of C for every wrong kernel whose result was compared in whole; empty when there is none."""
    found = []
    for kernel in kernels:
        verdict = kernel.verdict
        if isinstance(verdict, Wrong) and verdict.counterexample.blocks and verdict.at.shape is not None:
            found.append(_drawing(kernel, verdict.counterexample, verdict.at.shape))
    if not found:
        return []
    hidden = f" {len(found) - SHOWN} more are left out." if len(found) > SHOWN else ""
    note = (
        "Each square is a block of C: filled where every element is wrong, half filled where some are, empty where all "
        "are right. A wrong last row or column points to the edge of a loop, wrong blocks to a tile, a wrong whole to "
        f"the order of the data.{hidden}"
    )
    pictures = tag("div", *found[:SHOWN], class_="panels")
    return [
        tag("h3", "Which elements of C were wrong"),
        tag("p", note),
        scroll_box("counterexamples", pictures),
    ]


def _drawing(kernel: StoryKernel, wrong: Counterexample, shape: Shape) -> Markup:
    rows, columns = len(wrong.blocks), max(map(len, wrong.blocks))
    size = min(18.0, 288 / columns)
    cells = [
        _cell(_LEFT + size * x, _TOP + size * y, size - 1, letter)
        for y, row in enumerate(wrong.blocks)
        for x, letter in enumerate(row)
    ]
    head = f"C is {shape.m}x{shape.n}; a square is {-(-shape.m // rows)}x{-(-shape.n // columns)}"
    width = max(_LEFT + size * columns + 8, 6.6 * len(head) + 16)
    label = f"{kernel.name}: {summary(wrong)}"
    picture = svg(width, _TOP + size * rows + 8, label, words(8, 14, head, "muted"), *cells)
    return tag("figure", picture, tag("figcaption", join([kernel_link(kernel), f": {summary(wrong)}"])))


def summary(wrong: Counterexample) -> str:
    """The drawing in words."""
    letters = "".join(wrong.blocks)
    counts = [f"{letters.count(one)} {_WORDS[one]}" for one in _WORDS if letters.count(one)]
    return f"{' and '.join(counts) or 'none wrong'} of {len(letters)} blocks"


def _cell(left: float, top: float, size: float, letter: str) -> Markup:
    kind = f"cell {_KINDS.get(letter, 'right')}"
    box = tag("rect", x=left, y=top, width=size, height=size, class_=kind)
    if letter != "+":
        return box
    path = f"M{left:.1f} {top + size:.1f}V{top:.1f}H{left + size:.1f}Z"
    return join([box, tag("path", d=path, class_="cell wrong")])
