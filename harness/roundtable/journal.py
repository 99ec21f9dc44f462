"""The run's journal: one JSON line per event, on disk before anybody hears of it; a restart reads it back."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.errors import UserError
from harness.roundtable.messages import GroupChatMessage

JOURNAL = "journal.jsonl"
TRANSCRIPT = "transcript.jsonl"


class Head(BaseModel):
    """First line: what the run was asked for. A resumed run goes on with these, not with new ones."""

    run_id: str
    generations: int
    population: int
    seed: int
    models: dict[str, str]
    machine: str
    fingerprint: str = ""
    toolchain: str = ""
    suite: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """A journal read back; `spent_s` is how long the run had worked when it was interrupted."""

    head: Head
    messages: list[GroupChatMessage]
    tokens: int
    spent_s: float
    ended: str | None


class JsonLines:
    """Appends whole lines; a kill leaves at most a torn last line, which `read_lines` leaves out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _end_torn_line(path)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"{path}: cannot be written: {error.strerror}; make the results folder writable"
            ) from None

    def append(self, record: dict[str, Any]) -> None:
        """Write one line and wait until the disk has it."""
        try:
            self._file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written: {error.strerror}; free space and use --resume"
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _end_torn_line(path: Path) -> None:
    """A kill may have cut the last line short; end it, so that the next one stands alone."""
    if path.exists() and (data := path.read_bytes()) and not data.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The readable JSON objects of a lines file; a torn line is left out. Raises UserError without such a file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    records = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


class Journal:
    """Writes the story of one run under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines = JsonLines(folder / JOURNAL)

    def begin(self, head: Head) -> None:
        """The first line."""
        self._lines.append({"what": "begin"} | head.model_dump())

    def say(self, message: GroupChatMessage, tokens: int, spent_s: float) -> None:
        """One event, with what the run had spent by then."""
        record = {"what": "event", "tokens": tokens, "spent_s": round(spent_s, 3)}
        self._lines.append(record | {"message": message.model_dump(mode="json")})

    def end(self, reason: str, tokens: int, spent_s: float) -> None:
        """The last line; without it, the run can be resumed."""
        self._lines.append({"what": "end", "reason": reason, "tokens": tokens, "spent_s": round(spent_s, 3)})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def read(folder: Path) -> Story:
    """Read a run's journal; raises UserError when it is not one."""
    records = read_lines(folder / JOURNAL)
    messages, tokens, spent_s, ended = [], 0, 0.0, None
    try:
        head = Head.model_validate({k: v for k, v in records[0].items() if k != "what"})
        for record in records[1:]:
            tokens, spent_s = int(record["tokens"]), float(record["spent_s"])
            if record["what"] == "end":
                ended = str(record["reason"])
            elif record["what"] == "event":
                messages.append(GroupChatMessage.model_validate(record["message"]))
                ended = None
    except (IndexError, KeyError, ValidationError):
        raise UserError(
            f"{folder / JOURNAL}: not a journal of this version; start without --resume"
        ) from None
    return Story(head, messages, tokens, spent_s, ended)


def latest_unfinished(results: Path) -> Path:
    """The newest run folder whose journal has no end; raises UserError when there is none."""
    runs = sorted(results.glob(f"*/{JOURNAL}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for run in runs:
        try:
            if read(run.parent).ended is None:
                return run.parent
        except UserError:
            # Killed before its first line was whole, or of another version: nothing in it to go on with.
            continue
    raise UserError(f"--resume: no interrupted evolution under {results}; start one with --generate N")
