"""Splitting: nothing is lost, sizes are kept, results are repeatable, passages end where the topic changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.corpus.chunker import PageText, Splitting, fixed_chunks, semantic_chunks, sentences
from harness.store.embedders import HashedEmbedder

EMBEDDER = HashedEmbedder(256)
WORDS = st.sampled_from(
    ["cache", "tile", "tensor", "Strassen", "panel.", "A!", "loop?", "e.g.", "Fig.", "3.5", "x"]
)
TEXTS = st.lists(WORDS, max_size=120).map(" ".join)
PAGES = st.lists(TEXTS, max_size=4).map(lambda texts: [PageText(i, text) for i, text in enumerate(texts, 1)])
CUTS = st.builds(
    Splitting,
    shortest=st.integers(1, 100),
    longest=st.integers(200, 600),
    window=st.integers(1, 3),
    percentile=st.floats(0, 100),
)


@settings(deadline=None, max_examples=60)
@given(PAGES, CUTS)
def test_semantic_splitting_loses_nothing_keeps_sizes_and_is_repeatable(
    pages: list[PageText], cut: Splitting
) -> None:
    chunks = semantic_chunks(pages, EMBEDDER, cut)
    assert " ".join(c.text for c in chunks).split() == " ".join(p.text for p in pages).split()
    assert all(0 < len(chunk.text) <= cut.longest for chunk in chunks)
    assert chunks == semantic_chunks(pages, EMBEDDER, cut)
    assert [c.page for c in chunks] == sorted(c.page or 0 for c in chunks)


@settings(deadline=None, max_examples=60)
@given(PAGES, st.integers(20, 300))
def test_fixed_splitting_covers_everything(pages: list[PageText], size: int) -> None:
    chunks = fixed_chunks(pages, size, overlap=size // 4)
    assert all(0 < len(chunk.text) <= size for chunk in chunks)
    assert {w for c in fixed_chunks(pages, size, 0) for w in c.text.split()} == {
        w for p in pages for w in p.text.split()
    }


@settings(deadline=None, max_examples=100)
@given(TEXTS)
def test_sentences_lose_nothing(text: str) -> None:
    assert " ".join(sentences(text)).split() == text.split()


def test_sentences_know_abbreviations_decimals_and_paragraphs() -> None:
    text = "As in Fig. 3 and by Smith et al. The ratio is 0.85. Is it? Yes (it is.) Next\n\nA title, no stop\n \nEnd."
    assert sentences(text) == [
        "As in Fig. 3 and by Smith et al. The ratio is 0.85.",
        "Is it?",
        "Yes (it is.)",
        "Next",
        "A title, no stop",
        "End.",
    ]


def test_a_passage_ends_where_the_topic_changes() -> None:
    caches = "The cache holds a panel of the matrix. A panel in the cache is read by the kernel. "
    ranks = "The tensor rank counts the products. A tensor of low rank needs fewer products. "
    (first, second) = semantic_chunks(
        [PageText(1, caches * 3 + ranks * 3)], EMBEDDER, Splitting(shortest=100, longest=600, percentile=95)
    )
    assert first.text == (caches * 3).strip()
    assert second.text == (ranks * 3).strip()


def test_a_sentence_over_a_page_break_stays_whole_and_keeps_its_first_page() -> None:
    pages = [PageText(4, "A sentence that begins here and"), PageText(5, "ends over there. Another one.")]
    (chunk,) = semantic_chunks(pages, EMBEDDER)
    assert chunk.text == "A sentence that begins here and ends over there. Another one."
    assert chunk.page == 4


def test_an_endless_word_is_split_and_bad_parameters_are_refused() -> None:
    assert [len(c.text) for c in semantic_chunks([PageText(None, "x" * 2500)], EMBEDDER)] == [1200, 1200, 100]
    assert semantic_chunks([], EMBEDDER) == []
    with pytest.raises(ValueError, match="not a way to split"):
        Splitting(shortest=500, longest=600)
    with pytest.raises(ValueError, match="overlap"):
        fixed_chunks([], 10, 10)
