"""The port between the dealer and whatever runs the judges: processes of this machine, or an engine on several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from harness.fleet.wire import Job, JobOutcome, WorkerFacts
from harness.machine import Machine


@dataclass(frozen=True, slots=True)
class FleetWorker:
    """A worker that may get jobs. `id` is unique in the session; `kind` is the fingerprint of its machine."""

    id: str
    facts: WorkerFacts
    machine: Machine
    kind: str

    @staticmethod
    def of(worker_id: str, facts: WorkerFacts) -> FleetWorker:
        """A worker with these facts."""
        machine = facts.of_machine
        return FleetWorker(worker_id, facts, machine, machine.fingerprint)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A job is done."""

    ticket: str
    worker: str
    outcome: JobOutcome


@dataclass(frozen=True, slots=True)
class Lost:
    """A job will not be done: its worker died, was cancelled, or answered what cannot be an outcome."""

    ticket: str
    worker: str
    why: str


Report: TypeAlias = Arrived | Lost


class WorkerPort(Protocol):
    """Runs jobs on workers, one at a time on each."""

    def machines(self) -> Sequence[FleetWorker]:
        """The workers that live now, in a fixed order; workers that came back or are new included."""
        ...

    def submit(self, job: Job, worker: str) -> None:
        """Give a job to an idle worker."""
        ...

    def done(self, timeout_s: float) -> list[Report]:
        """What has been reported; waits up to `timeout_s` for the first. Raises KeyboardInterrupt on Ctrl-C."""
        ...

    def cancel(self, ticket: str) -> None:
        """End a job now; nothing of it is reported any more, and its kernel does not survive."""
        ...

    def close(self) -> None:
        """End all jobs and workers that this session started."""
        ...
