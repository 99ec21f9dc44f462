"""A measured table of schedules: what each one reached against BLAS at each shape, on which machine, how often timed.

`python -m harness.studies.schedule_table` makes it. A file of JSON lines of three kinds: a session (machine, toolchain,
baseline, shapes), a code path that passed the judge, and a reading (one schedule, timed once).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.durable import JsonObject, read_lines
from harness.errors import UserError
from harness.schedule.model import Schedule

SESSION, PATH, READING = "session", "path", "reading"


@dataclass(frozen=True, slots=True)
class TableSession:
    """What the readings of one session have in common. `suites` names groups of shapes, as in "64x64x64".

    machine: Machine.as_record(). machine_class: CPU, architecture and vector unit in words.
    """

    number: int
    machine: JsonObject
    machine_class: str
    toolchain: str
    baseline: str
    suites: Mapping[str, tuple[str, ...]]

    @property
    def fingerprint(self) -> str:
        """The machine's fingerprint."""
        return str(self.machine["fingerprint"])

    @property
    def shapes(self) -> tuple[str, ...]:
        """All shapes, in the order of a reading's ratios."""
        return tuple(shape for group in self.suites.values() for shape in group)


@dataclass(frozen=True, slots=True)
class Reading:
    """One schedule timed once: t_blas / t_candidate for each shape of its session; none where the judge refused it.

    origin: how the schedule was chosen: "random", "near" (steps from a fast one) or "again" (timed before).
    """

    session: int
    key: str
    schedule: Schedule
    ratios: tuple[float, ...]
    verdict: str
    origin: str

    @property
    def accepted(self) -> bool:
        """Whether it has ratios."""
        return bool(self.ratios)


@dataclass(frozen=True, slots=True)
class TableRow:
    """All readings of one schedule on one machine."""

    key: str
    schedule: Schedule
    machine: str
    readings: tuple[Reading, ...]
    session: TableSession

    def ratio(self, suite: str) -> float | None:
        """The geometric mean over a suite's shapes and all readings; None when the judge refused the schedule."""
        logs = [mean_log(reading, self.session, suite) for reading in self.readings if reading.accepted]
        return math.exp(sum(logs) / len(logs)) if logs else None


@dataclass(frozen=True, slots=True)
class MeasuredTable:
    """The content of a table's file, in its order."""

    sessions: tuple[TableSession, ...]
    paths: Mapping[str, str]
    readings: tuple[Reading, ...]

    def rows(self) -> list[TableRow]:
        """One row for each schedule and machine; sessions of one machine count as one."""
        sessions = {one.number: one for one in self.sessions}
        found: dict[tuple[str, str], list[Reading]] = {}
        for reading in self.readings:
            found.setdefault((sessions[reading.session].fingerprint, reading.key), []).append(reading)
        return [
            TableRow(key, group[0].schedule, machine, tuple(group), sessions[group[0].session])
            for (machine, key), group in found.items()
        ]

    def noise(self, suite: str) -> float | None:
        """The standard deviation of one reading of a suite, as a log, from schedules that were read at least twice.

        None with fewer than two such schedules.
        """
        squares, freedom = 0.0, 0
        for row in self.rows():
            logs = [mean_log(reading, row.session, suite) for reading in row.readings if reading.accepted]
            if len(logs) > 1:
                mean = sum(logs) / len(logs)
                squares += sum((log - mean) ** 2 for log in logs)
                freedom += len(logs) - 1
        return math.sqrt(squares / freedom) if freedom > 1 else None


def is_environment(key: str) -> bool:
    """Whether a comparison of minds keeps a schedule for its environment, so that nothing may learn from it; decided by
    its key alone.
    """
    return int(key[8:16], 16) % 2 == 0


def mean_log(reading: Reading, session: TableSession, suite: str) -> float:
    """The mean log-ratio of a reading over the shapes of one suite of its session."""
    shapes = session.suites[suite]
    at = [session.shapes.index(shape) for shape in shapes]
    return sum(math.log(reading.ratios[index]) for index in at) / len(at)


def plain_schedule(schedule: Schedule) -> JsonObject:
    """The knobs that differ from the defaults, as plain types; Schedule.model_validate reads them back."""
    plain: JsonObject = schedule.model_dump(mode="json", exclude_defaults=True)
    return plain


def session_line(session: TableSession) -> JsonObject:
    """A session as a line of the file."""
    return {
        "what": SESSION,
        "session": session.number,
        "machine": session.machine,
        "machine_class": session.machine_class,
        "toolchain": session.toolchain,
        "baseline": session.baseline,
        "suites": {name: list(shapes) for name, shapes in session.suites.items()},
    }


def reading_line(reading: Reading) -> JsonObject:
    """A reading as a line of the file."""
    return {
        "what": READING,
        "session": reading.session,
        "key": reading.key,
        "schedule": plain_schedule(reading.schedule),
        "ratios": [round(ratio, 4) for ratio in reading.ratios],
        "verdict": reading.verdict,
        "origin": reading.origin,
    }


def path_line(path: str, key: str, verdict: str) -> JsonObject:
    """The judge's verdict on one schedule of a code path as a line of the file."""
    return {"what": PATH, "path": path, "key": key, "verdict": verdict}


def read_table(path: Path) -> MeasuredTable:
    """The table in a file. Raises UserError when it cannot be read or a line is not of this version."""
    if not path.is_file():
        raise UserError(
            f"{path}: no measured table; make one with python -m harness.studies.schedule_table --results "
            f"{path.parent}"
        )
    lines = read_lines(path)
    try:
        return _table(lines)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: not a table of this version ({type(error).__name__}: {str(error).splitlines()[0][:80]}); "
            "move it away and make a new one"
        ) from None


def _table(lines: Iterable[JsonObject]) -> MeasuredTable:
    sessions: list[TableSession] = []
    paths: dict[str, str] = {}
    readings: list[Reading] = []
    for line in lines:
        match line["what"]:
            case "session":
                sessions.append(_session(line))
            case "path":
                paths[line["path"]] = line["verdict"]
            case "reading":
                readings.append(_reading(line))
            case other:
                raise ValueError(f"a line of the kind {other!r}")
    unknown = {reading.session for reading in readings} - {one.number for one in sessions}
    if unknown:
        raise ValueError(f"readings of unknown sessions {sorted(unknown)}")
    return MeasuredTable(tuple(sessions), paths, tuple(readings))


def _session(line: Mapping[str, Any]) -> TableSession:
    suites = {str(name): tuple(map(str, shapes)) for name, shapes in line["suites"].items()}
    return TableSession(
        int(line["session"]),
        dict(line["machine"]),
        str(line["machine_class"]),
        str(line["toolchain"]),
        str(line["baseline"]),
        suites,
    )


def _reading(line: Mapping[str, Any]) -> Reading:
    schedule = Schedule.model_validate(line["schedule"])
    ratios: Sequence[float] = line["ratios"]
    return Reading(
        int(line["session"]),
        str(line["key"]),
        schedule,
        tuple(map(float, ratios)),
        str(line["verdict"]),
        str(line["origin"]),
    )
