"""Every link of the pages leads to a file and a heading that exist, and every picture is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.house.tree import pages

# Links of Markdown, and of the HTML that GitHub allows in it.
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src|srcset)=\"([^\"]+)\"")
RESULTS = sorted((ROOT / "results").glob("*.md"))
ELSEWHERE = ("http://", "https://", "mailto:")


def links(text: str) -> Iterator[str]:
    """The targets of all links and pictures; code is no link."""
    bare = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    for match in LINK.finditer(bare):
        yield match[1] or match[2]


def headings(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    missing = []
    for link in links(page.read_text(encoding="utf-8")):
        if link.startswith(ELSEWHERE):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in headings(target)):
            missing.append(link)
    return missing


@pytest.mark.parametrize(
    "page", [*pages(), *RESULTS, ROOT / "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A Heading, twice\n[a](page.md#a-heading-twice) [b](gone.md) [c](#gone) `[d](code.md)`\n"
        '<picture><source srcset="gone.svg"><img src="page.md"></picture> [e](https://example.org/#x)\n'
    )
    assert broken(page) == ["gone.md", "#gone", "gone.svg"]
