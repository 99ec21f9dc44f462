"""Brings files into the library: find, identify, read, split, embed; only new or changed ones, and only whole
documents.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness.announce import Announce
from harness.corpus import extract
from harness.corpus.chunker import Splitting, semantic_chunks
from harness.corpus.fetch import pdf_path, sha256
from harness.corpus.manifest import Paper
from harness.corpus.papers import PaperLibrary
from harness.durable import private_folder
from harness.errors import UserError


@dataclass(frozen=True, slots=True)
class Source:
    """A file to ingest and its paper; title None when only the file states it."""

    path: Path
    paper_id: str
    title: str | None


@dataclass(slots=True)
class Ingested:
    """The result of an ingest: paper ids stored and unchanged, files skipped with the reason, passages stored."""

    stored: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    passages: int = 0


def sources(papers: Iterable[Paper], corpus: Path) -> list[Source]:
    """The files under corpus/pdf that the manifest names, and all readable files under corpus/own."""
    found = []
    for paper in papers:
        path = pdf_path(paper, corpus / "pdf")
        if path.is_file():
            found.append(Source(path, paper.id, paper.title))
    own = corpus / "own"
    for path in sorted(own.rglob("*")) if own.is_dir() else []:
        if path.is_file() and path.suffix.lower() in extract.SUFFIXES:
            found.append(Source(path, f"own:{path.relative_to(own).as_posix()}", None))
    return found


def ingest(
    library: PaperLibrary, files: Iterable[Source], say: Announce, splitting: Splitting = Splitting()
) -> Ingested:
    """Store what is new or changed since the last time, and remove own files that no longer exist.

    A document is identified by the hash of its content and the splitting method. One that a kill left incomplete is
    ingested again. Unreadable files are reported and skipped. Raises UserError when the store fails.
    """
    done = Ingested()
    known = library.documents()
    wanted: set[str] = set()
    for source in files:
        content = f"{sha256(source.path)}:{source.paper_id}"
        wanted.add(content)
        document = known.get(content)
        if document and document.complete and document.cut == splitting.name:
            done.unchanged.append(source.paper_id)
            continue
        try:
            read = extract.extract(source.path)
        except extract.UnreadableError as error:
            done.skipped[source.paper_id] = str(error)
            say(f"skipped: {error}")
            continue
        chunks = semantic_chunks(read.pages, library.embedder, splitting)
        title = source.title or read.title or source.path.stem
        library.add(content, source.paper_id, title, splitting.name, chunks)
        done.stored.append(source.paper_id)
        done.passages += len(chunks)
        empty = f", {read.empty_pages} pages without text" if read.empty_pages else ""
        say(f"stored: {title} ({len(chunks)} passages from {len(read.pages)} pages{empty})")
    _forget(library, wanted, done, say)
    return done


def _forget(library: PaperLibrary, wanted: set[str], done: Ingested, say: Announce) -> None:
    """Remove earlier versions of the documents just stored, and own files that no longer exist.

    Papers of the manifest stay even without a file, because a shared library may have them from another machine.
    """
    current = set(done.stored) | set(done.unchanged)
    for content, document in library.documents().items():
        replaced = document.paper_id in current or document.paper_id.startswith("own:")
        if content not in wanted and replaced:
            library.remove(content)
            done.removed.append(document.paper_id)
            say(f"removed: an earlier or deleted version of {document.title}")


def add(path: Path, papers: Iterable[Paper], corpus: Path, say: Announce) -> int:
    """Copy a file, or all readable files of a folder, into the corpus; returns their number.

    A PDF whose name contains a manifest paper's id ("2212.01175.pdf", "10.1145_3458817.3476166.pdf") becomes that
    paper; others become own documents. Raises UserError when there is nothing to read or no space.
    """
    if not path.exists():
        raise UserError(f"{path}: not there; give a PDF, text or Markdown file, or a folder with some")
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    readable = [file for file in files if file.suffix.lower() in extract.SUFFIXES]
    if not readable:
        raise UserError(f"{path}: nothing to read there; allowed: {', '.join(extract.SUFFIXES)}")
    known = list(papers)
    for file in readable:
        paper = _recognised(file, known)
        base = path.parent if path.is_file() else path
        target = pdf_path(paper, corpus / "pdf") if paper else corpus / "own" / file.relative_to(base)
        _copy(file, target, corpus)
        say(f"added: {file} as {paper.id if paper else target.relative_to(corpus).as_posix()}")
    return len(readable)


def _recognised(file: Path, papers: Iterable[Paper]) -> Paper | None:
    if file.suffix.lower() != ".pdf":
        return None
    stem = re.sub(r"(?<=\d)v\d+$", "", _bare(file.stem))
    return next((paper for paper in papers if _bare(paper.id.split(":", 1)[1]) == stem), None)


def _bare(name: str) -> str:
    """Letters, digits and dots of a name in lower case, without a leading "arxiv" or "doi"."""
    return re.sub(r"[^a-z0-9.]+", "", re.sub(r"^(arxiv|doi)[\W_]*", "", name.lower()))


def _copy(file: Path, target: Path, corpus: Path) -> None:
    """Copy a file in one step."""
    private_folder(corpus / target.relative_to(corpus).parts[0])
    draft = target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and file.samefile(target):
            return
        shutil.copyfile(file, draft)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UserError(f"{file}: cannot be copied to {target} ({error.strerror})") from None
