"""Reads and checks corpus/papers.toml, the manifest of papers; errors name the line."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.places import CORPUS

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MANIFEST = CORPUS / "papers.toml"
MAX_LIST_BYTES = 4 << 20

_ARXIV = re.compile(r"arXiv:\d{4}\.\d{4,5}(v\d+)?")
_DOI = re.compile(r"doi:10\.\d{4,9}/[^\s\"'<>]+")


@dataclass(frozen=True, slots=True)
class Paper:
    """One paper: `id` is "arXiv:…" or "doi:…"; `lessons` are sentences in our own words that are clear without the
    paper.
    """

    id: str
    title: str
    authors: tuple[str, ...]
    year: int
    topic: str
    licence: str
    lessons: tuple[str, ...]

    @property
    def arxiv(self) -> str | None:
        """The arXiv number ("2212.01175"), or None for a paper known only by its DOI."""
        return self.id.removeprefix("arXiv:") if self.id.startswith("arXiv:") else None

    @property
    def file_stem(self) -> str:
        """A file name without suffix: the id reduced to letters, digits, dots and dashes."""
        return re.sub(r"[^A-Za-z0-9.-]+", "_", self.id)


def read(path: Path = MANIFEST) -> tuple[Paper, ...]:
    """The papers in the order of the file.

    Raises UserError, with line and id, for a missing or unreadable file, bad TOML, missing or unknown keys, malformed
    or duplicate ids, and papers without lessons.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST_BYTES + 1)
        if len(data) > MAX_LIST_BYTES:
            raise UserError(f"{path}: larger than 4 MiB; a manifest of papers is expected")
        text = data.decode("utf-8")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); the manifest of papers is expected there"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    return parse(text, str(path))


def parse(text: str, where: str) -> tuple[Paper, ...]:
    """Parse the manifest's text; raises UserError as `read`."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: not valid TOML: {error}") from None
    if unknown := sorted(set(tables) - {"paper"}):
        raise UserError(f"{where}: unknown key '{unknown[0]}'; only [[paper]] tables are allowed")
    entries = tables.get("paper", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{where}: 'paper' must be written as [[paper]] tables")
    lines = [
        number for number, line in enumerate(text.splitlines(), 1) if line.strip().startswith("[[paper]]")
    ]
    papers: dict[str, Paper] = {}
    for index, entry in enumerate(entries):
        line = lines[index] if len(lines) == len(entries) else 1
        paper = _paper(entry, f"{where}:{line}")
        # arXiv numbers and DOIs are case-insensitive, and v2 is the same paper.
        key = re.sub(r"(?<=\d)v\d+$", "", paper.id.lower()) if paper.arxiv else paper.id.lower()
        if key in papers:
            raise UserError(f"{where}:{line}: the id '{paper.id}' appears twice; every paper is listed once")
        papers[key] = paper
    return tuple(papers.values())


def _paper(entry: dict[str, object], where: str) -> Paper:
    from pydantic import ValidationError

    allowed = Paper.__dataclass_fields__
    name = str(entry.get("id", "without id"))[:80]
    if unknown := sorted(set(entry) - set(allowed)):
        raise UserError(f"{where}: paper '{name}': unknown key '{unknown[0]}'; allowed: {', '.join(allowed)}")
    try:
        # As JSON, because strict validation of Python objects would require a Paper instance.
        paper = _adapter().validate_json(json.dumps(entry, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"{where}: paper '{name}': {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from None
    if not (_ARXIV.fullmatch(paper.id) or _DOI.fullmatch(paper.id)):
        raise UserError(
            f"{where}: the id '{name}' is malformed; expected like arXiv:2212.01175 or doi:10.1000/xyz"
        )
    if not paper.title.strip() or not paper.lessons or not all(lesson.strip() for lesson in paper.lessons):
        raise UserError(
            f"{where}: paper '{name}': title and at least one lesson are needed, none of them empty"
        )
    return paper


def _adapter() -> TypeAdapter[Paper]:
    from pydantic import TypeAdapter

    return TypeAdapter(Paper)
