"""Transcripts: every question and answer as a JSON line, and a replay that answers from such a file without a model."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.durable import JsonLines, read_lines
from harness.errors import UserError
from harness.minds.protocol import Answer, Question
from harness.roundtable.conversation.messages import ProposalSlot, Proposed, SentBack
from harness.roundtable.runlog.candidate_folders import PREFIX

ANSWER = "answer"
OUTCOME = "outcome"


_KEY = re.compile(r"(\w+) g(\d+) s(\d+) a(\d+)")


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One exchange with a language model, read back: who asked in which slot and attempt, what, and what it took."""

    role: str
    generation: int
    slot: int
    attempt: int
    model: str
    system: str
    prompt: str
    answer: str
    prompt_tokens: int
    answer_tokens: int
    duration_s: float


def key(role: str, turn: ProposalSlot, attempt: int) -> str:
    """The key of an answer; it names the position in the run, so it is the same in a run and in its replay."""
    return f"{role} g{turn.generation} s{turn.slot} a{attempt}"


def prompt_hash(system: str, user: str) -> str:
    """Sixteen hexadecimal digits of the prompt's hash, as recorded in candidate.toml."""
    return hashlib.sha256(f"{system}\0{user}".encode()).hexdigest()[:16]


class Transcript:
    """Writes results/local/<run>/transcript.jsonl."""

    def __init__(self, path: Path, run_id: str) -> None:
        self.path = path
        self._lines = JsonLines(path)
        self._lines.append({"what": "begin", "run_id": run_id})

    def record_answer(
        self, where: str, question: Question, answer: Answer, model: str, model_hash: str, dropped: list[str]
    ) -> None:
        """Write one exchange with a language model; for a question about knobs also the beginning of its answer."""
        knobs = question.knobs
        asked = {} if knobs is None else {"lettered": question.lettered, "lead": knobs.lead}
        self._lines.append(
            asked
            | {
                "what": ANSWER,
                "key": where,
                "model": model,
                "model_hash": model_hash,
                "seed": question.seed,
                "system": question.system,
                "prompt": question.user,
                "prompt_hash": prompt_hash(question.system, question.user),
                "constrained": question.schema is not None,
                "dropped": dropped,
                "answer": answer.text,
                "finish": answer.finish,
                "prompt_tokens": answer.prompt_tokens,
                "answer_tokens": answer.answer_tokens,
                "duration_s": round(answer.duration_s, 3),
            }
        )

    def record_outcome(self, where: str, event: Proposed | SentBack) -> None:
        """Write the Proposer's result: tuners have no prompt, and duplicates depend on the memory's content at that
        time.
        """
        self._lines.append({"what": OUTCOME, "key": where, "event": event.model_dump(mode="json")})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def read_answers(path: Path) -> list[RecordedAnswer]:
    """The exchanges of a transcript in order; none without a transcript. A record of another version is left out."""
    if not path.is_file():
        return []
    found = []
    for record in read_lines(path):
        place = _KEY.fullmatch(str(record.get("key")))
        if record.get("what") != ANSWER or place is None:
            continue
        with contextlib.suppress(KeyError, TypeError, ValueError):
            found.append(
                RecordedAnswer(
                    role=place[1],
                    generation=int(place[2]),
                    slot=int(place[3]),
                    attempt=int(place[4]),
                    model=str(record["model"]),
                    system=str(record["system"]),
                    prompt=str(record["prompt"]),
                    answer=str(record["answer"]),
                    prompt_tokens=int(record["prompt_tokens"]),
                    answer_tokens=int(record["answer_tokens"]),
                    duration_s=float(record["duration_s"]),
                )
            )
    return found


class Replay:
    """Answers from a transcript; names of the recorded run are translated into names of this run."""

    def __init__(self, path: Path, run_id: str) -> None:
        records = read_lines(path)
        if not records or records[0].get("what") != "begin":
            raise UserError(f"--replay {path}: not a transcript; give the transcript.jsonl of a run")
        self._path = path
        self._old, self._new = f"{PREFIX}{records[0]['run_id']}-", f"{PREFIX}{run_id}-"
        self._answers = {r["key"]: r for r in records if r.get("what") == ANSWER}
        self._outcomes = {r["key"]: r["event"] for r in records if r.get("what") == OUTCOME}

    def outcome(self, where: str) -> Proposed | SentBack | None:
        """The recorded result of that slot's question; None when the transcript ends before it."""
        event = self._outcomes.get(where)
        if event is None:
            return None
        return (Proposed if event["kind"] == "proposed" else SentBack).model_validate(self._renamed(event))

    def answer(self, where: str) -> tuple[Answer, str, str] | None:
        """The recorded answer, the name of the model that gave it, and the hash of its prompt."""
        record = self._answers.get(where)
        if record is None:
            return None
        answer = Answer(
            text=self._renamed(record["answer"]),
            prompt_tokens=record["prompt_tokens"],
            answer_tokens=record["answer_tokens"],
            finish=record["finish"],
            duration_s=record["duration_s"],
        )
        return answer, record["model"], record["prompt_hash"]

    def _renamed(self, value: Any) -> Any:
        match value:
            case str():
                return value.replace(self._old, self._new)
            case list():
                return [self._renamed(item) for item in value]
            case dict():
                return {name: self._renamed(item) for name, item in value.items()}
        return value
