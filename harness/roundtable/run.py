"""`pytest --generate`: opens memory, paper library and models for one evolution, and closes them in any case."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from harness.announce import Announce
from harness.machine import Machine
from harness.minds.catalogue import open_minds
from harness.roundtable.conversation.interfaces import Judge, Listener, Workers
from harness.roundtable.discovery import discover
from harness.roundtable.evolve import EvolutionResult, Services, evolve
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.roundtable.screening import Screening

if TYPE_CHECKING:
    from harness.pipeline import SharedTools


@dataclass(frozen=True, slots=True)
class Home:
    """The machine for which an evolution works, with the toolchain and the baseline with which it is judged there."""

    machine: Machine
    toolchain: str
    baseline: str


async def run_evolution(
    shared: SharedTools,
    judge: Judge,
    say: Announce,
    run_id: str,
    hear: Listener | None = None,
    workers: Workers | None = None,
    home: Home | None = None,
) -> EvolutionResult:
    """Run the evolution that the settings ask for; `hear` gets every event once it is in the journal. A resumed run
    keeps its own id. `workers` judge a generation side by side; `home` is the machine for which kernels are evolved
    when they are judged on other machines.

    Raises UserError when a model, the memory, a folder or the toolchain cannot be used.
    """
    from harness.clock import suites
    from harness.corpus.papers import open_library
    from harness.memory.kernels import KernelMemory
    from harness.store.connection import connect
    from harness.store.embedders import make

    settings = shared.settings
    times_here = home is None
    home = home or Home(shared.machine, shared.tools.toolchain.fingerprint, str(shared.clock.baseline))
    machine = home.machine
    # From here on the suite has its own name: what is recorded says which shapes were timed.
    settings = replace(settings, suite=suites.name_for(settings.suite, settings.operation))
    shapes = suites.parse(settings.suite)
    suites.require_operation(shapes, settings.operation, settings.suite)
    scheme = discover(settings.discover, shared, say) if settings.discover is not None else None
    schedules = ScheduleAdapter(
        machine,
        "all" if settings.threads == "all" else 1,
        tuple(dict.fromkeys(shape.plain for shape in shapes)),
        scheme,
        safe_only=settings.tier == "safe",
        operation=settings.operation,
    )
    embedder = make(settings.embedder)
    say(embedder.announcement)
    with connect(settings.memory) as connection:
        services = Services(
            judge=judge,
            minds=partial(open_minds, settings, schedules.lanes(), say),
            memory=KernelMemory(connection, embedder),
            library=open_library(connection, embedder),
            schedules=schedules,
            machine=machine,
            say=say,
            toolchain=home.toolchain,
            baseline=home.baseline,
            screen=Screening(shared) if settings.shortlist > 1 and times_here else None,
            hear=hear,
            workers=workers,
        )
        return await evolve(settings, services, run_id)
