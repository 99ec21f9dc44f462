"""The library of papers from the command line: `python -m harness.corpus fetch | add | ingest | search | status`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from harness.errors import UserError
from harness.places import CORPUS
from harness.store.command_line import add_memory_options, guarded


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0, 1 when some papers failed, or 2 after one line on stderr."""
    parsed = _parser().parse_args(arguments)
    commands = {"fetch": _fetch, "add": _add, "ingest": _ingest, "search": _search, "status": _status}
    return guarded(commands[parsed.command], parsed)


def _parser() -> argparse.ArgumentParser:
    from harness.corpus.fetch import ARXIV

    parser = argparse.ArgumentParser(prog="python -m harness.corpus", description="The library of papers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, what: str, store: bool) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=what)
        made.add_argument(
            "--corpus", type=Path, default=CORPUS, help="folder of papers.toml (default: %(default)s)"
        )
        if store:
            add_memory_options(made)
        return made

    fetch = command("fetch", "download the papers that arXiv has", store=False)
    fetch.add_argument(
        "--base-url",
        default=os.environ.get("ROUNDTABLE_ARXIV", ARXIV),
        help="base URL of the server; also ROUNDTABLE_ARXIV (default: %(default)s)",
    )
    fetch.add_argument(
        "--pause", type=float, default=3.0, help="seconds between requests (default: %(default)s)"
    )
    fetch.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        help="seconds without data before giving up (default: %(default)s)",
    )
    fetch.add_argument(
        "--only", metavar="ID", action="append", help="only this paper; may be repeated (default: all)"
    )
    add = command("add", "add your PDFs, text or Markdown", store=False)
    add.add_argument("path", type=Path, metavar="FILE|FOLDER")
    command("ingest", "extract, split, embed and store what is new", store=True)
    search = command("search", "show what the Proposer would see", store=True)
    search.add_argument("query", metavar="QUERY")
    search.add_argument("-k", type=int, default=5, help="how many passages (default: %(default)s)")
    command("status", "say what is in the corpus and in the library", store=True)
    return parser


def _fetch(parsed: argparse.Namespace) -> int:
    from harness.corpus import fetch, manifest

    if parsed.pause < 0 or parsed.timeout <= 0:
        raise UserError("--pause must be 0 or more and --timeout more than 0 seconds")
    papers = manifest.read(parsed.corpus / "papers.toml")
    if parsed.only:
        if unknown := sorted(set(parsed.only) - {paper.id for paper in papers}):
            raise UserError(f"--only {unknown[0]}: not in the manifest; `status` lists the ids")
        papers = tuple(paper for paper in papers if paper.id in parsed.only)
    how = fetch.Politeness(base_url=parsed.base_url, pause_s=parsed.pause, silence_s=parsed.timeout)
    done = fetch.fetch(papers, parsed.corpus / "pdf", how, print, progress=sys.stderr.isatty())
    for paper in papers:
        if paper.id in done.by_hand and not fetch.pdf_path(paper, parsed.corpus / "pdf").exists():
            print(f"{paper.id}: not on arXiv, add by hand: {paper.title}")
    print(f"{len(done.downloaded)} downloaded, {len(done.present)} already there, {len(done.failed)} failed")
    return 1 if done.failed else 0


def _add(parsed: argparse.Namespace) -> int:
    from harness.corpus import ingest, manifest

    count = ingest.add(parsed.path, manifest.read(parsed.corpus / "papers.toml"), parsed.corpus, print)
    print(f"{count} files added; `python -m harness.corpus ingest` adds them to the library")
    return 0


def _ingest(parsed: argparse.Namespace) -> int:
    from tqdm import tqdm

    from harness.corpus import ingest, manifest
    from harness.corpus.papers import open_library
    from harness.store import embedders
    from harness.store.connection import connect

    papers = manifest.read(parsed.corpus / "papers.toml")
    embedder = embedders.make(parsed.embedder)
    print(embedder.announcement)
    files = ingest.sources(papers, parsed.corpus)
    with connect(parsed.memory) as connection:
        library = open_library(connection, embedder, parsed.corpus / "papers.toml")
        # disable=None draws the bar on a terminal only.
        bar = tqdm(files, unit="file", disable=None, leave=False)
        done = ingest.ingest(library, bar, tqdm.write)
        print(
            f"{len(done.stored)} stored ({done.passages} passages), {len(done.unchanged)} unchanged, "
            f"{len(done.skipped)} skipped, {len(done.removed)} removed; {library.count()} entries in the library"
        )
    return 0


def _search(parsed: argparse.Namespace) -> int:
    from harness.corpus.papers import open_library
    from harness.store import embedders
    from harness.store.connection import connect

    if parsed.k < 1:
        raise UserError(f"-k {parsed.k}: 1 or more is expected")
    embedder = embedders.make(parsed.embedder)
    print(embedder.announcement)
    with connect(parsed.memory) as connection:
        found = open_library(connection, embedder, parsed.corpus / "papers.toml").search(
            parsed.query, parsed.k
        )
    for passage in found:
        page = f", page {passage.page}" if passage.page else ""
        print(
            f"\n{passage.score:.3f}  {passage.paper_id}{page} ({passage.kind})  {passage.title}\n       {passage.text}"
        )
    if not found:
        print("nothing found; use words that say what you look for")
    return 0


def _status(parsed: argparse.Namespace) -> int:
    from harness.corpus import ingest, manifest
    from harness.corpus.papers import open_library
    from harness.store import embedders
    from harness.store.connection import connect

    papers = manifest.read(parsed.corpus / "papers.toml")
    files = {source.paper_id for source in ingest.sources(papers, parsed.corpus)}
    embedder = embedders.make(parsed.embedder)
    print(embedder.announcement)
    with connect(parsed.memory) as connection:
        library = open_library(connection, embedder, parsed.corpus / "papers.toml")
        documents = {document.paper_id: document for document in library.documents().values()}
        lessons = library.count("lesson")
    for paper in papers:
        document = documents.get(paper.id)
        state = (
            f"{document.present} passages"
            if document
            else "file, not ingested"
            if paper.id in files
            else "lessons only"
        )
        print(f"{paper.id:40.40}  {state:18}  {paper.title}")
    for key in sorted({key for key in files | set(documents) if key.startswith("own:")}):
        print(
            f"{key:40.40}  {f'{documents[key].present} passages' if key in documents else 'file, not ingested'}"
        )
    print(f"{len(papers)} papers, {lessons} lessons, {len(documents)} ingested files in {parsed.memory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
