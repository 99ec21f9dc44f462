"""Compares minds at the same number of judged candidates: `python -m harness.studies.compare_minds --judged 4`.

Each arrangement evolves in an empty folder with its own memory; only judge and clock are shared. Every ratio is
taken against BLAS in the same minute, so that a changing load favours no arrangement. With `--table FILE`, minds
are compared on a measured table instead, where nothing is judged anew. Writes results/minds.md and
results/minds.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.announce import Announce
from harness.caches import default_cache
from harness.candidate import Candidate
from harness.durable import write_whole
from harness.errors import UserError
from harness.minds.catalogue import open_minds
from harness.minds.protocol import Hint, Minds, Trial, Tuned
from harness.pipeline import Inspection, SharedTools
from harness.places import ROOT
from harness.roundtable.conversation.interfaces import Judge, MemoryInterface
from harness.roundtable.evolve import EvolutionResult, MindsFor, Services, evolve
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.space import Space
from harness.settings import Settings
from harness.studies.offline_comparison import OfflinePlan, compare, offline_page, rows_of
from harness.verdict import Accepted, At, Gate, HarnessError, Verdict

_TRIES = 200


class RandomTuner:
    """Uniform random points of the fastest lane's space, as a reference."""

    name = "random"

    def __init__(self, lane: Space, seed: int) -> None:
        self._lane = lane
        self._seed = seed

    def shortlist(
        self, trials: Sequence[Trial], generation: int, slot: int, count: int, hints: Sequence[Hint] = ()
    ) -> list[Tuned]:
        """See Tuner; one schedule only."""
        tried = {json.dumps(trial.schedule, sort_keys=True) for trial in trials}
        rng = random.Random(f"{self._seed}/{len(trials)}/{generation}/{slot}")
        for _ in range(_TRIES):
            point = self._lane.build({knob.name: rng.choice(knob.choices) for knob in self._lane.knobs})
            plain = point.model_dump(mode="json", exclude_none=True)
            if json.dumps(plain, sort_keys=True) not in tried:
                return [Tuned(plain, None, "a random point")]
        return []


class AnalyticalTuner:
    """The analytical model alone: proposes one kernel, without regard to measurements."""

    name = "analytical"

    def __init__(self, lane: Space) -> None:
        self._plain = lane.base.normalise().model_dump(mode="json", exclude_none=True)

    def shortlist(
        self, trials: Sequence[Trial], generation: int, slot: int, count: int, hints: Sequence[Hint] = ()
    ) -> list[Tuned]:
        """See Tuner."""
        return [Tuned(self._plain, None, "the analytical model")] if generation == 1 else []


def judged(candidate: Candidate, shared: SharedTools) -> Verdict:
    """The verdict of all gates on one candidate of a study."""
    inspection = Inspection(candidate, shared)
    inspection.through(Gate.CLOCK)
    return inspection.verdict or HarnessError("the gates ended without a verdict", At(Gate.CLOCK))


def services_for(
    shared: SharedTools,
    schedules: ScheduleAdapter,
    minds: Minds | MindsFor,
    memory: MemoryInterface,
    judge: Judge,
    say: Announce,
) -> Services:
    """What an evolution of a study gets: no library, no shortlist."""
    return Services(
        judge=judge,
        minds=minds,
        memory=memory,
        library=None,
        schedules=schedules,
        machine=shared.machine,
        say=say,
        toolchain=shared.tools.toolchain.fingerprint,
        baseline=str(shared.clock.baseline),
    )


