"""One evolution: registers the agents with a SingleThreadedAgentRuntime, starts the Manager, and shuts down cleanly."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.announce import Announce
from harness.errors import UserError
from harness.machine import Machine
from harness.minds.protocol import Minds
from harness.roundtable.agents import sharing
from harness.roundtable.agents.table import Table
from harness.roundtable.conversation.budget import Spending
from harness.roundtable.conversation.interfaces import (
    Judge,
    LibraryInterface,
    Listener,
    MemoryInterface,
    ScheduleInterface,
    Screen,
    Workers,
)
from harness.roundtable.conversation.messages import Begin, Coded, Proposed, RememberedIt, Role
from harness.roundtable.runlog import candidate_folders, codec, journal
from harness.roundtable.runlog.journal import Journal, RunHeader, RunHistory
from harness.roundtable.runlog.transcript import Replay, Transcript
from harness.settings import Settings
from harness.verdict import Verdict
from harness.visible import shown_in

if TYPE_CHECKING:
    from autogen_core import SingleThreadedAgentRuntime

# Seconds. The agents shut down within milliseconds; the limit only keeps a bug from hanging the session.
_SHUTDOWN_S = 10.0
# 1 January 2020, UTC, in seconds: the origin of run ids.
_EPOCH_S = 1577836800


@dataclass(frozen=True, slots=True)
class CandidateOutcome:
    """One candidate of the run; `verdict` is None when the run ended before it was judged."""

    name: str
    generation: int
    slot: int
    parents: tuple[str, ...]
    model: str
    how: str
    algorithm: str
    verdict: Verdict | None
    remembered: bool


@dataclass(frozen=True, slots=True)
class EvolutionResult:
    """The result of an evolution: candidates in the order in which they were written, what was spent, why it ended."""

    run_id: str
    seed: int
    generations: int
    candidates: tuple[CandidateOutcome, ...]
    tokens: int
    spent_s: float
    stand_ins: int
    ended: str
    notices: tuple[str, ...] = field(default=())

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict of every judged candidate, by name."""
        return {one.name: one.verdict for one in self.candidates if one.verdict is not None}


MindsFor = Callable[[int], Minds]


@dataclass(frozen=True)
class Services:
    """What an evolution gets from the other packages.

    judge: blocking, from candidate to verdict; called in this thread inside the Tester's handler.
    minds: the models, or a function from the run's seed to them, because a resumed run continues with its own seed.
    say: prints one line of progress.
    baseline: its label in verdicts; only kernels of the memory that were measured against it rank and become parents.
    screen: blocking, times schedules briefly; None proposes without timing.
    hear: gets every event of the conversation once it is in the journal.
    workers: lets the candidates of a generation be judged side by side; None judges each before the next is proposed.
    """

    judge: Judge
    minds: Minds | MindsFor
    memory: MemoryInterface
    library: LibraryInterface | None
    schedules: ScheduleInterface
    machine: Machine
    say: Announce
    toolchain: str = ""
    baseline: str = ""
    screen: Screen | None = None
    hear: Listener | None = None
    workers: Workers | None = None


async def evolve(settings: Settings, services: Services, run_id: str) -> EvolutionResult:
    """Evolve `settings.generate` generations of `settings.population` proposals each.

    Raises UserError for everything a person can fix, including errors of models and memory, and KeyboardInterrupt on
    Ctrl-C. Whatever happened until then is in results/local/<run id>/, and `--resume` continues from there.
    """
    from harness.roundtable import recover

    history = journal.read(journal.latest_unfinished(settings.results)) if settings.resume else None
    head = history.head if history else _head(settings, services, run_id)
    if head.operation is not settings.operation:
        raise UserError(
            f"run {head.run_id} evolves {head.operation}; continue it with --resume --operation {head.operation}"
        )
    if history is None:
        recover.catch_up(settings, services.memory, services.machine, services.say)
    else:
        services.say(f"continuing run {head.run_id}: {len(history.messages)} steps done")
    minds = services.minds(head.seed) if callable(services.minds) else services.minds
    table = _open_table(settings, history, head, services, minds)
    try:
        if history:
            recover.restore(settings, history)
        await _run_agents(table)
        if table.interruption is not None:
            raise table.interruption
        table.journal.end(table.ended, table.spending.tokens, table.spending.spent_s)
    finally:
        table.transcript.close()
        table.journal.close()
        await asyncio.wait_for(minds.close(), _SHUTDOWN_S)
    return _result(table)


def _head(settings: Settings, services: Services, run_id: str) -> RunHeader:
    return RunHeader(
        run_id=run_id,
        generations=settings.generate,
        population=settings.population,
        seed=settings.seed if settings.seed is not None else secrets.randbelow(1 << 31),
        models=dict(settings.models),
        machine=services.machine.machine_class,
        fingerprint=services.machine.identity(settings.threads or "1"),
        toolchain=services.toolchain,
        suite=settings.suite,
        operation=settings.operation,
    )


