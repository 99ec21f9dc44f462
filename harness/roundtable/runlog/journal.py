"""The journal of a run: one JSON line per event, on disk before any agent receives it; a restart reads it back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from harness.durable import JsonLines, read_lines
from harness.errors import UserError
from harness.operation.operations import OperationName
from harness.roundtable.conversation.messages import GroupChatMessage

JOURNAL = "journal.jsonl"
TRANSCRIPT = "transcript.jsonl"


class RunHeader(BaseModel):
    """The first line: the parameters of the run. A resumed run uses these, not new ones."""

    run_id: str
    generations: int
    population: int
    seed: int
    models: dict[str, str]
    machine: str
    fingerprint: str = ""
    toolchain: str = ""
    suite: str = ""
    operation: OperationName = OperationName.MATMUL


@dataclass(frozen=True, slots=True)
class RunHistory:
    """A journal read back; `spent_s` is the working time, in seconds, up to the interruption."""

    head: RunHeader
    messages: list[GroupChatMessage]
    tokens: int
    spent_s: float
    ended: str | None


class Journal:
    """Writes the journal of one run in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines = JsonLines(folder / JOURNAL)

    def begin(self, head: RunHeader) -> None:
        """Write the first line."""
        self._lines.append({"what": "begin"} | head.model_dump())

    def record(self, message: GroupChatMessage, tokens: int, spent_s: float) -> None:
        """Write one event, with the tokens and seconds spent so far."""
        record = {"what": "event", "tokens": tokens, "spent_s": round(spent_s, 3)}
        self._lines.append(record | {"message": message.model_dump(mode="json")})

    def end(self, reason: str, tokens: int, spent_s: float) -> None:
        """Write the last line; a journal without it can be resumed."""
        self._lines.append({"what": "end", "reason": reason, "tokens": tokens, "spent_s": round(spent_s, 3)})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def read(folder: Path) -> RunHistory:
    """Read a run's journal; raises UserError when it is not one."""
    records = read_lines(folder / JOURNAL)
    messages, tokens, spent_s, ended = [], 0, 0.0, None
    try:
        head = RunHeader.model_validate({k: v for k, v in records[0].items() if k != "what"})
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
    return RunHistory(head, messages, tokens, spent_s, ended)


def newest(results: Path) -> list[Path]:
    """The journals under `results`, the one written last first."""
    return sorted(results.glob(f"*/{JOURNAL}"), key=lambda path: path.stat().st_mtime, reverse=True)


def latest_unfinished(results: Path) -> Path:
    """The newest run folder whose journal has no last line; raises UserError when there is none."""
    for run in newest(results):
        try:
            if read(run.parent).ended is None:
                return run.parent
        except UserError:
            # Killed before its first line was complete, or of another version: it cannot be resumed.
            continue
    raise UserError(f"--resume: no interrupted evolution under {results}; start one with --generate N")
