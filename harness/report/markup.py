"""HTML and SVG as text in which everything that is not marked as HTML is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from harness.visible import visible

_VOID = frozenset({"meta", "br", "link"})


class Markup(str):
    """Text that is HTML already. `tag` escapes every other string."""

    __slots__ = ()


def text(value: str, keep: str = "") -> Markup:
    """Any text as HTML: special characters escaped, unprintable ones (except those in `keep`) shown as escapes."""
    return Markup(escape(visible(value, keep)))


def tag(element: str, /, *children: str, **attributes: str | float | bool | None) -> Markup:
    """The HTML of one element. A child that is not `Markup` is escaped, and so is every attribute's value.

    Names of attributes are written with `_` for `-` and a trailing `_` for Python's keywords: `class_`, `aria_label`.
    An attribute that is None or False is left out. Nothing may come in as an attribute's name but a literal.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if element in _VOID:
        return Markup(f"<{element}{written}>")
    return Markup(f"<{element}{written}>{join(children)}</{element}>")


def join(parts: Iterable[str]) -> Markup:
    """The parts one after the other, each escaped unless it is `Markup`."""
    return Markup("".join(part if isinstance(part, Markup) else text(part) for part in parts))


def anchor(number: int, name: str) -> str:
    """The fragment id of the kernel judged as number `number`; only letters, digits and hyphens."""
    return f"k{number}-{re.sub(r'[^A-Za-z0-9]+', '-', name)[:60]}"


def _value(value: str | float | bool) -> str:
    if value is True:
        return ""
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return text(str(value))
