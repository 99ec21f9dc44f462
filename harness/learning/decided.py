"""What the judge has decided about schedules: read from records, from journals and transcripts, and from tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.candidate import load
from harness.durable import JsonObject, read_lines
from harness.errors import CandidateError, UserError
from harness.machine import Machine
from harness.minds.measured_table import MeasuredTable, TableRow
from harness.operation.operations import OperationName
from harness.records import FORMAT
from harness.roundtable.conversation.messages import TEMPLATE, Coded, Judged
from harness.roundtable.runlog import codec, journal
from harness.roundtable.runlog.journal import RunHistory
from harness.schedule.model import Schedule
from harness.shapes import Shape, read
from harness.verdict import Accepted, Score

# The lower end of a 95 % interval, in standard errors.
_LOWER = 1.96
# Standard deviation of a table's reading, as a log, while the table has no repeats.
_ASSUMED_NOISE = 0.03


@dataclass(frozen=True, slots=True)
class Decided:
    """A schedule that the judge accepted: its ratio to BLAS over `shapes`, and the lower end of the ratio's interval.

    threads is the number of threads that were timed.
    """

    schedule: Schedule
    ratio: float
    ratio_low: float
    machine: Machine
    threads: int
    shapes: tuple[Shape, ...]
    source: str

    @property
    def key(self) -> str:
        """The schedule's key."""
        return self.schedule.key()


@dataclass(frozen=True, slots=True)
class AskedByLetters:
    """A question by letters as it was asked in a run, and its answer, which became an accepted kernel."""

    system: str
    prompt: str
    answer: str
    key: str
    ratio: float


@dataclass(slots=True)
class Evidence:
    """Everything that was found; `notes` say what was left out, a line each."""

    decided: list[Decided] = field(default_factory=list)
    asked: list[AskedByLetters] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def newest(self) -> list[Decided]:
        """One entry per machine, shapes, threads and schedule: the last one read."""
        found = {(one.machine.fingerprint, one.threads, one.shapes, one.key): one for one in self.decided}
        return list(found.values())


def machine_of(record: Mapping[str, Any]) -> Machine:
    """The machine of a record; its cores are numbered from 0. Raises KeyError or TypeError for another format."""
    return Machine(
        cpu=str(record["cpu"]),
        arch=str(record["arch"]),
        os=str(record["os"]),
        isa=tuple(record["isa"]),
        l1d_bytes=int(record["l1d_bytes"]),
        l2_bytes=int(record["l2_bytes"]),
        l3_bytes=int(record["l3_bytes"]),
        cores=tuple(range(int(record["cores"]))),
    )


def from_records(results: Path, root: Path, evidence: Evidence) -> None:
    """Add the accepted kernels of all machines' records whose folder still has the same source and a schedule."""
    gone = 0
    for path in sorted((results / "records").glob("*.jsonl")):
        for line in read_lines(path):
            if line.get("format") != FORMAT or line.get("verdict") != "Accepted":
                continue
            found = _of_record(line, root)
            if found is None:
                gone += 1
            else:
                evidence.decided.append(found)
    if gone:
        evidence.notes.append(
            f"{gone} accepted kernels of the records have no schedule, a changed source or another operation"
        )


def _of_record(line: JsonObject, root: Path) -> Decided | None:
    try:
        candidate = load(root / str(line["path"]))
        proposal = candidate.manifest.proposal or {}
        # Questions are about matmul; forms of sgemm are told by no word of them.
        if candidate.manifest.operation is not OperationName.MATMUL:
            return None
        if candidate.source_hash != line["source_hash"] or "schedule" not in proposal:
            return None
        machine = machine_of(line["machine"])
        return Decided(
            schedule=Schedule.model_validate(proposal["schedule"]),
            ratio=float(line["ratio_to_blas"]),
            ratio_low=float(line["ratio_low"]),
            machine=machine,
            threads=1 if line["threads"] == "1" else len(machine.cores),
            shapes=tuple(read(one["shape"]) for one in line["per_shape"]),
            source="record",
        )
    except (CandidateError, KeyError, TypeError, ValueError):
        return None


