"""Splits texts into passages: by meaning (distance between neighbouring sentences) or, for comparison, by size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.corpus.papers import Chunk
from harness.store.embedders import Embedder


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of one page: number from 1, or None for texts without pages."""

    number: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Splitting:
    """How to split. Lengths in characters; `percentile` of the distances above which a passage ends.

    `window`: number of sentences compared on each side of a position; more than one reduces noise.
    """

    shortest: int = 200
    longest: int = 1200
    window: int = 2
    percentile: float = 80.0

    def __post_init__(self) -> None:
        if not 0 < self.shortest * 2 <= self.longest or self.window < 1 or not 0 <= self.percentile <= 100:
            raise ValueError(f"not a way to split: {self}")

    @property
    def name(self) -> str:
        """The name stored with the passages, so that a change of the method is noticed."""
        return f"semantic-v1-{self.shortest}-{self.longest}-{self.window}-{self.percentile:g}"


# A full stop after these does not end a sentence.
_ABBREVIATIONS = re.compile(
    r"(?:\b(?:e\.g|i\.e|et al|cf|vs|Fig|Figs|Eq|Eqs|Sec|Secs|Tab|Ref|Refs|Alg|Thm|Dr|Prof|No|approx|resp|etc|[A-Z]))\.$"
)
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])|\n\s*\n")


def sentences(text: str) -> list[str]:
    """The sentences of `text` with normalised white space and nothing else lost; a blank line also ends a sentence."""
    parts: list[str] = []
    start = 0
    for match in _END.finditer(text):
        head = text[start : match.end()]
        if "\n\n" not in "".join(match.group().split(" ")) and _ABBREVIATIONS.search(head.rstrip()):
            continue
        parts.append(head)
        start = match.end()
    parts.append(text[start:])
    return [flat for part in parts if (flat := " ".join(part.split()))]


def semantic_chunks(
    pages: Sequence[PageText], embedder: Embedder, splitting: Splitting = Splitting()
) -> list[Chunk]:
    """Passages of related sentences; each has the page of its first sentence.

    A passage ends where the cosine distance between the sentences before and after is above the percentile. Passages
    shorter than `splitting.shortest` join the nearer neighbour; passages longer than `splitting.longest` are split at
    their largest distance. The same text and embedder give the same passages. (After M. Hearst, "TextTiling", 1997,
    with embeddings, and G. Kamradt, "5 Levels of Text Splitting", 2023, level 4.)
    """
    units = list(_units(pages, splitting.longest))
    if not units:
        return []
    distances = _distances([unit.text for unit in units], embedder, splitting.window)
    bounds = _breaks(distances, splitting.percentile)
    spans = [
        part for span in _spans(len(units), bounds) for part in _split(span, units, distances, splitting)
    ]
    spans = _merge(spans, units, distances, splitting)
    return [Chunk(" ".join(unit.text for unit in units[a:b]), units[a].page) for a, b in spans]


