"""From files to text: PDFs in a separate process with limits on pages, bytes, time and memory; text files directly."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.corpus.chunker import PageText
from harness.corpus.cleaning import clean
from harness.errors import UserError
from harness.places import ROOT

SUFFIXES = (".pdf", ".txt", ".md", ".markdown")
# A file with fewer letters is a scan or empty.
_LEAST_LETTERS = 80


class UnreadableError(UserError):
    """The file gives no text. The message names the file and the reason; the file is skipped."""


@dataclass(frozen=True, slots=True)
class ExtractionLimits:
    """Limits for one file: bytes on disk and of text, pages, seconds, bytes of address space."""

    file_bytes: int = 100 << 20
    text_bytes: int = 20 << 20
    pages: int = 600
    time_s: float = 120.0
    memory_bytes: int = 2 << 30


@dataclass(frozen=True, slots=True)
class Extracted:
    """Cleaned pages with text, the title given by the file, and the number of pages without text."""

    title: str | None
    pages: tuple[PageText, ...]
    empty_pages: int


def extract(path: Path, limits: ExtractionLimits = ExtractionLimits()) -> Extracted:
    """Read a PDF, text or Markdown file.

    Raises UnreadableError for an unknown type, and for a file that is too large, empty, encrypted, scanned or broken,
    or that exceeds the page, time or memory limit.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror})") from None
    if path.suffix.lower() not in SUFFIXES:
        raise UnreadableError(f"{path}: not a kind that is read; allowed: {', '.join(SUFFIXES)}")
    if size == 0:
        raise UnreadableError(f"{path}: empty")
    if size > limits.file_bytes:
        raise UnreadableError(f"{path}: larger than {limits.file_bytes >> 20} MiB")
    found = _pdf(path, limits) if path.suffix.lower() == ".pdf" else _text(path, limits)
    if sum(character.isalpha() for page in found.pages for character in page.text) < _LEAST_LETTERS:
        raise UnreadableError(
            f"{path}: no text in it (scanned images?); run OCR on it, for example with ocrmypdf"
        )
    return found


def _text(path: Path, limits: ExtractionLimits) -> Extracted:
    if path.stat().st_size > limits.text_bytes:
        raise UnreadableError(f"{path}: larger than {limits.text_bytes >> 20} MiB of text")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror})") from None
    heading = re.search(r"^#\s+(.+)$", text, re.MULTILINE) if path.suffix.lower() != ".txt" else None
    if path.suffix.lower() != ".txt":
        text = _without_markdown(text)
    return Extracted(_one_line(heading[1]) if heading else None, tuple(clean([PageText(None, text)])), 0)


def _without_markdown(text: str) -> str:
    """The words of Markdown without images, link targets, comments and marks; headings become paragraphs, code
    stays.
    """
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^#{1,6}\s+(.*?)\s*#*$", r"\n\1.\n", text, flags=re.MULTILINE)
    text = re.sub(r"^\s*```.*$", "\n", text, flags=re.MULTILINE)
    return re.sub(r"(\*\*|__|`)(.+?)\1", r"\2", text)


def _pdf(path: Path, limits: ExtractionLimits) -> Extracted:
    """Run the worker on a PDF; any failure of it becomes one line."""
    with path.open("rb") as file:
        if b"%PDF-" not in file.read(1024):
            raise UnreadableError(f"{path}: not a PDF (no %PDF- at its beginning)")
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "harness.corpus.extract_worker",
            str(path.resolve()),
            json.dumps(asdict(limits)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=ROOT,
    )
    try:
        output, _ = worker.communicate(timeout=limits.time_s)
    except subprocess.TimeoutExpired:
        raise UnreadableError(f"{path}: took longer than {limits.time_s:g} s to read") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    return _answer(path, worker.returncode, output, limits)


def _answer(path: Path, code: int, output: bytes, limits: ExtractionLimits) -> Extracted:
    try:
        answer = json.loads(output)
    except ValueError:
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            raise UnreadableError(f"{path}: took longer than {limits.time_s:g} s to read") from None
        raise UnreadableError(
            f"{path}: broken, or needs more than {limits.memory_bytes >> 20} MiB to read"
        ) from None
    if "refused" in answer:
        raise UnreadableError(f"{path}: {_one_line(str(answer['refused']))}")
    pages = [PageText(int(number), str(text)) for number, text in answer["pages"]]
    cleaned = clean(pages)
    return Extracted(
        _one_line(str(answer["title"])) or None, tuple(cleaned), int(answer["total"]) - len(cleaned)
    )


def _one_line(text: str) -> str:
    """At most 300 printable characters, because text from a file may contain terminal escape sequences."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]
