"""A port without processes: workers that take a planned time, lose jobs or die at planned times, on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from harness.fleet import wire
from harness.fleet.port import Arrived, FleetWorker, Lost, Report
from harness.fleet.wire import JUDGING, Job, JobOutcome, JobStage, PassedGate, WorkerFacts
from harness.machine import Machine
from harness.roundtable.runlog import codec
from harness.verdict import Gate, Verdict
from tests.roundtable.support import AVX2, accepted

AVX512 = replace(AVX2, cpu="Wide CPU", isa=(*AVX2.isa, "avx512f", "avx512vl"))
KIN = replace(AVX2, cpu="Kin CPU")


def facts_of(machine: Machine, version: str = "0123456789ab", sandboxed: bool = True) -> WorkerFacts:
    return WorkerFacts(
        version=version,
        toolchain="rustc 1.95.0 (x86_64-unknown-linux-gnu)",
        compiler="rustc 1.95.0 (abc, LLVM 22)",
        baseline="fake BLAS",
        python="3.11.7",
        sandboxed=sandboxed,
        machine=wire.plain_machine(machine),
    )


def outcome_of(
    job: Job, verdict: Verdict | None, through: int, levels: dict[str, int] | None = None
) -> JobOutcome:
    """An outcome with the first `through` gates passed."""
    return JobOutcome(
        ticket=job.ticket,
        fingerprint=job.fingerprint,
        passed=[PassedGate(gate=gate, seconds=0.5) for gate in list(Gate)[:through]],
        verdict=None if verdict is None else codec.to_plain(verdict),
        levels=levels or {},
        seconds=10.0,
    )


def fine(job: Job) -> JobOutcome:
    """Every kernel is right and level with BLAS."""
    if job.stage is JobStage.CORRECTNESS:
        return outcome_of(job, None, len(JUDGING))
    verdict = replace(accepted(1.0), tier=job.manifest.get("tier", "unsafe"))
    return outcome_of(job, verdict, len(Gate))


@dataclass
class Plan:
    """A worker's future: seconds per job, whether it answers at all, and when it dies."""

    machine: Machine = AVX2
    job_s: float = 10.0
    silent: bool = False
    loses: int = 0
    dies_s: float = float("inf")
    born_s: float = 0.0


@dataclass
class FakePort:
    """See port.WorkerPort. `judge` makes the outcome of a job; time passes in `done` only."""

    plans: dict[str, Plan]
    judge: Callable[[Job], JobOutcome] = fine
    now_s: float = 0.0
    submitted: list[tuple[Job, str]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    closed: bool = False
    _running: dict[str, tuple[Job, float]] = field(default_factory=dict)

    def clock_s(self) -> float:
        return self.now_s

    def machines(self) -> Sequence[FleetWorker]:
        return [
            FleetWorker.of(name, facts_of(plan.machine))
            for name, plan in self.plans.items()
            if plan.born_s <= self.now_s < plan.dies_s
        ]

    def submit(self, job: Job, worker: str) -> None:
        assert worker not in self._running, "two jobs at once on one worker"
        assert job.fingerprint == self.plans[worker].machine.fingerprint
        self.submitted.append((job, worker))
        self._running[worker] = (job, self.now_s)

    def done(self, timeout_s: float) -> list[Report]:
        ends = {
            worker: began + self.plans[worker].job_s
            for worker, (_, began) in self._running.items()
            if not self.plans[worker].silent
        }
        until = min([self.now_s + timeout_s, *(end for end in ends.values() if end > self.now_s)])
        self.now_s = max(until, self.now_s + 1e-3)
        found: list[Report] = []
        for worker, (job, _) in list(self._running.items()):
            plan = self.plans[worker]
            if self.now_s >= plan.dies_s:
                del self._running[worker]
                found.append(Lost(job.ticket, worker, "died"))
            elif ends.get(worker, float("inf")) <= self.now_s:
                del self._running[worker]
                plan.loses -= 1
                lost = plan.loses >= 0
                found.append(
                    Lost(job.ticket, worker, "lost") if lost else Arrived(job.ticket, worker, self.judge(job))
                )
        return found

    def cancel(self, ticket: str) -> None:
        self.cancelled.append(ticket)
        self._running = {worker: one for worker, one in self._running.items() if one[0].ticket != ticket}

    def close(self) -> None:
        self.closed = True
