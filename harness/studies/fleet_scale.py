"""How far a fleet scales: `python -m harness.studies.fleet_scale` writes results/fleet-scale.json and .md.

What the coordinator does for one candidate is measured: proposing, the memory, the dealer with its log on disk, and the
rest of the round table, with memories of several sizes. What a worker does is taken from results/throughput.json. From
both, generations with 1, 10, 100 and 1,000 workers are simulated: as many proposals as workers, made one after the
other, then judged side by side.

The coordinator's seconds are CPU time of its process, with all threads: a busy machine hardly changes them. Waiting
for the disk is not in them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.candidate import Candidate, Manifest
from harness.durable import write_whole
from harness.fleet.dealer import Dealer
from harness.fleet.port import Arrived, FleetWorker, Report
from harness.fleet.ticket_log import TicketLog
from harness.fleet.wire import Conditions, Job, JobOutcome, PassedGate, WorkerFacts, plain_machine
from harness.machine import read
from harness.memory.kernels import KernelMemory, open_memory
from harness.minds.protocol import Hint, Minds, Trial, Tuned
from harness.minds.tuner import BuiltinTuner
from harness.places import ROOT
from harness.roundtable.evolve import Services, evolve
from harness.roundtable.runlog import codec
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.settings import Settings
from harness.shapes import Shape
from harness.verdict import Accepted, Gate, Score, ShapeTiming

SIZES = (0, 100, 1000)
WORKERS = (1, 10, 100, 1000)
GENERATIONS = 200
SHAPE = Shape(64, 64, 64)
# Kernels proposed at each size of the memory.
PROPOSALS = 4


@dataclass(frozen=True, slots=True)
class CoordinatorCost:
    """Seconds of the coordinator for one candidate, with `kernels` in the memory; `opening_s` come once per session."""

    kernels: int
    opening_s: float
    propose_s: float
    memory_s: float
    rest_s: float

    @property
    def total_s(self) -> float:
        """All of it, without the dealer."""
        return self.propose_s + self.memory_s + self.rest_s


def accepted(ratio: float) -> Accepted:
    """A verdict of which only the coordinator's work with it matters."""
    timing = ShapeTiming(SHAPE, 1e5, 1e5, 1e5, 1e5, ratio, ratio, ratio, 5.0, 40.0, 30)
    return Accepted(Score(ratio, ratio, ratio, (timing,), 1, "made up", 0.99, 1.01), "unsafe")


