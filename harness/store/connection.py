"""Opens Chroma, embedded in one process or over HTTP; collections record their version and embedder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from harness.durable import private_folder, write_whole
from harness.errors import UserError
from harness.store.collection import BATCH, Collection, Scalar
from harness.store.embedders import Embedder, slug
from harness.store.faults import damaged, first_line, translated

SCHEMA = 1
LOCK_FILE = "roundtable.lock"
OWNER_FILE = "roundtable.owner.json"
# Chroma 1.5 writes its vector index as several files in place, and a kill during that makes the whole
# collection permanently unreadable ("Failed to apply logs to the hnsw segment writer"). Below sync_threshold
# only SQLite is written, and each opening rebuilds the index from there, 0.4 s per thousand rows.
HNSW: Mapping[str, str | int] = {
    "space": "cosine",
    "sync_threshold": 10_000_000,
    "ef_construction": 200,
    "ef_search": 200,
}


class Connection:
    """An open store: a folder, locked by this process, or a server started by `chroma run`."""

    def __init__(self, where: str, client: Any, lock: Any | None) -> None:
        self.where = where
        self._client = client
        self._lock = lock

    @property
    def embedded(self) -> bool:
        """Whether the store runs in this process."""
        return self._lock is not None

    def collection(self, kind: str, embedder: Embedder) -> Collection:
        """The collection of `kind` ("kernels", "papers") for `embedder`, created when missing.

        Rows of this kind in other embedders' collections are re-embedded from their stored text, never mixed. Raises
        UserError when the stored version, embedder or dimension is not the expected one.
        """
        name = f"{kind}-{slug(embedder.name)}"
        expected: dict[str, Scalar] = {
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
        """The collections of this kind for other embedders, to read and to delete from."""
        with translated(self.where):
            names = sorted(str(found.name) for found in self._client.list_collections())
            others = [name for name in names if name.startswith(f"{kind}-") and name != collection.name]
            opened = [self._client.get_collection(name, embedding_function=None) for name in others]
        return [
            Collection(raw, None, self.where) for raw in opened if (raw.metadata or {}).get("kind") == kind
        ]

    def _open(self, name: str, metadata: Mapping[str, Scalar], exists: bool) -> Any:
        if not exists:
            from chromadb.errors import ChromaError

            # Another client of the same server may have created it in the meantime; any other error appears
            # again when it is opened.
            with suppress(ChromaError):
                self._client.create_collection(
                    name, metadata=dict(metadata), configuration={"hnsw": dict(HNSW)}, embedding_function=None
                )
        return self._client.get_collection(name, embedding_function=None)

    def _check(self, raw: Any, expected: Mapping[str, Scalar]) -> None:
        found = raw.metadata or {}
        for key, value in expected.items():
            if found.get(key) != value:
                raise UserError(
                    f"the memory at {self.where} holds '{raw.name}' with {key} {found.get(key)!r}, "
                    f"this version needs {value!r}; export it with the version that made it "
                    "(python -m harness.memory export FILE) and import it into a new place (--memory OTHER)"
                )

    def _adopt(self, collection: Collection, kind: str, other: str) -> None:
        """Copy the rows that another embedder's collection has and this one lacks or has in an older state."""
        from tqdm import tqdm

        raw = self._client.get_collection(other, embedding_function=None)
        if (raw.metadata or {}).get("kind") != kind:
            return
        if (raw.metadata or {}).get("schema") != SCHEMA:
            self._check(raw, {"schema": SCHEMA})
        source = Collection(raw, None, self.where)
        theirs, ours = source.stamps(), collection.stamps()
        wanted = [key for key, stamp in theirs.items() if key not in ours or ours[key] < stamp]
        # A model takes minutes for thousands of texts; disable=None draws the bar on a terminal only.
        batches = range(0, len(wanted), BATCH)
        for start in tqdm(batches, desc=f"embedding anew in {collection.name}", disable=None, leave=False):
            collection.upsert(source.rows(ids=wanted[start : start + BATCH]))

    def close(self) -> None:
        """Close the store and release its lock; safe to call twice."""
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


def connect(where: str) -> Connection:
    """Open the store at `where`: a folder (created when missing), or "http://host:port" of a `chroma run`.

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
            f"--memory {where}: no Chroma server answers ({first_line(error)}); "
            f"start one with: chroma run --path FOLDER --port {port}"
        ) from None
    return Connection(where, client, None)


def _open_folder(folder: Path) -> Connection:
    private_folder(folder)
    lock = _take_lock(folder)
    try:
        client = _open_client(folder)
    except BaseException:
        lock.release()
        raise
    return Connection(str(folder), client, lock)


def _open_client(folder: Path) -> Any:
    import chromadb

    with translated(str(folder)):
        try:
            return chromadb.PersistentClient(str(folder.resolve()), settings=_settings())
        except (ValueError, AttributeError, RuntimeError) as error:
            # A store that does not open leaves Chroma's client half initialised, which then fails in other
            # ways.
            raise damaged(str(folder), first_line(error)) from None


def _take_lock(folder: Path) -> Any:
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"--memory {folder}: open in another process ({_owner(folder)}); wait for it, or share it: "
            f"chroma run --path {folder} --port 8000, then --memory http://localhost:8000 in both"
        ) from None
    except OSError as error:
        raise UserError(
            f"--memory {folder}: cannot be locked ({error.strerror}); choose another with --memory PATH"
        ) from None
    write_whole(folder / OWNER_FILE, json.dumps({"pid": os.getpid()}) + "\n")
    return lock


def _owner(folder: Path) -> str:
    """The process that holds the lock, as far as it can be read; the file is only a hint, the lock decides."""
    try:
        return f"process {int(json.loads((folder / OWNER_FILE).read_text(encoding='utf-8'))['pid'])}"
    except (OSError, ValueError, KeyError, TypeError):
        return "process unknown"
