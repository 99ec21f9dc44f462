"""Measures retrieval on questions made from the lessons: `python -m harness.studies.retrieval`.

The papers themselves are not part of the project, so the benchmark uses the lessons of the manifest. Each lesson in
turn is the question and is removed from the documents. The documents are one text per paper, made of its remaining
lessons; several papers are joined into one file, as in a proceedings volume, so that chunking has boundaries to find. A
passage that mixes papers counts for the paper with most of its characters; a hit is a passage of the paper that the
question came from.

No question shares a sentence with its answer, and the lessons of one paper cover different topics, so all figures are
low by construction. They compare methods of chunking and embedding; they do not say how well a person's question is
answered, and real papers may rank the methods differently. Two methods whose difference has 0 in its interval are not
distinguished by these questions.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.corpus import manifest
from harness.corpus.chunker import PageText, Splitting, fixed_chunks, semantic_chunks
from harness.corpus.manifest import Paper
from harness.durable import write_whole
from harness.errors import UserError
from harness.places import RESULTS
from harness.store import embedders
from harness.store.embedders import Embedder

PAPERS_PER_FILE = 6
SEEDS = (1, 2, 3, 4, 5)
# Lessons have 100 to 250 characters, so passages hold two or three; a library of whole papers uses longer ones.
SEMANTIC = Splitting(shortest=150, longest=700, window=1, percentile=65.0)

Cutter = Callable[[str], list[str]]
# A passage and the index of the paper that it counts for.
Passages = list[tuple[str, int]]
# 1/rank by (seed, paper, lesson that asks); NaN where there is no such lesson.
Found = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """One method of chunking with one embedder: shares of questions answered at rank 1 and by rank 5, mean of 1/rank.

    `mrr_low`, `mrr_high`: 95 % interval by a bootstrap over papers, because lessons of one paper are not independent.
    `gain`, `gain_low`, `gain_high`: this MRR minus that of semantic chunking, question by question. A paper without a
    passage of its own counts 1/rank as 0.
    """

    embedder: str
    cutting: str
    questions: int
    hit_at_1: float
    hit_at_5: float
    mrr: float
    mrr_low: float
    mrr_high: float
    gain: float
    gain_low: float
    gain_high: float
    mean_characters: float


def compare(papers: Sequence[Paper], embedder: Embedder, seeds: Sequence[int] = SEEDS) -> list[Figures]:
    """All methods of chunking with one embedder; fixed sizes use the mean passage length of semantic chunking."""

    def by_meaning(text: str) -> list[str]:
        return [chunk.text for chunk in semantic_chunks([PageText(None, text)], embedder, SEMANTIC)]

    base, length = _measure(
        papers, embedder, seeds, lambda held, seed: cut_files(papers, held, seed, by_meaning)
    )
    figures = [_figures("semantic", embedder, base, base, length)]
    for name, overlap in (("fixed size", 0.0), ("fixed size, 20 % overlap", 0.2)):
        cutter = _by_size(papers, length, overlap)
        found, size = _measure(papers, embedder, seeds, partial(_cut_by, papers, cutter))
        figures.append(_figures(name, embedder, found, base, size))
    # Nothing is shuffled here, so one seed stands for all.
    found, size = _measure(papers, embedder, seeds[:1], lambda held, _: stored_lessons(papers, held))
    found = np.repeat(found, len(seeds), axis=0)
    return [*figures, _figures("lesson by lesson with titles, as stored", embedder, found, base, size)]


def _cut_by(papers: Sequence[Paper], cutter: Cutter, held: int, seed: int) -> Passages:
    return cut_files(papers, held, seed, cutter)


def cut_files(papers: Sequence[Paper], held: int, seed: int, cutter: Cutter) -> Passages:
    """Chunk files of several papers, each without its lesson number `held`; returns every passage with its paper."""
    order = list(range(len(papers)))
    random.Random(seed).shuffle(order)
    found: Passages = []
    for start in range(0, len(order), PAPERS_PER_FILE):
        text, owners = _file(papers, order[start : start + PAPERS_PER_FILE], held)
        position = 0
        for passage in cutter(text):
            # An overlapping passage begins before the end of the previous one.
            position = text.index(passage, max(0, position - len(passage)))
            inside = owners[position : position + len(passage)]
            found.append((passage, max(sorted(set(inside)), key=inside.count)))
            position += len(passage)
    return found


def stored_lessons(papers: Sequence[Paper], held: int) -> Passages:
    """The entries of the shipped library, without every paper's lesson number `held`."""
    return [
        (f"{paper.title}. {lesson}", index)
        for index, paper in enumerate(papers)
        for number, lesson in enumerate(paper.lessons)
        if number != held
    ]


def _file(papers: Sequence[Paper], indices: Sequence[int], held: int) -> tuple[str, list[int]]:
    """A file's text, and for each of its characters the paper that it comes from."""
    text, owners = "", []
    for index in indices:
        kept = [lesson for number, lesson in enumerate(papers[index].lessons) if number != held]
        part = " ".join(" ".join(kept).split()) + " "
        text += part
        owners += [index] * len(part)
    return text, owners


