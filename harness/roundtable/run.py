"""`pytest --generate`: opens memory, paper library and models for one evolution, and closes them in any case."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.announce import Announce
from harness.minds.catalogue import open_minds
from harness.roundtable.conversation.interfaces import Judge, Listener
from harness.roundtable.discovery import discover
from harness.roundtable.evolve import EvolutionResult, Services, evolve
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.roundtable.screening import Screening

if TYPE_CHECKING:
    from harness.pipeline import SharedTools


async def run_evolution(
    shared: SharedTools, judge: Judge, say: Announce, run_id: str, hear: Listener | None = None
) -> EvolutionResult:
    """Run the evolution that the settings ask for; `hear` gets every event once it is in the journal. A resumed run
    keeps its own id.

    Raises UserError when a model, the memory, a folder or the toolchain cannot be used.
    """
    from harness.clock import suites
    from harness.corpus.papers import open_library
    from harness.memory.kernels import KernelMemory
    from harness.store.connection import connect
    from harness.store.embedders import make

    settings, machine = shared.settings, shared.machine
    scheme = discover(settings.discover, shared, say) if settings.discover is not None else None
    schedules = ScheduleAdapter(
        machine,
        "all" if settings.threads == "all" else 1,
        suites.parse(settings.suite),
        scheme,
        safe_only=settings.tier == "safe",
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
            toolchain=shared.tools.toolchain.fingerprint,
            baseline=str(shared.clock.baseline),
            screen=Screening(shared) if settings.shortlist > 1 else None,
            hear=hear,
        )
        return await evolve(settings, services, run_id)
