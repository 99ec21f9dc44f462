"""Records: a verdict as plain JSON, appended so that a kill at any moment loses nothing already written."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.candidate import Candidate
from harness.errors import UserError
from harness.verdict import Accepted, At, Score, ShapeTiming, Verdict, describe, name

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One line of --verdicts and of results/local/verdicts.jsonl; ratios are t_blas / t_candidate."""

    candidate: str
    verdict: str
    gate: str | None
    reason: str
    shape: str | None
    seed: int | None
    ratio_to_blas: float | None
    ratio_low: float | None
    ratio_high: float | None
    gflops: float | None
    time_ms: float | None
    threads: str
    tier: str
    numerics: str
    replay: str
    sandboxed: bool


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a record holds for: thread class, numerics, whether it was sandboxed, the command that replays it."""

    threads: str
    numerics: str
    sandboxed: bool
    target: str
    case: str | None = None


def record_of(candidate: Candidate, verdict: Verdict, around: Circumstances) -> Record:
    """The verdict as one flat record; the headline shape is the one with the most work."""
    at: At | None = None if isinstance(verdict, Accepted) else verdict.at
    score = verdict.score if isinstance(verdict, Accepted) else None
    head = headline(score) if score else None
    shape = head.shape if head else at.shape if at else None
    return Record(
        candidate=candidate.name,
        verdict=name(verdict),
        gate=str(at.gate) if at else None,
        reason=describe(verdict),
        shape=str(shape) if shape is not None else None,
        seed=at.seed if at else None,
        ratio_to_blas=score.ratio if score else None,
        ratio_low=score.ratio_low if score else None,
        ratio_high=score.ratio_high if score else None,
        gflops=head.gflops if head else None,
        time_ms=head.time_ns / 1e6 if head else None,
        threads=around.threads,
        tier=candidate.manifest.tier,
        numerics=around.numerics,
        replay=replay_command(around, verdict),
        sandboxed=around.sandboxed,
    )


def headline(score: Score) -> ShapeTiming:
    """The timing shown where there is room for one: the shape with the most work."""
    return max(score.per_shape, key=lambda timing: timing.shape.flops)


def replay_command(around: Circumstances, verdict: Verdict) -> str:
    """The command that repeats a verdict: the exact case of a counterexample, else the candidate with its seed."""
    if around.case is not None and not isinstance(verdict, Accepted):
        return f"pytest {around.target} --case {around.case}"
    if isinstance(verdict, Accepted) or verdict.at.seed is None:
        return f"pytest {around.target}"
    return f"pytest {around.target} --seed {verdict.at.seed}"


def append_line(path: Path, entry: dict[str, Any]) -> None:
    """Append one JSON line and make it durable; raises UserError for a full disk or an unwritable folder."""
    line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _end_torn_line(path, descriptor)
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror}; nothing recorded so far is lost"
        ) from None


def _end_torn_line(path: Path, descriptor: int) -> None:
    """A line torn by a kill must not swallow the next one."""
    size = os.fstat(descriptor).st_size
    if size:
        with path.open("rb") as file:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                os.write(descriptor, b"\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a torn one (from a kill in mid-write) is passed over."""
    entries: list[dict[str, Any]] = []
    if not path.exists():
        return entries
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader or a kill never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def full_record(
    record: Record, candidate: Candidate, verdict: Verdict, facts: dict[str, Any]
) -> dict[str, Any]:
    """What results/ keeps: the record, every shape's timing, source hash, machine, toolchain and baseline."""
    shapes = (
        [asdict(t) | {"shape": str(t.shape)} for t in verdict.score.per_shape]
        if isinstance(verdict, Accepted)
        else []
    )
    return {
        "format": FORMAT,
        "when_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **asdict(record),
        "per_shape": shapes,
        "source_hash": candidate.source_hash,
        **facts,
    }
