"""The dealer: hands the candidates of a generation to workers, and waits for what was found.

Correctness of a candidate is judged once per vector unit, timing on every kind of machine. A job that takes too long
is cancelled and given to another worker; a lost worker's jobs are dealt anew. Both are bounded, and in the end the
verdict is Inconclusive: a failure of workers says nothing against a kernel. Outcomes are kept by candidate and kind of
machine, so the order of their arrival changes nothing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.announce import Announce
from harness.candidate import Candidate
from harness.errors import UserError
from harness.fleet import wire
from harness.fleet.fitting import fits
from harness.fleet.port import Arrived, FleetWorker, Lost, Report, WorkerPort
from harness.fleet.ticket_log import TicketLog, is_undecided
from harness.fleet.wire import Conditions, Job, JobOutcome, JobStage
from harness.machine import Machine
from harness.verdict import Gate

# A job is cancelled after this many medians of its worker's judging times, and never before LEAST_LIMIT_S.
PATIENCE = 3.0
LEAST_LIMIT_S = 60.0
# Seconds allowed to a worker without a history: building tools, the first A/A control.
FIRST_LIMIT_S = 240.0
# Times that one job is submitted, over all workers.
ATTEMPTS = 3
# Seconds without any worker of a kind until its jobs end undecided; without any worker at all, until the run ends.
ABSENT_S = 60.0
_WAIT_S = 1.0


@dataclass
class _Errand:
    """One candidate on one kind of machine. `leader` judges correctness for this vector unit; None leads itself."""

    candidate: Candidate
    kind: str
    machine: Machine
    leader: _Errand | None = None
    attempts: int = 0
    job: Job | None = None
    worker: str = ""
    avoided: set[str] = field(default_factory=set)
    until_s: float = 0.0
    absent_since_s: float | None = None
    outcome: JobOutcome | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it can be given to a worker now."""
        ready = self.leader is None or self.leader.outcome is not None
        return self.outcome is None and self.job is None and ready