@dataclass(frozen=True, slots=True)
class ArmResult:
    """The result of one arrangement: ratios to BLAS of its accepted candidates in the order judged."""

    mind: str
    judged: int
    accepted: int
    best: float | None
    best_low: float | None
    best_high: float | None
    typical: float | None
    stand_ins: int
    tokens: int
    minutes: float
    ratios: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A mind and its memory: `sessions` evolutions in a row, with one common memory or a new one for each."""

    name: str
    minds: Callable[[int], Minds]
    sessions: int = 1
    remembers: bool = True


class MindComparison:
    """Runs all arrangements with the same judge and clock."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.say = say
        self.shared = SharedTools(settings, say)
        self.schedules = ScheduleAdapter(self.shared.machine, 1, self.shared.clock.suite)

    def arrangements(self, models: Sequence[str]) -> list[Arrangement]:
        """Random choice, the analytical model, the tuner with and without memory between sessions, and the given
        models.
        """
        lanes = self.schedules.lanes()
        found = [
            Arrangement("random schedules", lambda seed: Minds(RandomTuner(lanes[0], seed))),
            Arrangement("analytical model alone", lambda seed: Minds(AnalyticalTuner(lanes[0]))),
            Arrangement("tuner", lambda seed: self._minds("builtin", seed)),
            Arrangement("tuner, 2 sessions, memory on", lambda seed: self._minds("builtin", seed), 2),
            Arrangement("tuner, 2 sessions, memory off", lambda seed: self._minds("builtin", seed), 2, False),
        ]
        for model in models:
            name = f"{Path(model).name}, tuner as stand-in"
            found.append(Arrangement(name, lambda seed, model=model: self._minds(model, seed)))  # type: ignore[misc]
        return found

    def _minds(self, model: str, seed: int) -> Minds:
        settings = replace(self.settings, models={"*": model})
        return open_minds(settings, self.schedules.lanes(), self.say, seed)

    def row(self, arrangement: Arrangement, judged: int) -> ArmResult:
        """Evolve until `judged` candidates were judged in all sessions together."""
        from harness.memory.kernels import open_memory

        results: list[EvolutionResult] = []
        with tempfile.TemporaryDirectory() as folder:
            for session in range(arrangement.sessions):
                count = judged // arrangement.sessions
                where = Path(folder) / ("memory" if arrangement.remembers else f"memory-{session}")
                with open_memory(str(where)) as memory:
                    results.append(self._evolve(arrangement, Path(folder), memory, session, count))
        return _row(arrangement.name, results)

    def _evolve(
        self, arrangement: Arrangement, folder: Path, memory: MemoryInterface, session: int, count: int
    ) -> EvolutionResult:
        settings = replace(self.settings, root=folder, results=folder / "results", generate=count)
        services = services_for(self.shared, self.schedules, arrangement.minds, memory, self._judge, self.say)
        return asyncio.run(evolve(settings, services, f"session{session}"))

    def _judge(self, candidate: Candidate) -> Verdict:
        return judged(candidate, self.shared)


def _row(mind: str, results: Sequence[EvolutionResult]) -> ArmResult:
    verdicts = [one.verdict for result in results for one in result.candidates if one.verdict is not None]
    scores = [verdict.score for verdict in verdicts if isinstance(verdict, Accepted)]
    best = max(scores, key=lambda score: score.ratio, default=None)
    return ArmResult(
        mind=mind,
        judged=len(verdicts),
        accepted=len(scores),
        best=best.ratio if best else None,
        best_low=best.ratio_low if best else None,
        best_high=best.ratio_high if best else None,
        typical=statistics.median(score.ratio for score in scores) if scores else None,
        stand_ins=sum(result.stand_ins for result in results),
        tokens=sum(result.tokens for result in results),
        minutes=sum(result.spent_s for result in results) / 60,
        ratios=tuple(score.ratio for score in scores),
    )


def table(rows: Sequence[ArmResult]) -> str:
    """The rows as a Markdown table."""
    from tabulate import tabulate

    head = ["mind", "judged", "accepted", "best ratio [95 %]", "median", "stand-ins", "tokens", "minutes"]
    lines = [
        [
            row.mind,
            row.judged,
            row.accepted,
            f"{row.best:.3f} [{row.best_low:.3f}, {row.best_high:.3f}]" if row.best else "none",
            f"{row.typical:.3f}" if row.typical else "none",
            row.stand_ins,
            row.tokens,
            f"{row.minutes:.1f}",
        ]
        for row in rows
    ]
    return tabulate(lines, headers=head, tablefmt="github", disable_numparse=True)


def live_page(rows: Sequence[ArmResult], facts: dict[str, Any]) -> str:
    """The live part of results/minds.md."""
    return (
        "Ratio to BLAS (above 1 is faster), geometric mean over the suite; the best of the candidates that each "
        "arrangement had judged. The analytical model has one kernel only, so it is judged once. Knobs that a language "
        "model leaves out are the analytical model's, and code that it cannot write is rendered; its stand-ins are "
        "proposals that the tuner made because the model had used up its attempts. Overlapping intervals mean that no "
        "difference was shown.\n\n"
        f"{table(rows)}\n\n" + "".join(f"- {name}: {value}\n" for name, value in facts.items())
    )