def _by_size(papers: Sequence[Paper], length: float, overlap: float) -> Cutter:
    """The chunk size whose passages have a mean length closest to `length`; the last passage of a file is always
    shorter.
    """

    def cutter(size: int) -> Cutter:
        return lambda text: [
            c.text for c in fixed_chunks([PageText(None, text)], size, round(overlap * size))
        ]

    def miss(size: int) -> float:
        return abs(
            float(np.mean([len(text) for text, _ in cut_files(papers, 0, SEEDS[0], cutter(size))])) - length
        )

    return cutter(min(range(round(0.8 * length), round(1.6 * length), 5), key=miss))


def _measure(
    papers: Sequence[Paper],
    embedder: Embedder,
    seeds: Sequence[int],
    passages: Callable[[int, int], Passages],
) -> tuple[Found, float]:
    """1/rank for every question, and the mean length of passages in characters."""
    most = max(len(paper.lessons) for paper in papers)
    found = np.full((len(seeds), len(papers), most), np.nan)
    lengths: list[int] = []
    for turn, seed in enumerate(seeds):
        for held in range(most):
            texts, owners = zip(*passages(held, seed), strict=True)
            lengths += [len(text) for text in texts]
            rows = embedder.embed_documents(texts)
            for index, paper in enumerate(papers):
                if held < len(paper.lessons) and len(paper.lessons) > 1:
                    # Rounded, so that the last bit of another machine's arithmetic does not break ties.
                    scores = np.round(rows @ embedder.embed_query(paper.lessons[held]), 5)
                    found[turn, index, held] = _reciprocal(scores, np.array(owners), index)
    return found, float(np.mean(lengths))


def _reciprocal(scores: NDArray[np.float32], owners: NDArray[np.int_], wanted: int) -> float:
    """1/rank of `wanted` among the papers by their best passage; ties share the mean rank, no passage gives 0."""
    best = {owner: float(scores[owners == owner].max()) for owner in set(owners.tolist())}
    if wanted not in best:
        return 0.0
    mine = best.pop(wanted)
    others = list(best.values())
    return 1.0 / (1 + sum(score > mine for score in others) + 0.5 * sum(score == mine for score in others))


def _figures(cutting: str, embedder: Embedder, found: Found, base: Found, mean_characters: float) -> Figures:
    low, high = _interval(found)
    gain_low, gain_high = _interval(found - base)
    asked = found[~np.isnan(found)]
    return Figures(
        embedder=embedder.name,
        cutting=cutting,
        questions=int((~np.isnan(found[0])).sum()),
        hit_at_1=round(float((asked == 1).mean()), 4),
        hit_at_5=round(float((asked >= 0.2).mean()), 4),
        mrr=round(float(asked.mean()), 4),
        mrr_low=low,
        mrr_high=high,
        gain=round(float(np.nanmean(found - base)), 4),
        gain_low=gain_low,
        gain_high=gain_high,
        mean_characters=round(mean_characters, 1),
    )


def _interval(found: Found) -> tuple[float, float]:
    """95 % interval of the mean over questions, with papers drawn with replacement."""
    sums = np.nansum(found, axis=(0, 2))
    counts = (~np.isnan(found)).sum(axis=(0, 2))
    draws = np.random.default_rng(0).integers(0, len(sums), (4000, len(sums)))
    low, high = np.percentile(sums[draws].sum(axis=1) / counts[draws].sum(axis=1), (2.5, 97.5))
    return round(float(low), 4), round(float(high), 4)


def chance(papers: Sequence[Paper]) -> tuple[float, float, float]:
    """Hit@1, hit@5 and MRR of a random order of the papers."""
    n = len(papers)
    return 1 / n, min(1.0, 5 / n), sum(1 / rank for rank in range(1, n + 1)) / n


def table(papers: Sequence[Paper], figures: Sequence[Figures]) -> str:
    """The figures as Markdown, with an explanation."""
    from tabulate import tabulate

    rows = [
        [
            *(f.embedder, f.cutting, f.hit_at_1, f.hit_at_5, f.mrr, f"{f.mrr_low:.3f} … {f.mrr_high:.3f}"),
            *(f"{f.gain:+.3f} ({f.gain_low:+.3f} … {f.gain_high:+.3f})", round(f.mean_characters)),
        ]
        for f in figures
    ]
    rows.append(["(blind order)", "", *chance(papers), "", "", ""])
    head = ["embedder", "cutting", "hit@1", "hit@5", "MRR", "95 %", "MRR less semantic (95 %)", "mean length"]
    body = tabulate(rows, head, tablefmt="github", floatfmt=".3f")
    about = "\n".join((__doc__ or "").splitlines()[2:]).strip()
    counts = f"{figures[0].questions} questions, {len(papers)} papers, {len(SEEDS)} shufflings."
    return (
        f"# Retrieval\n\nWritten by `python -m harness.studies.retrieval`.\n\n{about}\n\n{counts}\n\n{body}\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure, write results/retrieval.json and results/retrieval.md, print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.studies.retrieval", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--embedder",
        action="append",
        help="hashed, a folder or a hub name; may be repeated (default: hashed)",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="output folder (default: %(default)s)")
    parsed = parser.parse_args(arguments)
    try:
        papers = manifest.read()
        figures = [
            found for spec in parsed.embedder or ["hashed"] for found in compare(papers, embedders.make(spec))
        ]
        record = {
            "format": 1,
            "papers": len(papers),
            "seeds": SEEDS,
            "figures": [asdict(found) for found in figures],
        }
        write_whole(parsed.results / "retrieval.json", json.dumps(record, indent=1) + "\n")
        write_whole(parsed.results / "retrieval.md", table(papers, figures))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(papers, figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