def fixed_chunks(pages: Sequence[PageText], size: int = 700, overlap: int = 100) -> list[Chunk]:
    """Passages of about `size` characters at word boundaries, each repeating `overlap` characters of the
    previous one.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap {overlap} must be smaller than size {size}")
    chunks = []
    for page in pages:
        text = " ".join(page.text.split())
        start = 0
        while start < len(text):
            end = len(text) if start + size >= len(text) else text.rfind(" ", start, start + size)
            end = start + size if end <= start + overlap else end
            chunks.append(Chunk(text[start:end].strip(), page.number))
            if end >= len(text):
                break
            start = end - overlap
    return [chunk for chunk in chunks if chunk.text]


def _units(pages: Sequence[PageText], longest: int) -> Iterator[Chunk]:
    """Sentences with their pages; a sentence across a page break stays whole; very long ones are split at words."""
    held = ""
    held_page: int | None = None
    for position, page in enumerate(pages):
        found = sentences(page.text)
        last = position == len(pages) - 1
        for index, text in enumerate(found):
            at = page.number
            if held:
                text, at, held = f"{held} {text}", held_page, ""
            if index == len(found) - 1 and not last and not re.search(r"[.!?:][\"')\]]*$", text):
                held, held_page = text, at
                continue
            yield from (Chunk(part, at) for part in _at_words(text, longest))
    if held:
        yield from (Chunk(part, held_page) for part in _at_words(held, longest))


def _at_words(text: str, longest: int) -> Iterator[str]:
    while len(text) > longest:
        end = text.rfind(" ", 1, longest + 1)
        end = longest if end < 0 else end
        yield text[:end].strip()
        text = text[end:].strip()
    if text:
        yield text


def _distances(texts: Sequence[str], embedder: Embedder, window: int) -> NDArray[np.float64]:
    """Cosine distance between the mean of the `window` sentences up to i and that of the `window` sentences after i.

    The two sides share no sentence, so the distance peaks exactly at a change of topic. Rounded, so that the last bit
    of another machine's arithmetic makes no difference.
    """
    vectors = embedder.embed_documents(texts).astype(np.float64)
    found = np.zeros(max(0, len(texts) - 1))
    for i in range(len(found)):
        before = vectors[max(0, i + 1 - window) : i + 1].sum(axis=0)
        after = vectors[i + 1 : i + 1 + window].sum(axis=0)
        norms = float(np.linalg.norm(before) * np.linalg.norm(after))
        found[i] = 1.0 - float(before @ after) / norms if norms > 0 else 1.0
    return np.round(found, 6)


def _breaks(distances: NDArray[np.float64], percentile: float) -> list[int]:
    """The indices i such that a passage ends after sentence i."""
    if not len(distances):
        return []
    threshold = float(np.percentile(distances, percentile))
    return [i for i, distance in enumerate(distances) if distance > threshold]


def _spans(count: int, bounds: Sequence[int]) -> list[tuple[int, int]]:
    edges = [0, *(bound + 1 for bound in bounds), count]
    return list(pairwise(edges))


def _length(units: Sequence[Chunk], start: int, end: int) -> int:
    return sum(len(unit.text) for unit in units[start:end]) + max(0, end - start - 1)


def _split(
    span: tuple[int, int], units: Sequence[Chunk], distances: NDArray[np.float64], splitting: Splitting
) -> Iterator[tuple[int, int]]:
    """Split a long span at its largest distance, preferably where both parts stay long enough."""
    waiting = [span]
    while waiting:
        start, end = waiting.pop()
        if end - start < 2 or _length(units, start, end) <= splitting.longest:
            yield start, end
            continue
        places = range(start, end - 1)
        good = [
            i
            for i in places
            if min(_length(units, start, i + 1), _length(units, i + 1, end)) >= splitting.shortest
        ]
        at = max(good or places, key=lambda i: (distances[i], -abs(2 * i + 1 - start - end)))
        waiting += [(at + 1, end), (start, at + 1)]


def _merge(
    spans: list[tuple[int, int]], units: Sequence[Chunk], distances: NDArray[np.float64], splitting: Splitting
) -> list[tuple[int, int]]:
    """Join short spans to the nearer neighbour with which they still fit."""
    merged = list(spans)
    position = 0
    while position < len(merged):
        start, end = merged[position]
        if _length(units, start, end) >= splitting.shortest:
            position += 1
            continue
        sides = []
        if position > 0 and _length(units, merged[position - 1][0], end) <= splitting.longest:
            sides.append((distances[start - 1], position - 1))
        if position + 1 < len(merged) and _length(units, start, merged[position + 1][1]) <= splitting.longest:
            sides.append((distances[end - 1], position))
        if not sides:
            position += 1
            continue
        _, left = min(sides)
        merged[left : left + 2] = [(merged[left][0], merged[left + 1][1])]
        position = left
    return merged