class Timed:
    """Adds up the seconds of calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return call(*arguments, **named)
            finally:
                self.seconds += time.process_time() - began

        return timed


class TimedTuner:
    """The built-in tuner, with a watch."""

    name = "builtin"

    def __init__(self, tuner: BuiltinTuner, watch: Timed) -> None:
        self._shortlist = watch(tuner.shortlist)

    def shortlist(
        self, trials: Sequence[Trial], generation: int, slot: int, count: int, hints: Sequence[Hint] = ()
    ) -> list[Tuned]:
        """See Tuner."""
        found: list[Tuned] = self._shortlist(trials, generation, slot, count, hints)
        return found


def coordinator_cost(kernels: int, folder: Path) -> CoordinatorCost:
    """Run one generation with a judge that takes no time, and a memory of `kernels` kernels of this machine."""
    machine, schedules = read(), ScheduleAdapter(read(), 1)
    propose, memory_watch = Timed(), Timed()
    settings = Settings(
        root=folder,
        cache=folder,
        results=folder / "results",
        memory="",
        generate=1,
        population=PROPOSALS,
        seed=1,
        suite="64x64x64",
        shortlist=1,
    )
    with open_memory(str(folder / "memory")) as memory:
        _fill(memory, kernels, schedules)
    began = time.process_time()
    with open_memory(str(folder / "memory")) as memory:
        memory.best(1)
        memory.record(
            accepted(1.0), name="first", source="// first", machine=machine, toolchain="rustc", suite="other"
        )
        opening_s = time.process_time() - began
        for operation in ("best", "latest", "record"):
            setattr(memory, operation, memory_watch(getattr(memory, operation)))
        tuner = TimedTuner(BuiltinTuner(schedules.lanes(), 1), propose)
        services = Services(
            judge=lambda candidate: accepted(1.0),
            minds=Minds(tuner),
            memory=memory,
            library=None,
            schedules=schedules,
            machine=machine,
            say=lambda line: None,
            toolchain="rustc",
            baseline="made up",
        )
        began = time.process_time()
        done = asyncio.run(evolve(settings, services, "scale0"))
        total_s = time.process_time() - began
    count = len(done.candidates)
    rest_s = (total_s - propose.seconds - memory_watch.seconds) / count
    return CoordinatorCost(kernels, opening_s, propose.seconds / count, memory_watch.seconds / count, rest_s)


def _fill(memory: KernelMemory, count: int, schedules: ScheduleAdapter) -> None:
    """Put `count` random schedules of this machine into the memory."""
    if not count:
        return
    rng = random.Random(1)
    lane = schedules.lanes()[0]
    machine = read()
    template = memory.record(
        accepted(1.0), name="k", source="// 0", machine=machine, toolchain="rustc", suite="64x64x64"
    )
    found = []
    for number in range(1, count):
        point = lane.build({knob.name: rng.choice(knob.choices) for knob in lane.knobs})
        schedule = point.model_dump(mode="json", exclude_none=True)
        found.append(
            replace(
                template,
                name=f"k{number}",
                source=f"// {number}\n{'x' * 8000}",
                schedule=schedule,
                proposal={"algorithm": "random", "schedule": schedule},
            )
        )
    for start in range(0, len(found), 500):
        memory.put(found[start : start + 500])


class IdlePort:
    """Workers whose jobs are done at once: what is left is the dealer's own work."""

    def __init__(self, count: int) -> None:
        machine = read()
        facts = WorkerFacts(
            version="0" * 12,
            toolchain="rustc",
            compiler="rustc",
            baseline="made up",
            python="3",
            sandboxed=True,
            machine=plain_machine(machine),
        )
        one = FleetWorker.of("w0", facts)
        self._workers = [replace(one, id=f"w{number}") for number in range(count)]
        self._done: list[Report] = []

    def machines(self) -> Sequence[FleetWorker]:
        """All workers."""
        return self._workers

    def submit(self, job: Job, worker: str) -> None:
        """Make the outcome."""
        passed = [PassedGate(gate=gate, seconds=1.0) for gate in Gate]
        verdict = codec.to_plain(accepted(1.0))
        outcome = JobOutcome(
            ticket=job.ticket, fingerprint=job.fingerprint, passed=passed, verdict=verdict, seconds=9.0
        )
        self._done.append(Arrived(job.ticket, worker, outcome))

    def done(self, timeout_s: float) -> list[Report]:
        """A tenth of what is done, as if they arrived one after the other."""
        share = max(1, len(self._workers) // 10)
        found, self._done = self._done[:share], self._done[share:]
        return found

    def cancel(self, ticket: str) -> None:
        """Nothing is cancelled."""

    def close(self) -> None:
        """Nothing is open."""


def dealer_cost_s(workers: int, folder: Path) -> float:
    """Seconds of the dealer for one candidate when `workers` candidates are dealt to as many workers."""
    settings = Settings(root=folder, cache=folder, results=folder, memory="", suite="64x64x64")
    port = IdlePort(workers)
    log = TicketLog(folder / str(workers), "0" * 12)
    dealer = Dealer(port, read(), Conditions.of(settings), log, print)
    source = "// a kernel of usual length\n" + "x" * 12000
    candidates = [Candidate(f"gen-s-{n:04d}", folder, f"{source}{n}", Manifest()) for n in range(workers)]
    began = time.process_time()
    dealer.deal(candidates)
    for candidate in candidates:
        dealer.outcomes(candidate.name)
    seconds = time.process_time() - began
    dealer.close()
    return seconds / workers


def verdict_times() -> list[float]:
    """Seconds per verdict of correct kernels, from results/throughput.json."""
    costs = json.loads((ROOT / "results" / "throughput.json").read_text(encoding="utf-8"))["costs"]
    return [sum(one["seconds"].values()) for one in costs if one["kernel"].startswith("honest")]


@dataclass(frozen=True, slots=True)
class SimulatedFleet:
    """A fleet's rate: verdicts per hour, the coordinator's share of the time, and that of idle workers."""

    workers: int
    kernels: int
    per_hour: float
    coordinator_share: float
    idle_share: float


def simulate(workers: int, cost: CoordinatorCost, dealer_s: float, times: list[float]) -> SimulatedFleet:
    """Generations of `workers` proposals: proposed one after the other, judged side by side until the last is done."""
    rng = random.Random(workers)
    own_s = workers * (cost.total_s + dealer_s)
    judged = [[rng.choice(times) for _ in range(workers)] for _ in range(GENERATIONS)]
    total_s = sum(own_s + max(one) for one in judged)
    busy_s = sum(sum(one) for one in judged)
    return SimulatedFleet(
        workers=workers,
        kernels=cost.kernels,
        per_hour=3600 * workers * GENERATIONS / total_s,
        coordinator_share=GENERATIONS * own_s / total_s,
        idle_share=1 - busy_s / (workers * total_s),
    )


def report(
    costs: list[CoordinatorCost], dealer: dict[int, float], found: list[SimulatedFleet], times: list[float]
) -> str:
    """Markdown: the coordinator's seconds per candidate, and the simulated rates."""
    lines = [
        "# How far a fleet scales",
        "",
        f"Measured on {read().description}; written by `python -m harness.studies.fleet_scale`. A worker's time per",
        f"verdict is that of results/throughput.json, median {statistics.median(times):.1f} s.",
        "",
        "The coordinator's milliseconds of CPU time per candidate (tuner without a shortlist, embedded Chroma),",
        "without waiting for the disk:",
        "",
        "| kernels in the memory | proposing | memory | the rest | together | once per session |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.kernels} | {1e3 * one.propose_s:.0f} | {1e3 * one.memory_s:.0f} | {1e3 * one.rest_s:.0f} | "
        f"{1e3 * one.total_s:.0f} | {1e3 * one.opening_s:.0f} |"
        for one in costs
    ]
    told = ", ".join(f"{1e3 * seconds:.1f} ms with {count}" for count, seconds in dealer.items())
    lines += ["", f"The dealer with its log on disk, per candidate and by workers: {told}.", ""]
    lines += [
        "Simulated, a generation of as many proposals as workers:",
        "",
        "| workers | kernels in the memory | verdicts per hour | coordinator's share of the time | workers idle |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.workers} | {one.kernels} | {one.per_hour:.0f} | {100 * one.coordinator_share:.0f} % | "
        f"{100 * one.idle_share:.0f} % |"
        for one in found
    ]
    lines += ["", "The coordinator takes as long as the workers from this many workers on:", ""]
    median = statistics.median(times)
    lines += [
        f"- {one.kernels} kernels in the memory: {median / (one.total_s + dealer[100]):.0f} workers; at most "
        f"{3600 / (one.total_s + dealer[100]):.0f} verdicts per hour with any number"
        for one in costs
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, simulate and write both files."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.fleet_scale", description=__doc__)
    parser.parse_args()
    times = verdict_times()
    with tempfile.TemporaryDirectory() as folder:
        costs = []
        for size in SIZES:
            costs.append(coordinator_cost(size, Path(folder) / str(size)))
            print(costs[-1], flush=True)
        dealer = {count: dealer_cost_s(count, Path(folder)) for count in WORKERS}
    found = [simulate(count, cost, dealer[count], times) for cost in costs for count in WORKERS]
    text = report(costs, dealer, found, times)
    results = ROOT / "results"
    write_whole(results / "fleet-scale.md", text)
    plain = {
        "machine": read().as_record(),
        "coordinator": [asdict(one) for one in costs],
        "dealer_s": {str(count): seconds for count, seconds in dealer.items()},
        "simulated": [asdict(one) for one in found],
    }
    write_whole(results / "fleet-scale.json", json.dumps(plain, indent=1))
    print(text)


if __name__ == "__main__":
    main()
