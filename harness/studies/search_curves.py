"""Best ratio to BLAS against judged candidates and minutes, for several ways to search, over several seeds.

    python -m harness.studies.search_curves --seeds 5      writes results/search-curves.json, .md and .svg

Each run evolves with an empty memory. The file is written after each run, and the next call goes on with the runs that
are missing. Judge and clock are those of `pytest --generate`; runs take turns over the arms, so that a changing load
favours none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.caches import default_cache
from harness.candidate import Candidate
from harness.durable import JsonObject, write_whole
from harness.errors import UserError
from harness.minds.protocol import Minds, Tuner
from harness.minds.tuner import BuiltinTuner
from harness.pipeline import SharedTools
from harness.places import ROOT
from harness.roundtable.evolve import evolve
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.roundtable.screening import Screening
from harness.settings import Profile, Settings
from harness.studies.compare_minds import AnalyticalTuner, RandomTuner, judged, services_for
from harness.studies.curves_picture import Curve, picture
from harness.verdict import Accepted, Verdict

# Share of the best known ratio that counts as found.
FOUND = 0.98


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to search: `judged` candidates, each the fastest of `shortlist` schedules."""

    name: str
    tuner: Callable[[ScheduleAdapter, int], Tuner]
    judged: int
    shortlist: int


def arms(judged: int) -> list[Arm]:
    """Random schedules get `judged` verdicts, the tuner a third of them."""
    third = max(1, judged // 3)
    return [
        Arm("random schedules", lambda s, seed: RandomTuner(s.lanes()[0], seed), judged, 1),
        Arm(
            "tuner, random start, no shortlist",
            lambda s, seed: BuiltinTuner(s.lanes()[:1], seed, random_start=True),
            judged,
            1,
        ),
        Arm(
            "tuner, random start",
            lambda s, seed: BuiltinTuner(s.lanes()[:1], seed, random_start=True),
            third,
            6,
        ),
        Arm("tuner", lambda s, seed: BuiltinTuner(s.lanes()[:1], seed), third, 6),
        Arm("analytical model alone", lambda s, seed: AnalyticalTuner(s.lanes()[0]), 1, 1),
    ]


@dataclass(frozen=True, slots=True)
class SearchRun:
    """One evolution: for each verdict the minutes since its start, and the ratio to BLAS over the suite or None."""

    arm: str
    seed: int
    minutes: tuple[float, ...]
    ratios: tuple[float | None, ...]

    @property
    def best_so_far(self) -> list[float]:
        """The best ratio after each verdict; 0.0 before the first accepted kernel."""
        best, found = 0.0, []
        for ratio in self.ratios:
            best = max(best, ratio or 0.0)
            found.append(best)
        return found

    def verdicts_to(self, ratio: float) -> int | None:
        """Number of verdicts after which a kernel of at least this ratio was known; None when it was not found."""
        return next((n for n, best in enumerate(self.best_so_far, 1) if best >= ratio), None)


class Study:
    """Runs the arms with a common judge and clock."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings, self.say = settings, say
        self.shared = SharedTools(settings, say)
        self.schedules = ScheduleAdapter(self.shared.machine, 1, self.shared.clock.suite)

    def run(self, arm: Arm, seed: int) -> SearchRun:
        """One evolution in an empty folder with an empty memory."""
        from harness.memory.kernels import open_memory

        minutes: list[float] = []
        ratios: list[float | None] = []
        began_s = time.monotonic()

        def judge(candidate: Candidate) -> Verdict:
            verdict = judged(candidate, self.shared)
            minutes.append(round((time.monotonic() - began_s) / 60, 3))
            ratios.append(round(verdict.score.ratio, 4) if isinstance(verdict, Accepted) else None)
            return verdict

        with tempfile.TemporaryDirectory() as folder, open_memory(str(Path(folder) / "memory")) as memory:
            settings = replace(
                self.settings,
                root=Path(folder),
                results=Path(folder) / "results",
                generate=arm.judged,
                seed=seed,
                shortlist=arm.shortlist,
            )
            minds = Minds(arm.tuner(self.schedules, seed))
            services = services_for(self.shared, self.schedules, minds, memory, judge, self.say)
            if arm.shortlist > 1:
                services = replace(services, screen=Screening(self.shared))
            asyncio.run(evolve(settings, services, f"run{seed}"))
        return SearchRun(arm.name, seed, tuple(minutes), tuple(ratios))


def page(runs: Sequence[SearchRun], facts: JsonObject) -> str:
    """The text of results/search-curves.md."""
    from tabulate import tabulate

    best = max(max(run.best_so_far) for run in runs)
    rows = []
    for arm in dict.fromkeys(run.arm for run in runs):
        own = [run for run in runs if run.arm == arm]
        judged = max(len(run.ratios) for run in own)
        finals = [run.best_so_far[-1] for run in own]
        reached = [run.verdicts_to(FOUND * best) for run in own]
        cells = [_middle([run.best_so_far[n - 1] for run in own]) if n <= judged else "" for n in (1, 4, 8)]
        rows.append(
            [
                arm,
                len(own),
                judged,
                *cells,
                f"{statistics.median(finals):.3f} ({min(finals):.3f}–{max(finals):.3f})",
                _verdicts(reached, judged),
                f"{statistics.median(run.minutes[-1] for run in own):.1f}",
            ]
        )
    head = ["arm", "runs", "judged", "after 1", "after 4", "after 8", "at the end (least–most)"]
    head += [f"verdicts to {100 * FOUND:.0f} % of the best", "minutes"]
    return (
        "# Search curves\n\n"
        "The best ratio to BLAS so far (above 1 is faster; geometric mean over the suite) against judged candidates "
        "and minutes, medians over runs with different seeds, each with an empty memory. The best kernel of all runs "
        f"has {best:.3f}; as the best of many timings it is a little too good.\n\n"
        "![best ratio so far against judged candidates and minutes](search-curves.svg)\n\n"
        + tabulate(rows, headers=head, tablefmt="github", disable_numparse=True)
        + "\n\n"
        + "".join(f"- {name}: {value}\n" for name, value in facts.items())
        + "\nMade by `python -m harness.studies.search_curves`; every verdict is in search-curves.json.\n"
    )


def _middle(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3f}"


def _verdicts(reached: Sequence[int | None], judged: int) -> str:
    """The median number of verdicts, and in how many runs it was reached."""
    found = [count for count in reached if count is not None]
    middle = statistics.median(judged + 1 if count is None else count for count in reached)
    text = f"{middle:g}" if middle <= judged else f"more than {judged}"
    return f"{text} ({len(found)} of {len(reached)} runs)"


def curves(runs: Sequence[SearchRun]) -> list[Curve]:
    """One curve for each arm: its runs' verdicts, minutes and best ratios so far."""
    return [
        Curve(
            arm, [(list(run.minutes), run.best_so_far) for run in runs if run.arm == arm and run.best_so_far]
        )
        for arm in dict.fromkeys(run.arm for run in runs)
    ]


def load(path: Path) -> list[SearchRun]:
    """The runs of an earlier call; none when there is no file. Raises UserError when it cannot be read."""
    if not path.exists():
        return []
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))["runs"]
        return [SearchRun(r["arm"], r["seed"], tuple(r["minutes"]), tuple(r["ratios"])) for r in plain]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a file of this study ({error}); move it away to begin anew") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing; returns 0, or 2 after one line about bad input."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.search_curves", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="runs per arm (default: 5)")
    parser.add_argument(
        "--judged", type=int, default=24, help="verdicts per run without a shortlist (default: 24)"
    )
    parser.add_argument("--suite", default="default", help="shapes to time (default: the suite `default`)")
    parser.add_argument(
        "--clock-budget", type=float, default=3.0, help="seconds of timing per kernel (default: 3)"
    )
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="folder (default: results)")
    parsed = parser.parse_args(arguments)
    try:
        _study(parsed)
    except UserError as error:
        print(f"error: {error}")
        return 2
    return 0