def page(record: dict[str, Any]) -> str:
    """The text of results/minds.md, from the content of minds.json."""
    parts = ["# Minds compared\n"]
    if offline := record.get("offline"):
        parts.append(offline_page(offline))
    if live := record.get("live"):
        rows = [ArmResult(**row | {"ratios": tuple(row["ratios"])}) for row in live["rows"]]
        parts.append(f"## Live\n\n{live_page(rows, live['facts'])}")
    parts.append(
        "Made by `python -m harness.studies.compare_minds`; the numbers of each run are in minds.json.\n"
    )
    return "\n".join(parts)


def write(results: Path, change: dict[str, Any]) -> None:
    """Put the changed parts into minds.json and make minds.md from it."""
    path = results / "minds.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        raise UserError(f"{path}: not JSON; move it away") from None
    for name, part in change.items():
        # Comparisons that left out other suites stay.
        record[name] = record.get(name, {}) | part if name == "offline" else part
    results.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(record, indent=1) + "\n")
    write_whole(results / "minds.md", page(record))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; returns 0, or 2 after one line about bad input."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.compare_minds", description=__doc__)
    parser.add_argument(
        "--judged", type=int, help="candidates per arrangement (default: 4, an even number; offline 10)"
    )
    parser.add_argument(
        "--model", action="append", default=[], help="a .gguf or URL to compare as well; repeatable"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of every mind (default: 1)")
    parser.add_argument("--suite", default="default", help="shapes to time (default: default)")
    parser.add_argument(
        "--clock-budget", type=float, default=6.0, help="seconds of timing per kernel (default: 6)"
    )
    parser.add_argument(
        "--results", type=Path, default=ROOT / "results", help="where to write (default: results)"
    )
    offline = parser.add_argument_group("offline, on a measured table")
    offline.add_argument("--table", type=Path, help="the table; nothing is judged then")
    offline.add_argument(
        "--left-out", default="default", help="the suite that nothing was trained on (default: default)"
    )
    offline.add_argument("--seeds", type=int, default=10, help="runs per mind (default: 10)")
    offline.add_argument("--adapter", type=Path, help="folder of the trained adapter of smollm2")
    offline.add_argument("--control", type=Path, help="folder of the one trained on shuffled ratios")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.table is None:
            _compare(parsed)
        else:
            _compare_offline(parsed)
    except UserError as error:
        print(f"error: {error}")
        return 2
    return 0


def _compare_offline(parsed: argparse.Namespace) -> None:
    plan = OfflinePlan(
        parsed.table,
        parsed.left_out,
        10 if parsed.judged is None else parsed.judged,
        parsed.seeds,
        parsed.adapter,
        parsed.control,
        parsed.results,
    )
    part: dict[str, Any] = {}
    for runs, facts in compare(plan, lambda line: print(line, flush=True)):
        part = {"facts": facts, "rows": rows_of(runs)}
        write(parsed.results, {"offline": {plan.suite: part}})
    print(offline_page({plan.suite: part}))


def _compare(parsed: argparse.Namespace) -> None:
    judged = 4 if parsed.judged is None else parsed.judged
    if judged < 2 or judged % 2:
        raise UserError(
            f"--judged {judged}: an even number, 2 or more, because some minds work in two sessions"
        )
    settings = Settings(
        root=ROOT,
        cache=default_cache(),
        results=ROOT / "results" / "local",
        memory="",
        seed=parsed.seed,
        suite=parsed.suite,
        clock_budget_s=parsed.clock_budget,
    )
    comparison = MindComparison(settings, lambda line: print(f"  {line}", flush=True))
    rows = []
    for arrangement in comparison.arrangements(parsed.model):
        print(arrangement.name, flush=True)
        rows.append(comparison.row(arrangement, judged))
    facts = {
        "machine": comparison.shared.machine.description,
        "toolchain": comparison.shared.tools.toolchain.fingerprint,
        "suite": parsed.suite,
        "seed": parsed.seed,
        "timing per kernel": f"{parsed.clock_budget:g} s",
    }
    write(parsed.results, {"live": {"facts": facts, "rows": [asdict(row) for row in rows]}})
    print(table(rows))


if __name__ == "__main__":
    raise SystemExit(main())
