"""The library of papers: shipped lessons and passages of ingested papers, found by meaning."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.corpus import manifest
from harness.corpus.manifest import Paper
from harness.store.collection import Collection, Scalar, StoredRow
from harness.store.connection import Connection
from harness.store.embedders import Embedder

KIND = "papers"

PassageKind = Literal["lesson", "passage"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A search result: a lesson, or a passage of a paper with its page (from 1; None without pages).

    `score` is the cosine similarity to the query, 1 for identical direction.
    """

    paper_id: str
    title: str
    text: str
    score: float
    page: int | None
    kind: PassageKind


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage to store: text and page (from 1; None for texts without pages)."""

    text: str
    page: int | None


@dataclass(frozen=True, slots=True)
class Document:
    """An ingested file: content hash, paper, splitting method, number of passages stored and expected."""

    content: str
    paper_id: str
    title: str
    cut: str
    present: int
    expected: int

    @property
    def complete(self) -> bool:
        """Whether every passage was stored; after a kill, an incomplete document is ingested again."""
        return self.present == self.expected


def open_library(
    connection: Connection, embedder: Embedder, papers: Path = manifest.MANIFEST
) -> PaperLibrary:
    """The library in an open store, with the manifest's lessons brought up to date.

    Raises UserError for a malformed manifest, another version's collection or a store that cannot be written.
    """
    library = PaperLibrary(connection, embedder)
    library.sync_lessons(manifest.read(papers))
    return library


class PaperLibrary:
    """Lessons and passages in one Chroma collection. The connection is closed by its owner."""

    def __init__(self, connection: Connection, embedder: Embedder) -> None:
        self.embedder = embedder
        self._connection = connection
        self._collection: Collection = connection.collection(KIND, embedder)

    def search(self, query: str, k: int, kind: PassageKind | None = None) -> list[Passage]:
        """The k passages nearest to `query`, best first; lessons and passages unless `kind` selects one."""
        equal: dict[str, Scalar] = {"type": kind} if kind else {}
        return [_passage(hit.row, hit.score) for hit in self._collection.query(query, k, equal)]

    def count(self, kind: PassageKind | None = None) -> int:
        """The number of lessons and passages, or of one kind."""
        if kind is None:
            return self._collection.count()
        return len(self._collection.rows(equal={"type": kind}))

    def sync_lessons(self, papers: Iterable[Paper]) -> None:
        """Make the stored lessons equal to those of `papers`: add missing ones, remove others."""
        wanted = {row.id: row for paper in papers for row in _lessons(paper)}
        stored = {row.id for row in self._collection.rows(equal={"type": "lesson"})}
        self._collection.upsert([row for key, row in wanted.items() if key not in stored])
        if stale := sorted(stored - set(wanted)):
            for collection in self._all():
                collection.delete_ids(stale)

    def documents(self) -> dict[str, Document]:
        """Every ingested file by its content hash, complete or not."""
        found: dict[str, Document] = {}
        for row in self._collection.rows(equal={"type": "passage"}):
            content = str(row.metadata["document"])
            present = found[content].present if content in found else 0
            found[content] = Document(
                content=content,
                paper_id=str(row.metadata["paper"]),
                title=str(row.metadata["title"]),
                cut=str(row.metadata["cut"]),
                present=present + 1,
                expected=int(row.metadata["of"]),
            )
        return found

    def add(self, content: str, paper_id: str, title: str, cut: str, chunks: Sequence[Chunk]) -> None:
        """Store a file's passages in place of earlier ones with the same content; on disk when this returns."""
        self.remove(content)
        rows = []
        for number, chunk in enumerate(chunks):
            metadata: dict[str, Scalar] = {
                "type": "passage",
                "paper": paper_id,
                "title": title,
                "text": chunk.text,
                "page": chunk.page or 0,
                "document": content,
                "cut": cut,
                "of": len(chunks),
            }
            rows.append(StoredRow(_key("passage", content, cut, str(number)), chunk.text, metadata))
        self._collection.upsert(rows)

    def remove(self, content: str) -> None:
        """Remove a file's passages from every embedder's collection, so that switching embedders does not
        restore them.
        """
        for collection in self._all():
            collection.delete({"document": content})

    def _all(self) -> list[Collection]:
        return [self._collection, *self._connection.siblings(KIND, self._collection)]


def _lessons(paper: Paper) -> list[StoredRow]:
    """One row per lesson, embedded together with the title, because a lesson omits its paper's topic."""
    rows = []
    for lesson in paper.lessons:
        metadata: dict[str, Scalar] = {
            "type": "lesson",
            "paper": paper.id,
            "title": paper.title,
            "text": lesson,
            "page": 0,
            "document": "",
            "topic": paper.topic,
        }
        rows.append(
            StoredRow(_key("lesson", paper.id, paper.title, lesson), f"{paper.title}. {lesson}", metadata)
        )
    return rows


def _passage(row: StoredRow, score: float) -> Passage:
    return Passage(
        paper_id=str(row.metadata["paper"]),
        title=str(row.metadata["title"]),
        text=str(row.metadata["text"]),
        score=score,
        page=int(row.metadata["page"]) or None,
        kind="lesson" if row.metadata["type"] == "lesson" else "passage",
    )


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
