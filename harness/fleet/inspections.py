"""A worker's outcome as an inspection, so that the session's items, records and tables show it like any other."""

from __future__ import annotations

from typing import Any

from harness.announce import Announce
from harness.candidate import Candidate
from harness.fleet.judging import take_over
from harness.fleet.port import FleetWorker
from harness.fleet.ticket_log import is_undecided
from harness.fleet.wire import JobOutcome
from harness.operation.operations import OperationName
from harness.pipeline import GatePassed, Inspection, SharedTools
from harness.settings import Settings
from harness.verdict import Gate


def passed_gates(outcome: JobOutcome) -> dict[Gate, GatePassed]:
    """The gates that the worker found passed."""
    return {one.gate: GatePassed(one.gate, one.seconds, dict(one.notes)) for one in outcome.passed}


def adopted(candidate: Candidate, shared: SharedTools, outcome: JobOutcome) -> Inspection:
    """The inspection of a candidate whose correctness another process of this machine has judged.

    The kernel is built here, too, for the clock; rustc's result is in the cache. When the worker decided nothing (a
    busy machine, a process that died), nothing is taken over, and this process judges from the beginning.
    """
    inspection = Inspection(candidate, shared)
    if is_undecided(outcome):
        return inspection
    found = passed_gates(outcome)
    if Gate.AUDIT in found:
        take_over(inspection, outcome.levels, found)
        if inspection.rejection is not None:
            return inspection
        inspection.examination.case = outcome.case
    else:
        inspection.passed |= found
    inspection.verdict = outcome.decoded
    return inspection


class WorkerShared(SharedTools):
    """What a session knows of the tools of another machine: enough to record its verdicts."""

    def __init__(self, settings: Settings, say: Announce, worker: FleetWorker) -> None:
        super().__init__(settings, say)
        self.machine = worker.machine
        self.worker = worker

    def facts(self, threads: str, operation: OperationName) -> dict[str, Any]:
        """See SharedTools.facts."""
        from harness.clock.suites import name_for

        return {
            "machine": self.machine.as_record(),
            "machine_fingerprint": self.machine.identity(threads),
            "toolchain": self.worker.facts.toolchain,
            "baseline": self.worker.facts.baseline,
            "suite": name_for(self.settings.suite, operation),
        }


class WorkerInspection(Inspection):
    """An inspection that another machine has done; nothing is run here."""

    def __init__(self, candidate: Candidate, shared: WorkerShared, outcome: JobOutcome) -> None:
        super().__init__(candidate, shared)
        self._outcome = outcome
        self.passed = passed_gates(outcome)
        self.verdict = outcome.decoded

    @property
    def numerics(self) -> str:
        """See Inspection.numerics."""
        return self._outcome.numerics

    @property
    def case(self) -> str | None:
        """See Inspection.case."""
        return self._outcome.case
