"""Records: a verdict in plain JSON types, as written to --verdicts and to results/local/records."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Any

from harness.candidate import Candidate
from harness.durable import JsonObject, read_lines
from harness.operation.operations import OperationName
from harness.verdict import (
    Accepted,
    At,
    Gate,
    HarnessError,
    Inconclusive,
    Score,
    ShapeTiming,
    Verdict,
    describe,
    is_clearly_lower,
    name,
)

FORMAT = 1


class Outcome(StrEnum):
    """What a verdict means for a user; the verdict's name says more."""

    ACCEPTED = "accepted"
    UNTIMED = "correct, not timed"
    REJECTED = "rejected"
    UNJUDGED = "not judged to the end"


def outcome_of(verdict: Verdict) -> Outcome:
    """The outcome of a verdict. A fault of the harness or a busy machine says nothing about the candidate."""
    match verdict:
        case Accepted():
            return Outcome.ACCEPTED
        case Inconclusive(at=At(gate=Gate.CLOCK)):
            return Outcome.UNTIMED
        case Inconclusive() | HarnessError():
            return Outcome.UNJUDGED
        case _:
            return Outcome.REJECTED


@dataclass(frozen=True, slots=True)
class Record:
    """The flat record of one verdict, a line of --verdicts; ratios are t_blas / t_candidate.

    `candidate` is the folder's name, `path` the folder: relative to the checkout, or absolute outside of it.
    `installed_ratio` is the ratio to the library with the kernels that it chooses itself, where the baseline has
    others. `rival_ratio` is t_rival / t_candidate of the duel that --against asks for.
    """

    candidate: str
    path: str
    outcome: Outcome
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
    elsewhere: float | None = None
    elsewhere_low: float | None = None
    elsewhere_high: float | None = None
    installed_ratio: float | None = None
    rival: str | None = None
    rival_ratio: float | None = None
    rival_low: float | None = None
    rival_high: float | None = None
    operation: str = OperationName.MATMUL.value

    @property
    def claimed_ratio(self) -> float:
        """The ratio that ranks the kernel: elsewhere's when it is clearly lower; 0 without a timing."""
        high, low = self.elsewhere_high, self.ratio_low
        tuned = high is not None and low is not None and is_clearly_lower(high, low)
        return (self.elsewhere if tuned else self.ratio_to_blas) or 0.0


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The conditions of a record: thread class, numerics, sandbox, the path and the case that replay it."""

    threads: str
    numerics: str
    sandboxed: bool
    target: str
    case: str | None = None


def record_of(candidate: Candidate, verdict: Verdict, around: Circumstances) -> Record:
    """The verdict as a flat record; GFLOP/s and time are those of the shape with the most work."""
    at: At | None = None if isinstance(verdict, Accepted) else verdict.at
    score = verdict.score if isinstance(verdict, Accepted) else None
    there = score.elsewhere if score else None
    head = headline(score) if score else None
    shape = head.shape if head else at.shape if at else None
    return Record(
        candidate=candidate.name,
        path=around.target,
        outcome=outcome_of(verdict),
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
        elsewhere=there.ratio if there else None,
        elsewhere_low=there.ratio_low if there else None,
        elsewhere_high=there.ratio_high if there else None,
        installed_ratio=score.installed_ratio if score else None,
        operation=candidate.manifest.operation.value,
    )


def file_of(results: Path, fingerprint: str) -> Path:
    """The file to which the verdicts of the machine with this fingerprint are appended."""
    return results / "records" / f"{fingerprint}.jsonl"


def read(results: Path, identity: str) -> list[JsonObject]:
    """The full records of a machine, oldest first; empty when it has none, and without those of another format.

    `identity` is the machine's fingerprint, perhaps followed by the number of cores (`Machine.identity`).
    """
    path = file_of(results, identity.partition("-")[0])
    return [line for line in read_lines(path) if line.get("format") == FORMAT] if path.is_file() else []


def saved_name(candidate: str, path: str) -> str:
    """The name under which --save keeps a timing: the candidate's, or its path when another may have the same name.

    Names are unique in candidates/ and among the yardsticks, whose folders have other names.
    """
    folder = PurePath(path)
    return candidate if folder.name != candidate or folder.parent == PurePath("candidates") else path


def headline(score: Score) -> ShapeTiming:
    """The timing to show where there is room for only one: the shape with the most work."""
    return max(score.per_shape, key=lambda timing: timing.shape.flops)


def replay_command(around: Circumstances, verdict: Verdict) -> str:
    """The command that repeats a verdict: the exact case of a counterexample, else the candidate with its seed.

    Path and case are quoted for a shell.
    """
    judge = f"pytest {shlex.quote(around.target)}"
    if around.case is not None and not isinstance(verdict, Accepted):
        return f"{judge} --case {shlex.quote(around.case)}"
    if isinstance(verdict, Accepted) or verdict.at.seed is None:
        return judge
    return f"{judge} --seed {verdict.at.seed}"


def full_record(
    record: Record, candidate: Candidate, verdict: Verdict, facts: dict[str, Any]
) -> dict[str, Any]:
    """The line of results/local/records: the record, every shape's timing, source hash, machine, toolchain and
    baseline.
    """
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
