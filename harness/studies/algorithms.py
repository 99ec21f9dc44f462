"""What discovery reaches from 2x2x2 on: `python -m harness.studies.algorithms --seeds 5`.

Writes results/algorithms.json and algorithms.md after each format, and goes on with the missing ones. For each seed,
the formats are searched one after the other in an empty folder, so that a format starts from what was found for smaller
ones. Best known ranks only end a search that has reached them; no scheme is taken from a list. With `--cheapen SECONDS`
then, for each seed and format, fewer additions are searched (`harness.studies.cheap_schemes`).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from harness.announce import Announce
from harness.compile.crates import walker_binary
from harness.durable import JsonObject, write_whole
from harness.errors import UserError
from harness.machine import read, usable_cores
from harness.places import ROOT
from harness.schedule.bilinear.additions import fewest_additions
from harness.schedule.bilinear.scheme_cost import scheme_cost
from harness.schedule.discover.formats import parse
from harness.schedule.discover.found import Ring, nonzero
from harness.schedule.discover.lines import CYCLIC, FREE
from harness.schedule.discover.search import Search, SearchRequest
from harness.studies.cheap_schemes import CheapRun, cheapened, keep_programs


class Goal(NamedTuple):
    """A format, the ring, the best known rank in that ring (from the status tables of dronperminov's collections, July
    2026), the seconds after which a search ends, and whether only cyclic schemes are searched.
    """

    form: str
    ring: Ring
    known: int
    limit_s: int
    cyclic: bool = False

    @property
    def label(self) -> str:
        """The format, and how it is searched."""
        return f"{self.form}, cyclic" if self.cyclic else self.form


GOALS = (
    Goal("2x2x2", Ring.INTEGERS, 7, 20),
    Goal("2x2x3", Ring.INTEGERS, 11, 20),
    Goal("2x2x4", Ring.INTEGERS, 14, 20),
    Goal("2x2x5", Ring.INTEGERS, 18, 20),
    Goal("2x3x3", Ring.INTEGERS, 15, 30),
    Goal("2x3x4", Ring.INTEGERS, 20, 30),
    Goal("2x3x5", Ring.INTEGERS, 25, 30),
    Goal("2x4x4", Ring.INTEGERS, 26, 60),
    Goal("2x4x5", Ring.INTEGERS, 33, 60),
    Goal("2x5x5", Ring.INTEGERS, 40, 60),
    Goal("3x3x3", Ring.INTEGERS, 23, 60),
    Goal("3x3x4", Ring.INTEGERS, 29, 60),
    Goal("3x3x5", Ring.INTEGERS, 36, 60),
    Goal("3x4x4", Ring.INTEGERS, 38, 90),
    Goal("4x4x4", Ring.Z2, 47, 180),
    Goal("5x5x5", Ring.INTEGERS, 93, 600, cyclic=True),
)

# Additions with shared sums that were published for the best known rank over the integers: from the same collections,
# for 3x3x3 from Perminov (arXiv 2512.21980), for 2x2x3 to 2x2x5 Winograd's variant beside a classical column.
PUBLISHED_ADDITIONS = {
    "2x2x2": 15,
    "2x2x3": 17,
    "2x2x4": 26,
    "2x2x5": 28,
    "2x3x3": 46,
    "2x3x4": 58,
    "2x3x5": 71,
    "2x4x4": 92,
    "2x4x5": 112,
    "2x5x5": 153,
    "3x3x3": 58,
    "3x3x4": 92,
    "3x3x5": 123,
    "3x4x4": 133,
}
# Runs of the elimination of common sums.
ADDITION_TRIES = 64


@dataclass(frozen=True, slots=True)
class ReachedRank:
    """One search: the rank that it reached, and what that took."""

    form: str
    ring: str
    known: int
    seed: int
    rank: int
    held_in: str
    seconds: float
    flips_per_s: float
    tried: int
    lifted: int
    coefficients: int
    additions: int
    shared_additions: int
    growth: float
    cyclic: bool = False


def searched(goal: Goal, seed: int, threads: int, folder: Path, program: Path) -> ReachedRank:
    """Search one format; the time is that of the whole search, without formats that were left before."""
    form, ring, known, limit_s, cyclic = goal
    began_s = time.monotonic()
    notation = CYCLIC if cyclic else FREE
    request = SearchRequest(
        parse(form), ring, limit_s, seed, threads, folder, target=known, notation=notation
    )
    search = Search(request, program, lambda line: None)
    stage = search.run()
    seconds = time.monotonic() - began_s
    if stage.best is None:
        raise UserError(f"{form}: nothing was found in {limit_s} s")
    scheme, cost = stage.best.scheme, scheme_cost(stage.best.scheme)
    flips = sum(one.flips for one in search.stages)
    return ReachedRank(
        form,
        ring.value,
        known,
        seed,
        scheme.rank,
        stage.best.ring.value,
        round(seconds, 2),
        round(flips / seconds),
        stage.tried,
        stage.lifted,
        nonzero(scheme),
        cost.additions,
        fewest_additions(scheme, random.Random(0), ADDITION_TRIES),
        float(cost.growth),
        cyclic,
    )


def page(
    found: Sequence[ReachedRank],
    facts: JsonObject,
    cheap: Sequence[CheapRun] = (),
    about: JsonObject | None = None,
) -> str:
    """The text of results/algorithms.md; `about` are the facts about the runs in `cheap`."""
    from tabulate import tabulate

    rows = []
    for goal in GOALS:
        own = [one for one in found if _is_of(one, goal)]
        if own:
            published = PUBLISHED_ADDITIONS.get(goal.form, "") if goal.ring is not Ring.Z2 else ""
            *figures, growth = _figures(own)
            rows.append([goal.label, _ring(own), goal.known, *figures, published, growth])
    cheap_part = _cheap_part(cheap, about or {}) if cheap else ""
    head = ["format", "holds in", "best known", "rank (runs that reach it)", "seconds, median (most)"]
    head += ["M flips/s", "lifted of tried", "nonzero", "additions, shared", "published", "growth"]
    total = [
        sum(one.seconds for one in found if one.seed == seed and one.ring != Ring.Z2 and not one.cyclic)
        for seed in _seeds(found)
    ]
    return (
        "# Algorithms found here\n\n"
        "Bilinear schemes ⟨m,k,n;r⟩ that `python -m harness.schedule.discover` finds on this machine, from the "
        "classical algorithm of 2x2x2 on; cyclic ones (`--symmetry cyclic`) from that of the format itself. "
        "Each was proved: over the integers or rationals in exact arithmetic, or "
        "modulo 2 where the table says so. A search ends when it reaches the best known rank. Nonzero coefficients, "
        "additions with shared sums and error growth are the least over the runs of the lowest rank.\n\n"
        + tabulate(rows, headers=head, tablefmt="github", disable_numparse=True)
        + f"\n\n- all formats over the integers, one after the other: median {statistics.median(total):.0f} s\n"
        + "".join(f"- {name}: {value}\n" for name, value in facts.items())
        + cheap_part
        + "\nMade by `python -m harness.studies.algorithms`; every run is in algorithms.json.\n"
    )


def _cheap_part(cheap: Sequence[CheapRun], about: JsonObject) -> str:
    """The section about additions: for each format the runs of the lowest rank."""
    from tabulate import tabulate

    rows = []
    for form, ring, known, _, cyclic in GOALS:
        own = [one for one in cheap if one.form == form]
        if not own or ring is Ring.Z2 or cyclic:
            continue
        lowest = min(one.rank for one in own)
        best = [one for one in own if one.rank == lowest]
        least = min(best, key=lambda one: (one.additions, one.growth))
        published = PUBLISHED_ADDITIONS[form] if lowest == known else None
        change = "" if published is None else f"{least.additions - published:+d}".replace("+0", "0")
        rows.append(
            [
                f"{form}:{lowest}",
                f"{len(best)} of {len(own)}",
                f"{least.additions} ({statistics.median(one.additions for one in best):g})",
                "" if published is None else published,
                change,
                f"{statistics.median(one.seconds for one in best):.1f}",
                least.coefficients,
                f"{least.growth:g}",
            ]
        )
    head = [
        "scheme",
        "runs",
        "additions, least (median)",
        "published",
        "difference",
        "seconds, median",
        "nonzero",
    ]
    return (
        "\n## Fewer additions\n\n"
        "`--cheapen SECONDS` searches schemes of the same rank, with coefficients -1, 0 and 1, whose sums need fewer "
        "additions when common ones are computed once. It starts from schemes that `--field ternary` has found just "
        "before, from the classical algorithm of 2x2x2 on. The programs with the fewest additions are in "
        "[additions](additions), as assignments. Additions are their signs + and -, without a leading minus. Each "
        "program was read back and proved (all Brent equations, exact); a test runs it on random integer matrices and "
        "counts the additions that are made. Seconds are until the program was found, without the search before.\n\n"
        + tabulate(rows, headers=[*head, "growth"], tablefmt="github", disable_numparse=True)
        + "\n\n"
        + "".join(f"- {name}: {value}\n" for name, value in about.items())
    )


def _is_of(run: ReachedRank, goal: Goal) -> bool:
    return (run.form, run.ring, run.cyclic) == (goal.form, goal.ring.value, goal.cyclic)


def _seeds(found: Sequence[ReachedRank]) -> list[int]:
    return sorted({one.seed for one in found})


def _ring(own: Sequence[ReachedRank]) -> str:
    return ", ".join(sorted({one.held_in for one in own}))


def _figures(own: Sequence[ReachedRank]) -> list[str]:
    lowest = min(one.rank for one in own)
    best = [one for one in own if one.rank == lowest]
    seconds = [one.seconds for one in own]
    tried = sum(one.tried for one in own)
    return [
        f"{lowest} ({len(best)} of {len(own)})",
        f"{statistics.median(seconds):.1f} ({max(seconds):.1f})",
        f"{statistics.median(one.flips_per_s for one in own) / 1e6:.1f}",
        f"{sum(one.lifted for one in own)} of {tried}" if tried else "",
        str(min(one.coefficients for one in best)),
        str(min(one.shared_additions for one in best)),
        f"{min(one.growth for one in best):g}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing; returns 0, or 2 after one line about bad input."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.algorithms", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="runs per format (default: 5)")
    parser.add_argument(
        "--cheapen",
        type=float,
        metavar="SECONDS",
        help="search fewer additions for so long (default: do not)",
    )
    parser.add_argument("--cheap-seeds", type=int, default=3, help="runs of that per format (default: 3)")
    parser.add_argument("--threads", type=int, help="threads (default: all usable cores)")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="folder (default: results)")
    parsed = parser.parse_args(arguments)
    try:
        _study(parsed, lambda line: print(line, flush=True))
    except UserError as error:
        print(f"error: {error}")
        return 2
    return 0


def _study(parsed: argparse.Namespace, say: Announce) -> None:
    if parsed.seeds < 1 or parsed.cheap_seeds < 1:
        raise UserError("--seeds and --cheap-seeds take 1 or more")
    if parsed.cheapen is not None and not parsed.cheapen > 0:
        raise UserError("--cheapen takes more than 0 seconds")
    record = _Record(parsed.results / "algorithms.json")
    threads = parsed.threads or len(usable_cores())
    today = time.strftime("%Y-%m-%d")
    facts: JsonObject = {"machine": read().description, "threads": threads, "measured": today}
    program = walker_binary(say)
    for seed in range(1, parsed.seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            for goal in GOALS:
                if any(_is_of(one, goal) and one.seed == seed for one in record.runs):
                    continue
                record.facts = facts
                record.runs.append(searched(goal, seed, threads, Path(folder), program))
                say(f"seed {seed}: {goal.label} {record.runs[-1].rank} in {record.runs[-1].seconds:.1f} s")
                record.write()
    if parsed.cheapen is None:
        return
    for seed in range(1, parsed.cheap_seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            for goal in GOALS:
                done = any((one.form, one.seed) == (goal.form, seed) for one in record.cheap)
                if goal.ring is Ring.Z2 or goal.cyclic or done:
                    continue
                run = cheapened(goal[:4], seed, threads, Path(folder), program, parsed.cheapen)
                if run is None:
                    say(f"seed {seed}: {goal.form} has no scheme to start from")
                    continue
                record.about = facts | {"seconds for each run": parsed.cheapen}
                record.cheap.append(run)
                say(f"seed {seed}: {run.form}:{run.rank} {run.additions} additions after {run.seconds:.1f} s")
                keep_programs([run], parsed.results / "additions")
                record.write()


class _Record:
    """algorithms.json, and the page beside it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        data = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        self.facts: JsonObject = data.get("facts", {})
        self.about: JsonObject = data.get("about cheap runs", {})
        self.runs = [ReachedRank(**one) for one in data.get("runs", [])]
        self.cheap = [CheapRun(**one) for one in data.get("cheap runs", [])]

    def write(self) -> None:
        """Write both files."""
        data = {
            "facts": self.facts,
            "runs": [asdict(one) for one in self.runs],
            "about cheap runs": self.about,
            "cheap runs": [asdict(one) for one in self.cheap],
        }
        write_whole(self.file, json.dumps(data, indent=1) + "\n", make_folder=True)
        text = page(self.runs, self.facts, self.cheap, self.about)
        write_whole(self.file.with_suffix(".md"), text)


if __name__ == "__main__":
    raise SystemExit(main())
