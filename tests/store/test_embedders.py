"""Embedders: the offline one, and a real sentence-transformers model that the test creates (tiny, random)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.memory.kernels import open_memory
from harness.store import embedders
from harness.store.connection import connect
from harness.store.embedders import BGE, BGE_QUERY_PREFIX, HashedEmbedder, make, slug
from tests.memory.samples import ZEN, accepted

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "cache",
    "tile",
    "panel",
    "rank",
    "tensor",
    "represent",
    "this",
]


@settings(deadline=None, max_examples=80)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_hashed_vectors_are_unit_or_zero_and_repeat_themselves(texts: list[str]) -> None:
    embedder = HashedEmbedder(128)
    rows = embedder.embed_documents(texts)
    assert rows.shape == (len(texts), 128)
    assert rows.dtype == np.float32
    norms = np.linalg.norm(rows, axis=1)
    assert np.all((np.abs(norms - 1) < 1e-5) | (norms == 0))
    assert np.array_equal(rows, embedder.embed_documents(texts))
    for text, row in zip(texts, rows, strict=True):
        assert np.array_equal(embedder.embed_query(text), row)


def test_hashed_vectors_are_the_same_on_every_machine() -> None:
    """Stored vectors are shared between machines, so a change of the features needs a new name."""
    row = HashedEmbedder().embed_query("packed panels of A stay in the L2 cache")
    assert HashedEmbedder().name == "hashed-v1-1024"
    places = np.flatnonzero(row)
    assert (len(places), int(places.sum())) == (56, 29599)


def test_hashed_finds_related_words() -> None:
    embedder = HashedEmbedder()
    near, far = embedder.embed_documents(
        ["Blocking for the caches of the processor", "Tensor decomposition over rings"]
    )
    query = embedder.embed_query("cache blocking")
    assert query @ near > 0.2 > query @ far


def test_slugs_are_valid_chroma_names_and_differ() -> None:
    names = ["hashed-v1-1024", BGE, "st:/a b/ü", "st:a-b", "st:a_b", "x" * 300]
    assert len({slug(name) for name in names}) == len(names)
    for name in names:
        assert slug(name).replace("-", "").isalnum()
        assert len(slug(name)) < 60


def test_without_the_extra_one_line_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UserError, match=r"pip install 'matmul-round-table\[semantic\]'.*GB.*hashed"):
        make(BGE)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers and 32 dimensions with random weights, saved in the format of sentence-transformers."""
    models = pytest.importorskip("sentence_transformers", reason="needs the extra 'semantic'")
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny") / "bge-tiny-en"
    bert = folder.parent / "bert"
    bert.mkdir()
    (bert / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    torch.manual_seed(7)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    )
    transformers.BertModel(config).save_pretrained(bert)
    transformers.BertTokenizer(str(bert / "vocab.txt")).save_pretrained(bert)
    try:
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    except ImportError:  # before version 6
        from sentence_transformers.models import Pooling, Transformer
    body = Transformer(str(bert), max_seq_length=64)
    models.SentenceTransformer(modules=[body, Pooling(32)], device="cpu").save(str(folder))
    return folder


@pytest.mark.slow
def test_a_real_model_by_folder_with_the_authors_prefix(tiny: Path) -> None:
    embedder = make(str(tiny))
    assert embedder.dimension == 32
    assert embedder.name.startswith("st:bge-tiny-en@")
    rows = embedder.embed_documents(["cache tile", "tensor rank", ""])
    assert rows.shape == (3, 32)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert not np.allclose(rows[0], rows[1], atol=1e-3)
    prefixed = embedder.embed_documents([BGE_QUERY_PREFIX + "cache tile"])[0]
    assert np.allclose(embedder.embed_query("cache tile"), prefixed, atol=1e-6)
    assert embedder.embed_documents([]).shape == (0, 32)
    assert make(str(tiny)).name == embedder.name


@pytest.mark.slow
def test_switching_to_the_model_and_back_keeps_every_kernel(tiny: Path, tmp_path: Path) -> None:
    def put(memory, name):  # type: ignore[no-untyped-def]
        memory.record(accepted(0.5), name=name, source=f"// {name}", machine=ZEN, toolchain="", suite="")

    with open_memory(str(tmp_path)) as memory:
        put(memory, "first")
    with open_memory(str(tmp_path), make(str(tiny))) as memory:
        put(memory, "second")
        assert {kernel.name for kernel in memory.similar("first second", 5)} == {"first", "second"}
    with open_memory(str(tmp_path)) as memory:
        assert {kernel.name for kernel in memory.everything()} == {"first", "second"}


@pytest.mark.slow
def test_a_folder_that_is_no_model_and_a_name_that_is_not_there(
    tiny: Path, tmp_path: Path, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be loaded"):
        make(str(tmp_path))
    with pytest.raises(UserError, match="no such folder"):
        make("./absent")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for offline, why in (("0", "hub cannot be reached"), ("1", "HF_HUB_OFFLINE is set")):
        monkeypatch.setenv("HF_HUB_OFFLINE", offline)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline == "1")
        with pytest.raises(UserError, match=rf"{why}.*hf download nobody/absent-model.*hashed") as caught:
            make("nobody/absent-model")
        assert "\n" not in str(caught.value)


class Renamed(HashedEmbedder):
    """An embedder that claims another dimension."""

    def __init__(self) -> None:
        super().__init__(64)
        self.name = "hashed-v1-1024"


def test_a_collection_of_another_version_or_dimension_is_refused(tmp_path: Path) -> None:
    with connect(str(tmp_path)) as connection:
        connection.collection("kernels", HashedEmbedder())
        with pytest.raises(UserError, match=r"dimension 1024, this version needs 64.*export"):
            connection.collection("kernels", Renamed())
        metadata = {"kind": "kernels", "schema": 99, "embedder": "x", "dimension": 3}
        connection._client.create_collection("kernels-other", metadata=metadata, embedding_function=None)
        with pytest.raises(UserError, match="schema 99"):
            connection.collection("kernels", HashedEmbedder(64))


def test_the_default_embedding_function_is_never_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import chromadb.utils.embedding_functions as functions

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("would download a model")

    monkeypatch.setattr(functions.DefaultEmbeddingFunction, "__call__", refuse)
    with open_memory(str(tmp_path)) as memory:
        memory.record(accepted(0.5), name="k", source="// k", machine=ZEN, toolchain="", suite="")
        assert memory.similar("k", 1)
    assert embedders.HASHED == "hashed"