def from_runs(results: Path, machines: Mapping[str, Machine], evidence: Evidence) -> None:
    """Add the accepted kernels of all runs, with the questions by letters that led to them.

    `machines` by fingerprint: a journal names its machine only, so that runs of an unknown one are left out.
    """
    for path in sorted(results.glob(f"*/{journal.JOURNAL}")):
        try:
            history = journal.read(path.parent)
        except UserError:
            evidence.notes.append(f"{path}: not a journal of this version")
            continue
        if history.head.operation is not OperationName.MATMUL:
            evidence.notes.append(f"{path.parent.name}: a run of {history.head.operation} is left out")
            continue
        machine = machines.get(history.head.fingerprint.partition("-")[0])
        if machine is None:
            evidence.notes.append(f"{path.parent.name}: its machine is in no record")
            continue
        accepted = _accepted(history)
        for schedule, score in accepted:
            shapes = tuple(Shape(*timing.shape) for timing in score.per_shape)
            evidence.decided.append(
                Decided(schedule, score.claimed.ratio, score.ratio_low, machine, score.threads, shapes, "run")
            )
        ratios = {schedule.key(): score.claimed.ratio for schedule, score in accepted}
        evidence.asked += _asked(path.with_name(journal.TRANSCRIPT), ratios)


def _accepted(history: RunHistory) -> list[tuple[Schedule, Score]]:
    coded: dict[str, Coded] = {}
    found = []
    for message in history.messages:
        match message.content:
            case Coded(how=how) as one if how == TEMPLATE:
                coded[one.candidate] = one
            case Judged(candidate=name, verdict=plain) if name in coded:
                proposal = coded[name].manifest.get("proposal") or {}
                try:
                    verdict, schedule = (
                        codec.from_plain(plain),
                        Schedule.model_validate(proposal.get("schedule")),
                    )
                except (ValueError, ValidationError):
                    continue
                if isinstance(verdict, Accepted):
                    found.append((schedule, verdict.score))
    return found


def _asked(transcript: Path, ratios: Mapping[str, float]) -> list[AskedByLetters]:
    """The lettered exchanges of a transcript whose proposal has one of these accepted schedules."""
    if not transcript.is_file():
        return []
    answers: dict[str, JsonObject] = {}
    found = []
    for line in read_lines(transcript):
        if line.get("what") == "answer" and line.get("lettered"):
            answers[str(line["key"])] = line
        elif line.get("what") == "outcome" and line.get("key") in answers:
            told = answers[str(line["key"])]
            proposal = (line.get("event") or {}).get("proposal") or {}
            try:
                key = Schedule.model_validate(proposal.get("schedule")).key()
            except ValidationError:
                continue
            if key in ratios:
                found.append(AskedByLetters(told["system"], told["prompt"], told["answer"], key, ratios[key]))
    return found


def from_table(
    table: MeasuredTable, suites: Sequence[str], rows: Iterable[TableRow], evidence: Evidence
) -> None:
    """Add rows of a measured table, once for each of the named suites."""
    rows = list(rows)
    for suite in suites:
        noise = table.noise(suite) or _ASSUMED_NOISE
        for row in rows:
            ratio = row.ratio(suite)
            if ratio is None:
                continue
            count = sum(reading.accepted for reading in row.readings)
            evidence.decided.append(
                Decided(
                    schedule=row.schedule,
                    ratio=ratio,
                    ratio_low=ratio * math.exp(-_LOWER * noise / math.sqrt(count)),
                    machine=machine_of(row.session.machine),
                    threads=1,
                    shapes=tuple(map(read, row.session.suites[suite])),
                    source="table",
                )
            )


def known_machines(results: Path, here: Machine) -> dict[str, Machine]:
    """The given machine and those of all records, by fingerprint."""
    found = {here.fingerprint: here}
    for path in sorted((results / "records").glob("*.jsonl")):
        for line in read_lines(path):
            try:
                found.setdefault(
                    str(line["machine_fingerprint"]).partition("-")[0], machine_of(line["machine"])
                )
            except (KeyError, TypeError, ValueError):
                continue
    return found
