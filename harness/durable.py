"""Files that survive a kill: whole-file replacement, and JSON lines that are on disk when the call returns.

Every function raises UserError with the path and the reason when the disk is full or a folder cannot be written.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, TypeAlias

from harness.errors import UserError

# A JSON object in Python.
JsonObject: TypeAlias = dict[str, Any]


def write_whole(path: Path, text: str, *, make_folder: bool = False) -> None:
    """Replace the content of `path` in one step: after a kill, a reader sees the old content or the new one.

    `make_folder` also creates the folder.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise UserError(
            f"{path}: cannot be written: {error.strerror}; free some space or choose another place"
        ) from None


class JsonLines:
    """A file of JSON lines, open for appending. A line torn by an earlier kill is ended, not continued."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not O_TRUNC: the file may hold an earlier session's lines. O_APPEND: another process may write too.
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o644)
            self._end_torn_line()
        except OSError as error:
            raise self._unwritable(error) from None

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, entry: JsonObject) -> None:
        """Write one line and wait until the disk has it; values that JSON does not know are written as text."""
        line = json.dumps(entry, ensure_ascii=False, default=str) + "\n"
        try:
            left = memoryview(line.encode())
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._unwritable(error) from None

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _end_torn_line(self) -> None:
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(
            f"{self.path}: cannot be written: {error.strerror}; nothing recorded so far is lost: "
            "free some space or make the folder writable (an interrupted --generate goes on with --resume)"
        )


def append_line(path: Path, entry: JsonObject) -> None:
    """Append one JSON line to a file that is not kept open."""
    with JsonLines(path) as lines:
        lines.append(entry)


def read_lines(path: Path) -> list[JsonObject]:
    """All JSON objects of a file of lines, in order; a torn line is left out.

    Raises UserError when there is no such file or it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    entries = []
    for line in text.split("\n"):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def refuse_constant(name: str) -> float:
    """For `parse_constant` of json.loads: NaN and Infinity are no JSON. Raises ValueError."""
    raise ValueError(f"{name} is not a number")


def private_folder(folder: Path) -> None:
    """Make `folder` and its parents, with a .gitignore inside that keeps its content out of the repository."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose a folder of yours") from None
