"""A generation with and without workers: `python -m harness.studies.fleet` writes results/fleet.json and .md.

The same schedules are judged in turns by one process after the other in full, as without --workers, and with
`--workers local:N`: correctness side by side, then the clock, one kernel at a time. Each kernel is new to the compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from harness.caches import default_cache
from harness.candidate import Candidate, Manifest
from harness.durable import write_whole
from harness.fleet.dealer import Dealer
from harness.fleet.inspections import adopted
from harness.fleet.judging import facts
from harness.fleet.local import LocalWorkers
from harness.fleet.ticket_log import TicketLog
from harness.fleet.wire import Conditions, JobStage
from harness.machine import read
from harness.pipeline import Inspection, SharedTools
from harness.places import ROOT
from harness.settings import Settings
from harness.studies.throughput import kernels
from harness.verdict import Gate, name


@dataclass(frozen=True, slots=True)
class GenerationCost:
    """Seconds of one generation: until all are known to be correct, and in all."""

    how: str
    round: int
    correctness_s: float
    total_s: float
    verdicts: tuple[str, ...]
    # Processes that wanted a core when it ended, over the last minute; a quiet machine has about one per judge.
    load: float = 0.0


def generation(population: int, seed: int) -> list[Candidate]:
    """`population` correct kernels that were never compiled before; the same seed gives the same schedules."""
    honest = [(label, text) for label, text in kernels(population, seed) if label.startswith("honest")]
    return [Candidate(label.replace(" ", "-"), ROOT, text, Manifest()) for label, text in honest]


def one_by_one(candidates: list[Candidate], shared: SharedTools, number: int) -> GenerationCost:
    """Judge one kernel after the other, in full."""
    began, correctness_s, verdicts = time.monotonic(), 0.0, []
    for candidate in candidates:
        start = time.monotonic()
        inspection = Inspection(candidate, shared)
        inspection.through(Gate.CONDUCT)
        correctness_s += time.monotonic() - start
        inspection.through(Gate.CLOCK)
        assert inspection.verdict is not None
        verdicts.append(name(inspection.verdict))
    return GenerationCost(
        "one by one", number, correctness_s, time.monotonic() - began, tuple(verdicts), _load()
    )


def side_by_side(
    candidates: list[Candidate], shared: SharedTools, port: LocalWorkers, number: int, count: int
) -> GenerationCost:
    """Judge correctness by the workers of `port`, then time one kernel after the other."""
    conditions = Conditions.of(shared.settings)
    version = facts(shared).version
    with tempfile.TemporaryDirectory() as folder:
        log = TicketLog(Path(folder), version)
        dealer = Dealer(
            port, shared.machine, conditions, log, print, stage=JobStage.CORRECTNESS, every_kind=False
        )
        began = time.monotonic()
        dealer.deal(candidates)
        found = [next(iter(dealer.outcomes(candidate.name).values())) for candidate in candidates]
        correctness_s = time.monotonic() - began
        verdicts = []
        for candidate, outcome in zip(candidates, found, strict=True):
            inspection = adopted(candidate, shared, outcome)
            inspection.through(Gate.CLOCK)
            assert inspection.verdict is not None
            verdicts.append(name(inspection.verdict))
        total_s = time.monotonic() - began
        log.close()
    return GenerationCost(f"local:{count}", number, correctness_s, total_s, tuple(verdicts), _load())


def _load() -> float:
    return os.getloadavg()[0]


def report(costs: list[GenerationCost], machine: str, population: int, suite: str) -> str:
    """Markdown: median and range of both ways, and the ratio of each pair of rounds."""
    ways = list(dict.fromkeys(cost.how for cost in costs))
    lines = [
        "# A generation with and without workers",
        "",
        f"Generations of {population} correct kernels, never compiled before, judged in turns both ways on {machine};",
        f"suite {suite}. Seconds are wall time, median (least, largest). Written by `python -m harness.studies.fleet`.",
        "",
        "| judged | rounds | correctness of all | whole generation | per hour | verdicts |",
        "|---|---|---|---|---|---|",
    ]
    for how in ways:
        some = [cost for cost in costs if cost.how == how]
        verdicts = [verdict for cost in some for verdict in cost.verdicts]
        counted = ", ".join(f"{verdicts.count(one)} {one}" for one in dict.fromkeys(verdicts))
        hour = 3600 * population / statistics.median(cost.total_s for cost in some)
        cells = (_cell([cost.correctness_s for cost in some]), _cell([cost.total_s for cost in some]))
        lines.append(f"| {how} | {len(some)} | {' | '.join(cells)} | {hour:.0f} | {counted} |")
    ratios = {
        "correctness": [_pair(costs, ways, n, "correctness_s") for n in {cost.round for cost in costs}],
        "the whole generation": [_pair(costs, ways, n, "total_s") for n in {cost.round for cost in costs}],
    }
    loads = [cost.load for cost in costs]
    lines += ["", f"Load average of the machine meanwhile: {min(loads):.1f} to {max(loads):.1f}."]
    if max(loads) > 2 * len(read().cores):
        lines.append(
            "**The machine was busy**: there, more processes get more of its cores, which flatters workers. Repeat"
        )
        lines.append("this on a quiet one; above 2 on two cores nothing of it is the workers' own.")
    lines.append("")
    for what, found in ratios.items():
        lines.append(
            f"Speed-up of {what}, round by round: {', '.join(f'{one:.2f}' for one in found)}; "
            f"median {statistics.median(found):.2f}."
        )
    return "\n".join(lines) + "\n"


def _pair(costs: list[GenerationCost], ways: list[str], number: int, field: str) -> float:
    found = {cost.how: float(getattr(cost, field)) for cost in costs if cost.round == number}
    return found[ways[0]] / found[ways[1]]


def _cell(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} ({min(seconds):.1f}, {max(seconds):.1f})"


def main() -> None:
    """Run the measurement and write both files."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.fleet", description=__doc__)
    parser.add_argument(
        "--population", type=int, default=6, help="kernels of a generation (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="generations each way (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="processes (default: one per core)")
    parser.add_argument("--suite", default="default", help="the timed shapes (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the random kernels (default: %(default)s)"
    )
    arguments = parser.parse_args()
    settings = Settings(
        root=ROOT, cache=default_cache(), results=ROOT / "results" / "local", memory="", suite=arguments.suite
    )
    shared = SharedTools(settings, print)
    count = arguments.workers or len(shared.machine.cores)
    shared.clock.control(1)
    port = LocalWorkers(count, facts(shared), print)
    costs: list[GenerationCost] = []
    try:
        for number in range(arguments.rounds):
            seed = arguments.seed + number
            made = [generation(arguments.population, seed) for _ in range(2)]
            both = [
                partial(one_by_one, made[0], shared, number),
                partial(side_by_side, made[1], shared, port, number, count),
            ]
            # The order alternates, so that a drift of the machine favours neither.
            done = [run() for run in (both if number % 2 == 0 else both[::-1])]
            costs += sorted(done, key=lambda cost: cost.how != "one by one")
            print(*(f"{cost.how}: {cost.total_s:.1f} s" for cost in done), sep="; ", flush=True)
            _write(costs, arguments.population, arguments.suite)
    finally:
        port.close()


def _write(costs: list[GenerationCost], population: int, suite: str) -> None:
    """Write both files; after every round, so that an interrupted measurement is one of fewer rounds."""
    machine = read()
    text = report(costs, machine.description, population, suite)
    write_whole(ROOT / "results" / "fleet.md", text)
    entries = [asdict(cost) for cost in costs]
    plain = {"machine": machine.as_record(), "population": population, "costs": entries}
    write_whole(ROOT / "results" / "fleet.json", json.dumps(plain, indent=1))
    print(text)


if __name__ == "__main__":
    main()
