"""The tickets and outcomes of a run on disk: a ticket before its job is submitted, an outcome before anybody hears it.

After a kill of the coordinator, `--resume` finds every verdict that had arrived; only jobs under way are done again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.durable import JsonLines, JsonObject, read_lines
from harness.fleet import wire
from harness.fleet.wire import Conditions, Job, JobOutcome, WireError
from harness.verdict import HarnessError, Inconclusive

LOG = "fleet.jsonl"


@dataclass(frozen=True, slots=True)
class ErrandKey:
    """What an outcome holds for: source, kind of machine, stage, and everything else that a verdict depends on."""

    source_hash: str
    kind: str
    stage: str
    circumstances: str

    @staticmethod
    def of(job: Job, version: str) -> ErrandKey:
        """The key of a job in this version of the harness."""
        source = hashlib.sha256(job.source.encode()).hexdigest()
        return ErrandKey(source, job.fingerprint, job.stage, circumstances(job.conditions, version))


def circumstances(conditions: Conditions, version: str) -> str:
    """Sixteen hexadecimal digits over conditions and version."""
    return hashlib.sha256(f"{conditions.model_dump_json()}\0{version}".encode()).hexdigest()[:16]


class TicketLog:
    """Appends to `fleet.jsonl` in a run's folder, and knows what it held when it was opened."""

    def __init__(self, run: Path, version: str) -> None:
        self._version = version
        path = run / LOG
        self._known: dict[ErrandKey, JsonObject] = {}
        for entry in read_lines(path) if path.is_file() else []:
            if entry.get("what") == "outcome" and isinstance(entry.get("key"), list):
                key = [str(part) for part in entry["key"]]
                if len(key) == 4:
                    self._known[ErrandKey(*key)] = entry
        self._lines = JsonLines(path)

    def submitted(self, job: Job, worker: str) -> None:
        """Write the ticket of a job that will be submitted now."""
        key = ErrandKey.of(job, self._version)
        self._lines.append(
            {
                "what": "ticket",
                "ticket": job.ticket,
                "attempt": job.attempt,
                "worker": worker,
                "key": _parts(key),
            }
        )

    def arrived(self, job: Job, outcome: JobOutcome) -> None:
        """Write an outcome."""
        key = ErrandKey.of(job, self._version)
        entry = {"what": "outcome", "key": _parts(key), "outcome": outcome.model_dump(mode="json")}
        self._lines.append(entry)

    def known(self, job: Job) -> JobOutcome | None:
        """The outcome of an equal job of an earlier session of this run; None for one that decided nothing."""
        entry = self._known.get(ErrandKey.of(job, self._version))
        if entry is None:
            return None
        try:
            found = JobOutcome.model_validate(entry["outcome"])
            found = wire.read_outcome(wire.write(found.model_copy(update={"ticket": job.ticket})), job)
        except (WireError, ValueError, KeyError):
            return None
        return None if is_undecided(found) else found

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


def is_undecided(outcome: JobOutcome) -> bool:
    """Whether the outcome says nothing about the kernel: the machine was too busy, or the harness failed."""
    return isinstance(outcome.decoded, Inconclusive | HarnessError)


def _parts(key: ErrandKey) -> list[str]:
    return [key.source_hash, key.kind, key.stage, key.circumstances]
