"""The retrieval benchmark: no leaks, and the expected figures for perfect and for blind embedders."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from harness.corpus import manifest
from harness.corpus.chunker import PageText, fixed_chunks
from harness.store.embedders import HashedEmbedder, Vectors
from harness.studies import retrieval
from tests.conftest import ROOT


def papers() -> tuple[manifest.Paper, ...]:
    words = ["zebra", "walrus", "pelican", "badger", "otter", "lynx", "heron"]

    def lesson(word: str, number: int) -> str:
        return (
            f"{word.title()} number {number} is about {word} things and {word} habits, day after {word} day. "
            * 2
        )

    return tuple(
        manifest.Paper(
            f"arXiv:2001.0000{i}", word, ("A",), 2020, "t", "u", tuple(lesson(word, j) for j in range(3))
        )
        for i, word in enumerate(words)
    )


class Blind:
    """Maps every text to the same direction."""

    name = "blind"
    dimension = 4
    announcement = ""

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return np.tile(np.array([1, 0, 0, 0], np.float32), (len(texts), 1))

    def embed_query(self, text: str) -> Vectors:
        return self.embed_documents([text])[0]


def test_an_easy_corpus_is_found_and_semantic_cutting_follows_the_subjects() -> None:
    semantic, *others = retrieval.compare(papers(), HashedEmbedder(512), seeds=(1, 2))
    assert semantic.questions == 21
    assert semantic.hit_at_1 > 0.9
    assert others[-1].mrr == 1.0
    assert all(0 <= f.mrr_low <= f.mrr <= f.mrr_high <= 1 for f in (semantic, *others))


def by_size(text: str) -> list[str]:
    return [chunk.text for chunk in fixed_chunks([PageText(None, text)], 200, 40)]


def test_no_question_is_among_the_documents() -> None:
    for held in range(3):
        cut = retrieval.cut_files(papers(), held, 1, by_size)
        for text, owner in [*cut, *retrieval.stored_lessons(papers(), held)]:
            assert papers()[owner].lessons[held].strip() not in text


def test_a_blind_embedder_gets_the_mean_rank() -> None:
    (*_, stored) = retrieval.compare(papers(), Blind(), seeds=(1,))
    assert stored.hit_at_1 == 0.0
    assert stored.mrr == 0.25  # rank 4 of 7
    assert retrieval.chance(papers()) == (1 / 7, 5 / 7, sum(1 / r for r in range(1, 8)) / 7)


def test_the_recorded_figures_are_what_the_benchmark_measures_today() -> None:
    record = json.loads((ROOT / "results" / "retrieval.json").read_text())
    (stored,) = [
        f
        for f in record["figures"]
        if f["cutting"].startswith("lesson") and f["embedder"] == "hashed-v1-1024"
    ]
    found = retrieval.compare(manifest.read(), HashedEmbedder(), seeds=(1,))[-1]
    assert (found.hit_at_1, found.hit_at_5, found.mrr) == (
        stored["hit_at_1"],
        stored["hit_at_5"],
        stored["mrr"],
    )
