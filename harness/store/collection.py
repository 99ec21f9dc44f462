"""A Chroma collection: writes rows, reads rows and hits, and translates the store's errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.store.embedders import Embedder, Vectors
from harness.store.faults import translated

BATCH = 256

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One stored entry: its id, the embedded text, and flat metadata."""

    id: str
    document: str
    metadata: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Hit:
    """A row found by a query; `score` is the cosine similarity, 1 for the same direction."""

    row: StoredRow
    score: float


class Collection:
    """One Chroma collection; writing the same row twice changes nothing."""

    def __init__(self, raw: Any, embedder: Embedder | None, where: str) -> None:
        self._raw = raw
        self._embedder = embedder
        self._where = where
        self.name = str(raw.name)

    def upsert(self, rows: Sequence[StoredRow]) -> None:
        """Embed and store rows in batches of at most 256; each batch is on disk as a whole when the call returns."""
        if self._embedder is None:
            raise ValueError(f"{self.name} was opened without its embedder")
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            vectors = self._embedder.embed_documents([row.document for row in part])
            with translated(self._where):
                self._raw.upsert(
                    ids=[row.id for row in part],
                    embeddings=nonzero(vectors),
                    documents=[row.document for row in part],
                    metadatas=[dict(row.metadata) for row in part],
                )

    def rows(
        self, *, ids: Sequence[str] | None = None, equal: Mapping[str, Scalar] | None = None
    ) -> list[StoredRow]:
        """All rows, those with these ids, or those whose metadata equals all of `equal`."""
        with translated(self._where):
            found = self._raw.get(
                ids=list(ids) if ids is not None else None,
                where=conditions(equal or {}),
                include=["documents", "metadatas"],
            )
        zipped = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
        return [StoredRow(key, document or "", metadata or {}) for key, document, metadata in zipped]

    def stamps(self) -> dict[str, str]:
        """Every id with its "stamp", a text that sorts later when the row is renewed ("" for rows without one)."""
        with translated(self._where):
            found = self._raw.get(include=["metadatas"])
        return {
            key: str((metadata or {}).get("stamp", ""))
            for key, metadata in zip(found["ids"], found["metadatas"], strict=True)
        }

    def query(self, text: str, n: int, equal: Mapping[str, Scalar] | None = None) -> list[Hit]:
        """The n rows nearest to `text`, best first, among those whose metadata equals `equal`."""
        if self._embedder is None:
            raise ValueError(f"{self.name} was opened without its embedder")
        vector = self._embedder.embed_query(text)
        if n < 1 or not vector.any():
            return []
        with translated(self._where):
            found = self._raw.query(
                query_embeddings=vector[None, :],
                n_results=n,
                where=conditions(equal or {}),
                include=["documents", "metadatas", "distances"],
            )
        columns = (found[key][0] for key in ("ids", "documents", "metadatas", "distances"))
        hits = [
            Hit(StoredRow(key, document or "", metadata or {}), 1.0 - float(distance))
            for key, document, metadata, distance in zip(*columns, strict=True)
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.row.id))

    def delete(self, equal: Mapping[str, Scalar]) -> None:
        """Remove the rows whose metadata equals all of `equal`, which must not be empty."""
        if not equal:
            raise ValueError("refusing to delete everything")
        with translated(self._where):
            self._raw.delete(where=conditions(equal))

    def delete_ids(self, ids: Sequence[str]) -> None:
        """Remove these rows; ids that are not there are ignored."""
        with translated(self._where):
            for start in range(0, len(ids), BATCH):
                self._raw.delete(ids=list(ids[start : start + BATCH]))

    def count(self) -> int:
        """The number of rows."""
        with translated(self._where):
            return int(self._raw.count())


def conditions(equal: Mapping[str, Scalar]) -> dict[str, Any] | None:
    """Chroma's `where` argument: nothing, one condition, or several under an explicit $and."""
    parts = [{key: {"$eq": value}} for key, value in sorted(equal.items())]
    if len(parts) > 1:
        return {"$and": parts}
    return parts[0] if parts else None


def nonzero(vectors: Vectors) -> Vectors:
    """The rows with a fixed direction in place of zero rows (texts without words), whose cosine distance is
    undefined.
    """
    empty = ~vectors.any(axis=1)
    if empty.any():
        vectors = vectors.copy()
        vectors[empty, 0] = 1.0
    return vectors