def _study(parsed: argparse.Namespace) -> None:
    if parsed.seeds < 1 or parsed.judged < 3:
        raise UserError("--seeds takes 1 or more, --judged 3 or more")
    file = parsed.results / "search-curves.json"
    runs = load(file)
    settings = Settings(
        root=ROOT,
        cache=default_cache(),
        results=ROOT / "results" / "local",
        memory="",
        suite=parsed.suite,
        profile=Profile.QUICK,
        clock_budget_s=parsed.clock_budget,
    )
    study = Study(settings, lambda line: print(f"  {line}", flush=True))
    facts: JsonObject = {
        "machine": study.shared.machine.description,
        "baseline": str(study.shared.clock.baseline),
        "suite": parsed.suite,
        "judging": f"profile quick, {parsed.clock_budget:g} s of timing per kernel",
    }
    for seed in range(1, parsed.seeds + 1):
        for arm in arms(parsed.judged):
            if any(run.arm == arm.name and run.seed == seed for run in runs):
                continue
            print(f"{arm.name}, seed {seed}", flush=True)
            runs.append(study.run(arm, seed))
            record = {"facts": facts, "runs": [asdict(run) for run in runs]}
            write_whole(file, json.dumps(record, indent=1) + "\n", make_folder=True)
            write_whole(file.with_suffix(".md"), page(runs, facts))
            write_whole(file.with_suffix(".svg"), picture(curves(runs)))
    print(page(runs, facts))


if __name__ == "__main__":
    raise SystemExit(main())