class Dealer:
    """Deals candidates to the workers of a port. Not thread-safe; every call is made by the session's main thread."""

    def __init__(
        self,
        port: WorkerPort,
        home: Machine,
        conditions: Conditions,
        log: TicketLog,
        say: Announce,
        *,
        stage: JobStage = JobStage.WHOLE,
        every_kind: bool = True,
        first_limit_s: float = FIRST_LIMIT_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`home` is the machine whose verdict counts in the run; `every_kind` False judges on its kind only."""
        self._port, self._home, self._conditions = port, home, conditions
        self._log, self._say, self._stage, self._every_kind = log, say, stage, every_kind
        self._first_limit_s, self._now_s = first_limit_s, now_s
        self._errands: dict[str, list[_Errand]] = {}
        # The errands without an outcome, in the order dealt.
        self._open: list[_Errand] = []
        self._workers: dict[str, FleetWorker] = {}
        self._living: dict[str, FleetWorker] = {}
        self._seconds: dict[str, list[float]] = {}
        self._alone_since_s: float | None = None

    def deal(self, candidates: Sequence[Candidate]) -> None:
        """Take candidates that are not dealt yet; those that fit free workers are submitted at once."""
        self._look_around()
        machines = {one.kind: one.machine for one in self._living.values()}
        for candidate in candidates:
            if candidate.name not in self._errands:
                self._errands[candidate.name] = self._errands_of(candidate, machines)
                self._open += [one for one in self._errands[candidate.name] if one.outcome is None]
        self._hand_out()

    def outcomes(self, candidate: str) -> Mapping[str, JobOutcome]:
        """The outcome on each kind of machine, the home's first; waits for all of them.

        Raises UserError when no worker is left.
        """
        errands = self._errands[candidate]
        while any(errand.outcome is None for errand in errands):
            self._step()
        return {errand.kind: errand.outcome for errand in errands if errand.outcome is not None}

    def machine(self, kind: str) -> FleetWorker | None:
        """A worker of the kind, living or not; None when there never was one."""
        return next((one for one in self._workers.values() if one.kind == kind), None)

    def close(self) -> None:
        """End all jobs."""
        self._port.close()
        self._log.close()

    def _errands_of(self, candidate: Candidate, machines: Mapping[str, Machine]) -> list[_Errand]:
        """One errand per kind of machine, of those that live, that fits; the home's leads its vector unit."""
        kinds = {self._home.fingerprint: self._home}
        if self._every_kind:
            kinds |= {kind: one for kind, one in machines.items() if fits(candidate.source, one)}
        leaders: dict[str, _Errand] = {}
        found = []
        home = self._home.fingerprint
        for kind in [home, *sorted(kinds.keys() - {home})]:
            machine = kinds[kind]
            errand = _Errand(candidate, kind, machine, leaders.get(machine.vector))
            leaders.setdefault(machine.vector, errand)
            known = self._log.known(self._job(errand))
            errand.outcome = known
            found.append(errand)
        return found

    def _job(self, errand: _Errand) -> Job:
        """The job of the next attempt."""
        candidate, leader = errand.candidate, errand.leader
        stage, levels = self._stage, {}
        if leader is not None and leader.outcome is not None and _is_correct(leader.outcome):
            stage, levels = JobStage.TIMING, leader.outcome.levels
        attempt = errand.attempts + 1
        return Job(
            ticket=f"{candidate.name}.{errand.kind[:12]}.{stage}.{attempt}",
            candidate=candidate.name,
            source=candidate.source,
            manifest=Job.manifest_of(candidate),
            stage=stage,
            conditions=self._conditions,
            attempt=attempt,
            fingerprint=errand.kind,
            levels=levels,
        )

    def _step(self) -> None:
        """Look for lost and new workers, cancel what takes too long, hand out jobs, take reports."""
        self._look_around()
        self._end_overdue()
        self._hand_out()
        self._end_absent()
        for report in self._port.done(self._wait_s()):
            self._take(report)

    def _wait_s(self) -> float:
        until = min((one.until_s for one in self._running()), default=self._now_s() + _WAIT_S)
        return max(0.01, min(_WAIT_S, until - self._now_s()))

    def _running(self) -> list[_Errand]:
        return [errand for errand in self._open if errand.job is not None]

    def _look_around(self) -> None:
        living = self._living = {one.id: one for one in self._port.machines()}
        for one in living.values():
            self._workers.setdefault(one.id, one)
        for errand in self._running():
            if errand.worker not in living:
                self._again(errand, "its worker is gone")
        self._alone_since_s = None if living else self._alone_since_s or self._now_s()
        if self._alone_since_s is not None and self._now_s() - self._alone_since_s > ABSENT_S:
            raise UserError(
                "no worker is left; nothing judged is lost: start workers again, then continue with --resume"
            )

    def _hand_out(self) -> None:
        """Give every idle worker the first job that waits for its kind, those of earlier candidates first."""
        self._settle()
        busy = {errand.worker for errand in self._running()}
        waiting: dict[str, list[_Errand]] = {}
        for errand in self._open:
            if errand.is_waiting:
                waiting.setdefault(errand.kind, []).append(errand)
        for worker in self._living.values():
            if worker.id in busy:
                continue
            queue = waiting.get(worker.kind, [])
            found = next((one for one in queue if self._may_take(worker, one)), None)
            if found is not None:
                queue.remove(found)
                self._submit(found, worker)

    def _may_take(self, worker: FleetWorker, errand: _Errand) -> bool:
        """Whether the worker has not failed with this job, or there is no other of its kind."""
        if worker.id not in errand.avoided:
            return True
        return not any(
            one.kind == worker.kind and one.id not in errand.avoided for one in self._living.values()
        )

    def _settle(self) -> None:
        """A rejection before the clock holds for every machine with the same vector unit."""
        for errand in self._open:
            found = errand.leader.outcome if errand.leader is not None else None
            if errand.is_waiting and found and not _is_correct(found) and not is_undecided(found):
                errand.outcome = found.model_copy(update={"fingerprint": errand.kind})
        self._open = [errand for errand in self._open if errand.outcome is None]

    def _submit(self, errand: _Errand, worker: FleetWorker) -> None:
        job = self._job(errand)
        errand.attempts += 1
        errand.job, errand.worker, errand.absent_since_s = job, worker.id, None
        errand.until_s = self._now_s() + self._limit_s(worker.id)
        self._log.submitted(job, worker.id)
        self._port.submit(job, worker.id)

    def _limit_s(self, worker: str) -> float:
        history = self._seconds.get(worker, [])
        if not history:
            return self._first_limit_s
        return max(LEAST_LIMIT_S, PATIENCE * statistics.median(history))

    def _end_overdue(self) -> None:
        for errand in self._running():
            if self._now_s() >= errand.until_s:
                assert errand.job is not None
                self._port.cancel(errand.job.ticket)
                self._again(errand, f"not done after {self._limit_s(errand.worker):.0f} s")

    def _end_absent(self) -> None:
        """End the jobs of kinds of machine that have been gone for long, while others live."""
        kinds = {one.kind for one in self._living.values()}
        for errand in self._open:
            if not errand.is_waiting or errand.kind in kinds:
                errand.absent_since_s = None
                continue
            errand.absent_since_s = errand.absent_since_s or self._now_s()
            if kinds and self._now_s() - errand.absent_since_s > ABSENT_S:
                errand.outcome = wire.unfinished(self._job(errand), "no machine of this kind is left")

    def _take(self, report: Report) -> None:
        errand = next((one for one in self._running() if one.job and one.job.ticket == report.ticket), None)
        if errand is None or errand.worker != report.worker:
            return
        match report:
            case Lost(why=why):
                self._again(errand, why)
            case Arrived(outcome=outcome, worker=worker):
                assert errand.job is not None
                self._log.arrived(errand.job, outcome)
                self._seconds.setdefault(worker, []).append(outcome.seconds)
                errand.outcome, errand.job = outcome, None

    def _again(self, errand: _Errand, why: str) -> None:
        """After a loss: wait for another worker, or end undecided after ATTEMPTS."""
        job = errand.job
        assert job is not None
        errand.avoided.add(errand.worker)
        errand.job = None
        worker = errand.worker
        if errand.attempts >= ATTEMPTS:
            errand.outcome = wire.unfinished(job, f"given up after {ATTEMPTS} workers: {why}")
            self._say(f"workers: {job.candidate}: given up on {worker}: {why}")
        else:
            self._say(f"workers: {job.candidate}: {worker}: {why}; it is judged again")


def _is_correct(outcome: JobOutcome) -> bool:
    """Whether every gate before the clock was passed."""
    return Gate.CONDUCT in {one.gate for one in outcome.passed}
