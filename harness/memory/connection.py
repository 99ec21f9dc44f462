"""The way to Chroma: embedded in one process or over HTTP; collections that carry version and embedder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from harness.errors import UserError
from harness.memory.embedders import Embedder, Vectors, slug

SCHEMA = 1
LOCK_FILE = "roundtable.lock"
OWNER_FILE = "roundtable.owner.json"
BATCH = 256

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Row:
    """One stored entry: its id, the text that is embedded, flat metadata."""

    id: str
    document: str
    metadata: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that a query found; `score` is the cosine similarity, 1 is the same direction."""

    row: Row
    score: float


class Connection:
    """An open store. Embedded (a folder, locked by this process) or a server started by `chroma run`."""

    def __init__(self, where: str, client: Any, lock: Any | None) -> None:
        self.where = where
        self._client = client
        self._lock = lock

    @property
    def embedded(self) -> bool:
        """Whether the store lives in this process."""
        return self._lock is not None

    def collection(self, kind: str, embedder: Embedder) -> Collection:
        """The collection of `kind` ("kernels", "papers") in the space of `embedder`, made when missing.

        What other embedders' collections of this kind hold is re-embedded from its stored text, never mixed.
        Raises UserError when the stored version, embedder or dimension is not the expected one.
        """
        name = f"{kind}-{slug(embedder.name)}"
        expected = {
            "kind": kind,
            "schema": SCHEMA,
            "embedder": embedder.name,
            "dimension": embedder.dimension,
        }
        with translated(self.where):
            names = {str(found.name) for found in self._client.list_collections()}
            raw = self._open(name, expected, exists=name in names)
            self._check(raw, expected)
            collection = Collection(raw, embedder, self.where)
            for other in sorted(names - {name}):
                if other.startswith(f"{kind}-"):
                    self._adopt(collection, kind, other)
        return collection

    def siblings(self, kind: str, collection: Collection) -> list[Collection]:
        """The collections of this kind in other embedders' spaces, to read and to delete from."""
        with translated(self.where):
            names = sorted(str(found.name) for found in self._client.list_collections())
            wanted = [name for name in names if name.startswith(f"{kind}-") and name != collection.name]
            return [Collection(self._client.get_collection(name, None), None, self.where) for name in wanted]

    def _open(self, name: str, metadata: Mapping[str, Scalar], exists: bool) -> Any:
        if not exists:
            from chromadb.errors import ChromaError

            try:
                return self._client.create_collection(
                    name,
                    metadata=dict(metadata),
                    configuration={"hnsw": {"space": "cosine"}},
                    embedding_function=None,
                )
            except ChromaError:
                # Another client of the same server may have made it since the list was read; anything else
                # shows again on the next line.
                pass
        return self._client.get_collection(name, embedding_function=None)

    def _check(self, raw: Any, expected: Mapping[str, Scalar]) -> None:
        found = raw.metadata or {}
        for key, value in expected.items():
            if found.get(key) != value:
                raise UserError(
                    f"the memory at {self.where} holds a collection '{raw.name}' with {key} {found.get(key)!r}, this "
                    f"version needs {value!r}; export it with the version that made it "
                    "(python -m harness.memory export FILE) and import it into a new place (--memory OTHER)"
                )

    def _adopt(self, collection: Collection, kind: str, other: str) -> None:
        """Copy rows that the other space has and this one has not, or has in an older state."""
        raw = self._client.get_collection(other, embedding_function=None)
        if (raw.metadata or {}).get("kind") != kind:
            return
        if (raw.metadata or {}).get("schema") != SCHEMA:
            self._check(raw, {"schema": SCHEMA})
        source = Collection(raw, None, self.where)
        theirs, ours = source.stamps(), collection.stamps()
        wanted = [key for key, stamp in theirs.items() if key not in ours or ours[key] < stamp]
        for start in range(0, len(wanted), BATCH):
            collection.upsert(source.rows(ids=wanted[start : start + BATCH]))

    def close(self) -> None:
        """Let go of the store and of its lock; a second call does nothing."""
        try:
            self._client.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Collection:
    """One Chroma collection with rows in and out; writing the same row twice changes nothing."""

    def __init__(self, raw: Any, embedder: Embedder | None, where: str) -> None:
        self._raw = raw
        self._embedder = embedder
        self._where = where
        self.name = str(raw.name)

    def upsert(self, rows: Sequence[Row]) -> None:
        """Embed and store; every batch of at most 256 rows is on disk as a whole when the call returns."""
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
    ) -> list[Row]:
        """All rows, those with these ids, or those whose metadata equals all of `equal`."""
        with translated(self._where):
            found = self._raw.get(
                ids=list(ids) if ids is not None else None,
                where=conditions(equal or {}),
                include=["documents", "metadatas"],
            )
        zipped = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
        return [Row(key, document or "", metadata or {}) for key, document, metadata in zipped]

    def stamps(self) -> dict[str, str]:
        """Every id with its "stamp", a text that grows when the row is renewed ("" where there is none)."""
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
            Hit(Row(key, document or "", metadata or {}), 1.0 - float(distance))
            for key, document, metadata, distance in zip(*columns, strict=True)
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.row.id))

    def delete(self, equal: Mapping[str, Scalar]) -> None:
        """Remove the rows whose metadata equals all of `equal`, which must not be empty."""
        if not equal:
            raise ValueError("refusing to delete everything")
        with translated(self._where):
            self._raw.delete(where=conditions(equal))

    def count(self) -> int:
        """How many rows there are."""
        with translated(self._where):
            return int(self._raw.count())


