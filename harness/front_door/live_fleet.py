"""--workers: the judge of an evolution whose candidates are judged side by side, by processes or other machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.candidate import Candidate
from harness.fleet import address, token_file
from harness.fleet.dealer import FIRST_LIMIT_S, Dealer
from harness.fleet.inspections import WorkerInspection, WorkerShared, adopted
from harness.fleet.judging import facts
from harness.fleet.port import FleetWorker, WorkerPort
from harness.fleet.ticket_log import TicketLog
from harness.fleet.wire import Conditions, JobStage, WorkerFacts
from harness.front_door.live_judge import LiveJudge
from harness.front_door.session import SessionState
from harness.machine import Machine
from harness.pipeline import Inspection
from harness.report import portfolio
from harness.report.portfolio import KindResult
from harness.roundtable.conversation.interfaces import MachineVerdict
from harness.roundtable.run import Home
from harness.settings import Settings
from harness.verdict import Verdict


class LocalFleetJudge(LiveJudge):
    """Correctness by processes of this machine, side by side; then the clock, here, one candidate after the other."""

    def __init__(self, session: pytest.Session, state: SessionState, dealer: Dealer) -> None:
        super().__init__(session)
        self.workers = self
        self._state, self._dealer = state, dealer

    def deal(self, candidates: Sequence[Candidate]) -> None:
        """Give the candidates of a generation to the workers, and wait for all, so that none disturbs the clock."""
        self._dealer.deal(candidates)
        for candidate in candidates:
            self._dealer.outcomes(candidate.name)

    def elsewhere(self, candidate: str) -> Sequence[MachineVerdict]:
        """There is one machine only."""
        return ()

    def __call__(self, candidate: Candidate) -> Verdict:
        """Show the worker's gates as items, and time the kernel if it is correct."""
        (outcome,) = self._dealer.outcomes(candidate.name).values()
        return self.judge(candidate, adopted(candidate, self._state.shared, outcome))


class ClusterJudge(LiveJudge):
    """Everything is judged on other machines; the verdict of the home's kind counts, the others stand beside it."""

    def __init__(
        self, session: pytest.Session, state: SessionState, dealer: Dealer, home: FleetWorker
    ) -> None:
        super().__init__(session)
        self.workers = self
        self.home = Home(home.machine, home.facts.toolchain, home.facts.baseline)
        self._state, self._dealer, self._worker = state, dealer, home
        self._others: dict[str, list[MachineVerdict]] = {}
        self._results: list[KindResult] = []

    def deal(self, candidates: Sequence[Candidate]) -> None:
        """Let the machines begin."""
        self._dealer.deal(candidates)

    def elsewhere(self, candidate: str) -> Sequence[MachineVerdict]:
        """The verdicts of the other kinds of machine."""
        return self._others.get(candidate, [])

    def __call__(self, candidate: Candidate) -> Verdict:
        """Show the gates of every kind of machine as items; returns the home's verdict."""
        found = self._dealer.outcomes(candidate.name)
        self._others[candidate.name] = []
        home = self._worker.kind
        for kind, outcome in found.items():
            worker = self._dealer.machine(kind) or self._worker
            if kind != home and outcome.decoded is not None:
                other = MachineVerdict(worker.machine, worker.facts.toolchain, outcome.decoded)
                self._others[candidate.name].append(other)
                self._show(
                    candidate, WorkerInspection(candidate, self._shared(worker), outcome), worker.machine
                )
            self._results.append(KindResult(worker.machine, candidate.name, outcome.decoded))
        return self.judge(candidate, WorkerInspection(candidate, self._shared(self._worker), found[home]))

    def notices(self) -> list[str]:
        """The best kernel of each kind of machine, and the command that makes a crate of them."""
        return portfolio.lines(self._results)

    def _shared(self, worker: FleetWorker) -> WorkerShared:
        return WorkerShared(self._state.settings, self._state.say, worker)

    def _show(self, candidate: Candidate, inspection: Inspection, machine: Machine) -> None:
        """The items of another kind of machine, as "kernel.rs[avx512-3fa9]"."""
        self.run_items(candidate, inspection, portfolio.label(machine))

    def judge(self, candidate: Candidate, inspection: Inspection | None = None) -> Verdict:
        """Run the items; a kernel that was timed elsewhere takes part in no duel here."""
        return self.run_items(candidate, inspection)


@contextmanager
def fleet_judge(session: pytest.Session, state: SessionState, run: Path) -> Iterator[LiveJudge]:
    """The judge that --workers asks for, in the run's folder `run`; its workers end with the block.

    Raises UserError when the workers cannot be had.
    """
    settings, shared = state.settings, state.shared
    assert settings.workers is not None
    here = facts(shared)
    where = address.parse(settings.workers, len(shared.machine.cores))
    port = _port(where, here, state)
    try:
        log = TicketLog(run, here.version)
    except BaseException:
        port.close()
        raise
    conditions = Conditions.of(settings)
    if isinstance(where, address.LocalAddress):
        dealer = Dealer(
            port, shared.machine, conditions, log, state.say, stage=JobStage.CORRECTNESS, every_kind=False
        )
        judge: LocalFleetJudge | ClusterJudge = LocalFleetJudge(session, state, dealer)
        state.say(f"workers: {where.count} process(es) judge correctness side by side; one clock")
    else:
        home = home_of(port.machines(), shared.machine)
        every_kind = settings.machines == "all"
        limit_s = first_limit_s(settings)
        dealer = Dealer(
            port, home.machine, conditions, log, state.say, every_kind=every_kind, first_limit_s=limit_s
        )
        judge = ClusterJudge(session, state, dealer, home)
        state.say(
            f"workers: kernels are evolved for {home.machine.machine_class} ({portfolio.label(home.machine)})"
        )
    try:
        yield judge
    finally:
        dealer.close()


def _port(where: address.WorkersAddress, here: WorkerFacts, state: SessionState) -> WorkerPort:
    if isinstance(where, address.LocalAddress):
        from harness.fleet.local import LocalWorkers

        return LocalWorkers(where.count, here, state.say)
    from harness.fleet.ray_port import RayWorkers

    token = state.settings.fleet_token or token_file.usual_place()
    return RayWorkers(where, token, here, state.say)


def home_of(workers: Sequence[FleetWorker], here: Machine) -> FleetWorker:
    """The worker for whose kind of machine a run evolves: this machine's, else its class, else the commonest kind."""
    counts = Counter(one.kind for one in workers)

    def rank(one: FleetWorker) -> tuple[bool, bool, int, int, str]:
        same_class = one.machine.machine_class == here.machine_class
        return (one.kind == here.fingerprint, same_class, counts[one.kind], len(one.machine.isa), one.kind)

    return max(workers, key=rank)


def first_limit_s(settings: Settings) -> float:
    """Seconds allowed to a worker without a history; suites of many or large shapes are timed for longer."""
    from harness.clock import suites

    shapes = suites.parse(suites.name_for(settings.suite, settings.operation))
    longer = max(1.0, len(shapes) / len(suites.SUITES["default"]))
    return FIRST_LIMIT_S + 20 * settings.clock_budget_s * longer + sum(shape.flops for shape in shapes) / 1e9
