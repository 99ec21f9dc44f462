"""Turns extracted pages into running text: ligatures, hyphens, running heads, page numbers, references."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from harness.corpus.chunker import PageText

_LIGATURES = {
    "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st",
    "\u00ad": "", "\u200b": "", "\ufeff": "", "\u00a0": " ", "\u2010": "-", "\u2011": "-",
}  # fmt: skip
_TABLE = str.maketrans(_LIGATURES)
_STAMP = re.compile(r"^\s*arXiv:\d{4}\.\d{4,5}(v\d+)?\s+\[.*", re.IGNORECASE)
_PAGE_NUMBER = re.compile(r"^\s*(page\s+)?[-–—]?\s*\d{1,4}\s*[-–—]?(\s*(of|/)\s*\d{1,4})?\s*$", re.IGNORECASE)
_REFERENCES = re.compile(
    r"^\s*(\d+|[IVX]+)?\.?\s*(references|bibliography|works cited)\s*:?\s*$", re.IGNORECASE
)
_APPENDIX = re.compile(
    r"^\s*(appendix|appendices|supplementary material)\b.{0,80}$|^\s*[A-Z]\s+appendix\b.{0,80}$", re.I
)
_EDGE_LINES = 3


def clean(pages: Sequence[PageText]) -> list[PageText]:
    """The pages' running text; empty pages are dropped, page numbers stay."""
    lines = [[_plain(line) for line in page.text.splitlines()] for page in pages]
    lines = _without_running_heads(lines)
    lines = _without_references(lines)
    vocabulary = Counter(re.findall(r"[a-z]+(?:-[a-z]+)*", "\n".join(map("\n".join, lines)).lower()))
    cleaned = [
        PageText(page.number, _joined(part, vocabulary)) for page, part in zip(pages, lines, strict=True)
    ]
    return [page for page in cleaned if page.text]


def _plain(line: str) -> str:
    """The text with ligatures resolved and mathematical alphabets as letters (𝐴 → A), without control characters; ², ≤,
    Σ, γ stay.
    """
    line = line.translate(_TABLE)
    return "".join(
        unicodedata.normalize("NFKC", c) if 0x1D400 <= ord(c) <= 0x1D7FF else c
        for c in line
        if c == "\t" or unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn")
    ).rstrip()


def _without_running_heads(pages: list[list[str]]) -> list[list[str]]:
    """Remove arXiv's stamp, page numbers at the edges, and edge lines that recur on several pages.

    Three pages suffice, because left and right pages, and chapters, often have different heads.
    """
    seen: Counter[str] = Counter()
    for lines in pages:
        seen.update({_shape(line) for _, line in _edges(lines)})
    least = max(3, len(pages) / 20)
    result = []
    for lines in pages:
        gone = {index for index, line in enumerate(lines) if not line.strip() or _STAMP.match(line)}
        gone |= {
            index for index, line in _edges(lines) if seen[_shape(line)] >= least or _PAGE_NUMBER.match(line)
        }
        # A running head is at the edge: search from the edge inwards, up to the first line that stays.
        first = next((index for index in range(len(lines)) if index not in gone), len(lines))
        last = next((index for index in reversed(range(len(lines))) if index not in gone), -1)
        result.append([line for line in lines[first : last + 1] if not _STAMP.match(line)])
    return result


def _edges(lines: Sequence[str]) -> list[tuple[int, str]]:
    """Indices of the first and last few lines that contain words."""
    solid = [(index, line) for index, line in enumerate(lines) if line.strip()]
    return solid if len(solid) <= 2 * _EDGE_LINES else solid[:_EDGE_LINES] + solid[-_EDGE_LINES:]


def _shape(line: str) -> str:
    """The line with all digits equal, so that running heads with page numbers match."""
    return re.sub(r"\d+", "0", " ".join(line.split()).lower())


def _without_references(pages: list[list[str]]) -> list[list[str]]:
    """Remove from the last heading "References" to the next appendix or the end; only in the paper's second half."""
    places = [
        (p, i) for p, lines in enumerate(pages) for i, line in enumerate(lines) if _REFERENCES.match(line)
    ]
    total = sum(map(len, pages))
    late = [(p, i) for p, i in places if sum(map(len, pages[:p])) + i >= 0.4 * total]
    if not late:
        return pages
    first = late[-1]
    result: list[list[str]] = []
    inside = False
    for p, lines in enumerate(pages):
        kept = []
        for i, line in enumerate(lines):
            if (p, i) == first:
                inside = True
            elif inside and _APPENDIX.match(line):
                inside = False
            if not inside:
                kept.append(line)
        result.append(kept)
    return result


def _joined(lines: Sequence[str], vocabulary: Counter[str]) -> str:
    """Lines joined to paragraphs; a word hyphenated at a line end is joined as it is spelled elsewhere."""
    text = ""
    for line in (line.strip() for line in lines):
        if not line:
            text = text.rstrip() + "\n\n" if text else ""
            continue
        head = re.search(r"([A-Za-z]+)-$", text.rstrip(" "))
        tail = re.match(r"[a-z]+", line)
        if head and tail and not text.endswith("\n"):
            text = text.rstrip(" ")
            whole, dashed = (head[1] + tail[0]).lower(), f"{head[1]}-{tail[0]}".lower()
            keep = vocabulary[dashed] > vocabulary[whole]
            text = text if keep else text[:-1]
            text += line + " "
        else:
            text += line + " "
    return text.strip()