def _open_table(
    settings: Settings, history: RunHistory | None, head: RunHeader, services: Services, minds: Minds
) -> Table:
    """Open the run's files and collect the services of this run."""
    here = settings.results / head.run_id
    replay = Replay(settings.replay, head.run_id) if settings.replay else None
    candidate_folders.sweep(settings.candidates)
    written = Journal(here)
    if history is None:
        written.begin(head)
    return Table(
        run_id=head.run_id,
        seed=head.seed,
        generations=max(head.generations, settings.generate),
        population=head.population,
        settings=settings,
        machine=services.machine,
        toolchain=services.toolchain,
        baseline=services.baseline,
        judge=services.judge,
        minds=minds,
        memory=services.memory,
        library=services.library,
        schedules=services.schedules,
        journal=written,
        transcript=Transcript(here / journal.TRANSCRIPT, head.run_id),
        replay=replay,
        spending=Spending(
            settings.budget, history.tokens if history else 0, history.spent_s if history else 0.0
        ),
        say=services.say,
        screen=services.screen,
        hear=services.hear,
        workers=services.workers,
        events=list(history.messages) if history else [],
    )


async def _run_agents(table: Table) -> None:
    """Run the agents until the Manager requests nothing more; re-raises an exception of any handler."""
    # Nobody uses spans of every message here, and an exporter would need a network.
    os.environ.setdefault("AUTOGEN_DISABLE_RUNTIME_TRACING", "true")
    from autogen_core import SingleThreadedAgentRuntime, TopicId

    # The runtime logs a traceback for exceptions that are re-raised below, and a person should see one line.
    logging.getLogger("autogen_core").setLevel(logging.CRITICAL)
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    await _register_agents(runtime, table)
    others = asyncio.all_tasks()
    runtime.start()
    try:
        await runtime.publish_message(Begin(run_id=table.run_id), TopicId(Role.MANAGER.value, table.run_id))
        await runtime.stop_when_idle()
    finally:
        await _cancel_tasks(asyncio.all_tasks() - others)


async def _cancel_tasks(left: set[asyncio.Task[Any]]) -> None:
    """Cancel the tasks that an interrupted conversation left running.

    runtime.close() is not used: it empties the queue first, and then every handler that ends raises ValueError.
    """
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_SHUTDOWN_S)
    for task in left:
        if task.done() and not task.cancelled():
            # Already raised by stop_when_idle, or a consequence of the cancellation.
            task.exception()


async def _register_agents(runtime: SingleThreadedAgentRuntime, table: Table) -> None:
    from autogen_core import TypeSubscription

    from harness.roundtable.agents.base import GROUP_TOPIC, BaseMatMulAgent
    from harness.roundtable.agents.coder import CoderAgent
    from harness.roundtable.agents.manager import MatMulManager
    from harness.roundtable.agents.proposer import ProposerAgent
    from harness.roundtable.agents.tester import TesterAgent
    from harness.roundtable.agents.verifier import VerifierAgent

    seats: tuple[type[BaseMatMulAgent], ...] = (
        MatMulManager,
        ProposerAgent,
        VerifierAgent,
        CoderAgent,
        TesterAgent,
    )
    for seat in seats:
        role = seat.role.value
        await seat.register(runtime, role, lambda seat=seat: seat(table))  # type: ignore[misc]
        await runtime.add_subscription(TypeSubscription(role, role))
        await runtime.add_subscription(TypeSubscription(GROUP_TOPIC, role))


def _result(table: Table) -> EvolutionResult:
    remembered = {m.content.candidate for m in table.events if isinstance(m.content, RememberedIt)}
    judged = {one.candidate: codec.from_plain(one.verdict) for one in table.judged()} | table.verdicts
    outcomes = []
    for message in table.events:
        if isinstance(coded := message.content, Coded):
            outcomes.append(
                CandidateOutcome(
                    name=coded.candidate,
                    generation=message.turn.generation,
                    slot=message.turn.slot,
                    parents=tuple(coded.manifest.get("parents", ())),
                    model=str(coded.manifest.get("model", "")),
                    how=coded.how,
                    algorithm=str(coded.manifest.get("title", "")),
                    verdict=judged.get(coded.candidate),
                    remembered=coded.candidate in remembered,
                )
            )
    stand_ins = sum(isinstance(m.content, Proposed) and m.content.stand_in for m in table.events)
    return EvolutionResult(
        run_id=table.run_id,
        seed=table.seed,
        generations=table.generations,
        candidates=tuple(outcomes),
        tokens=table.spending.tokens,
        spent_s=table.spending.spent_s,
        stand_ins=stand_ins,
        ended=table.ended,
        notices=_notices(table, stand_ins),
    )


def _notices(table: Table, stand_ins: int) -> tuple[str, ...]:
    lines = [f"run {table.run_id}, seed {table.seed}: {shown_in(table.settings.root, table.journal.folder)}"]
    if table.ended != "finished":
        lines.append(f"ended early: {table.ended}")
    if stand_ins:
        lines.append(f"the built-in tuner stood in for the Proposer {stand_ins} time(s)")
    if table.spending.tokens:
        lines.append(f"{table.spending.tokens} tokens")
    return (*lines, *sharing.earnings_lines(sharing.shared_out(table.events)))


def new_run_id() -> str:
    """Six digits in base 36: hundredths of a minute since 2020, so that names sort by time and are short."""
    import time

    moment = int((time.time() - _EPOCH_S) / 0.6)
    digits = ""
    for _ in range(6):
        moment, digit = divmod(moment, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


__all__ = ["CandidateOutcome", "EvolutionResult", "MindsFor", "Services", "UserError", "evolve", "new_run_id"]
