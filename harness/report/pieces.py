"""Pieces that several sections of the page are made of: boxes, folds, tables."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.markup import Markup, anchor, tag, text
from harness.report.run_story import StoryKernel


def code_box(content: str) -> Markup:
    """Text of a candidate or a model, as it is."""
    return scroll_box("source text", tag("pre", tag("code", text(content, keep="\n\t"))))


def fold(name: str, title: str, body: Sequence[Markup], size: str = "", kind: str | None = None) -> Markup:
    """A closed <details> with the id `name`, by which a live page finds it again in its next version."""
    note = [" ", tag("small", size)] if size else []
    return tag("details", tag("summary", title, *note), *body, class_=kind, id=name)


def place_of(kernel: StoryKernel) -> str:
    """The id of the kernel's <details>."""
    return anchor(kernel.number, kernel.name)


def scroll_box(label: str, *content: str) -> Markup:
    """A box that scrolls sideways where its content is wider than the screen, also by keyboard."""
    return tag("div", *content, class_="scroll", tabindex=0, role="group", aria_label=label)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table that the script makes sortable; cells that are not `Markup` are escaped."""
    head = tag("tr", *(tag("th", column, scope="col") for column in columns))
    body = [tag("tr", *(tag("td", cell) for cell in row)) for row in rows]
    return tag("table", tag("thead", head), tag("tbody", *body), class_="sortable")
