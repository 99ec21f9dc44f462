"""The colours of the page: every text can be read, and every colour is a variable."""

from __future__ import annotations

import re

import pytest

from harness.report.heat_map import BOUNDS
from harness.report.page import style

COLOURS = re.compile(r"--([\w-]+): (#[0-9a-f]{6})")


def luminance(colour: str) -> float:
    """Relative luminance as in WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def palettes() -> list[dict[str, str]]:
    """The variables of the page's style: light, dark, print."""
    css = style()
    light = dict(COLOURS.findall(css.partition("@media")[0]))
    dark_rules, printed = css.partition("prefers-color-scheme: dark")[2].split("@media print")
    dark = light | dict(COLOURS.findall(dark_rules))
    # A dark browser may print in its dark colours, as far as nothing replaces them.
    return [light, dark, dark | dict(COLOURS.findall(printed))]


@pytest.mark.parametrize("palette", palettes(), ids=["light", "dark", "print"])
def test_every_text_colour_can_be_read_on_every_ground(palette: dict[str, str]) -> None:
    used = set(re.findall(r"(?:color|fill|stroke): var\(--([\w-]+)\)", style()))
    assert used >= {"text", "muted", "link", "good", "bad", "open", "heat-text"}
    for text in ("text", "muted", "link", "good", "bad", "open", "best"):
        for ground in ("ground", "panel"):
            assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    for number in range(len(BOUNDS) + 1):
        assert contrast(palette["heat-text"], palette[f"heat-{number}"]) >= 4.5, number


def test_no_colour_is_outside_of_the_variables() -> None:
    rules = re.sub(r":root \{[^}]*\}", "", style())
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?=[;} ])", re.sub(r"#[a-z]+ ", "", rules))