def conditions(equal: Mapping[str, Scalar]) -> dict[str, Any] | None:
    """Chroma's `where`: nothing, one condition, or several under an explicit $and."""
    parts = [{key: {"$eq": value}} for key, value in sorted(equal.items())]
    if len(parts) > 1:
        return {"$and": parts}
    return parts[0] if parts else None


def nonzero(vectors: Vectors) -> Vectors:
    """Cosine distance is undefined for a zero row (a text without words); it gets a fixed direction."""
    empty = ~vectors.any(axis=1)
    if empty.any():
        vectors = vectors.copy()
        vectors[empty, 0] = 1.0
    return vectors


def connect(where: str) -> Connection:
    """Open the store at `where`: a folder (made when missing), or "http://host:port" of a `chroma run`.

    Raises UserError when another process has the folder open, it cannot be written, or no server answers.
    """
    if where.startswith(("http://", "https://")):
        return _connect_server(where)
    if "://" in where:
        raise UserError(
            f"--memory {where}: unknown scheme; give a folder, or http://host:port of a `chroma run`"
        )
    return _open_folder(Path(where).expanduser())


def _settings() -> Any:
    from chromadb.config import Settings

    return Settings(anonymized_telemetry=False)


def _connect_server(where: str) -> Connection:
    parts = urlsplit(where)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 8000)
    except ValueError:
        raise UserError(f"--memory {where}: the port is not a number; expected http://host:port") from None
    if not parts.hostname:
        raise UserError(f"--memory {where}: no host; expected http://host:port")
    import chromadb

    try:
        client = chromadb.HttpClient(parts.hostname, port, ssl=parts.scheme == "https", settings=_settings())
        client.heartbeat()
    except Exception as error:  # httpx, ValueError and Chroma's own types, depending on where it fails
        raise UserError(
            f"--memory {where}: no Chroma server answers ({_first_line(error)}); "
            f"start one with: chroma run --path FOLDER --port {port}"
        ) from None
    return Connection(where, client, None)


def _open_folder(folder: Path) -> Connection:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        raise UserError(
            f"--memory {folder}: cannot be written ({error.strerror}); choose a folder of yours with --memory PATH"
        ) from None
    lock = _take_lock(folder)
    try:
        import chromadb

        with translated(str(folder)):
            client = chromadb.PersistentClient(str(folder.resolve()), settings=_settings())
    except BaseException:
        lock.release()
        raise
    return Connection(str(folder), client, lock)


def _take_lock(folder: Path) -> Any:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"--memory {folder}: open in another process ({_owner(folder)}); wait for it or stop it, or share the memory: "
            f"chroma run --path {folder} --port 8000, then --memory http://localhost:8000 in both"
        ) from None
    except OSError as error:
        raise UserError(
            f"--memory {folder}: cannot be locked ({error.strerror}); choose another with --memory PATH"
        ) from None
    write_whole(folder / OWNER_FILE, json.dumps({"pid": os.getpid()}) + "\n")
    return lock


def _owner(folder: Path) -> str:
    """Who holds the lock, as far as can be read; the file is only a hint, the lock is the truth."""
    try:
        return f"process {int(json.loads((folder / OWNER_FILE).read_text())['pid'])}"
    except (OSError, ValueError, KeyError, TypeError):
        return "process unknown"


def write_whole(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old content or the new one, never a half; raises UserError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free some space or choose another place"
        ) from None


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Chroma's, SQLite's and the network's errors as one line for a person."""
    import httpx
    from chromadb.errors import ChromaError

    try:
        yield
    except (ChromaError, httpx.HTTPError, OSError) as error:
        reason = _first_line(error)
        if "disk" in reason.lower() and "full" in reason.lower():
            raise UserError(
                f"the memory at {where} cannot be written: the disk is full; free some space and run again"
            ) from None
        raise UserError(
            f"the memory at {where} failed: {reason}; what was recorded before is kept; run again, or choose another "
            "with --memory PATH"
        ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
