"""Additions of schemes found here: the part of `harness.studies.algorithms` that makes found schemes cheaper.

For each seed and format a scheme over -1, 0 and 1 is searched from the classical algorithm of 2x2x2 on, then one of the
same rank with fewer additions. The program with the fewest additions is kept in results/additions, one file per format;
a file is proved when it is read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.durable import write_whole
from harness.errors import UserError
from harness.schedule.bilinear import symbolic
from harness.schedule.bilinear.scheme import Proof, prove
from harness.schedule.bilinear.scheme_cost import growth
from harness.schedule.bilinear.straight_line import additions_in
from harness.schedule.discover.cheapen import Aim, CheapeningPlan, cheap_starts, fewest
from harness.schedule.discover.formats import parse
from harness.schedule.discover.found import Ring, nonzero
from harness.schedule.discover.search import Search, SearchRequest


@dataclass(frozen=True, slots=True)
class CheapRun:
    """One search for few additions: the rank of its schemes, from how many it started, and what came of it.

    additions: + and - in the straight-line program. search_s and seconds: of the search of the schemes, and from then
    until the program was found.
    """

    form: str
    seed: int
    rank: int
    starts: int
    search_s: float
    seconds: float
    limit_s: float
    additions: int
    coefficients: int
    growth: float
    program: str


def cheapened(
    goal: tuple[str, Ring, int, int],
    seed: int,
    threads: int,
    folder: Path,
    program: Path,
    limit_s: float,
    walks: int = 0,
) -> CheapRun | None:
    """Search a scheme over -1, 0 and 1, then a cheaper one; None when there is none to start from.

    limit_s: seconds of the search for a cheaper one; walks: at most so many in each thread, 0 for no limit.
    """
    form, _, known, search_limit_s = goal
    wanted = parse(form)
    began_s = time.monotonic()
    request = SearchRequest(wanted, Ring.TERNARY, search_limit_s, seed, threads, folder, target=known)
    stage = Search(request, program, lambda line: None).run()
    search_s = time.monotonic() - began_s
    schemes = [*stage.proved, *([stage.best.scheme] if stage.best is not None else [])]
    starts = cheap_starts(schemes, wanted, folder) if schemes else []
    if not starts:
        return None
    plan = CheapeningPlan(Aim.ADDITIONS, limit_s, seed, threads, walks)
    best = fewest(program, starts, plan, folder, lambda line: None)
    return CheapRun(
        form,
        seed,
        best.scheme.rank,
        len(starts),
        round(search_s, 2),
        best.seconds,
        limit_s,
        best.shared_additions,
        nonzero(best.scheme),
        float(growth(best.scheme)),
        best.program,
    )


def keep_programs(runs: Sequence[CheapRun], folder: Path) -> None:
    """Keep one program for each format, that of the lowest rank with the fewest additions, among runs and files.

    With as many additions, the smaller growth of errors counts.
    """
    for run in runs:
        path = folder / f"{run.form}_{run.rank}.txt"
        others = {int(other.stem.partition("_")[2]): other for other in folder.glob(f"{run.form}_*.txt")}
        if min(others, default=run.rank) < run.rank:
            continue
        if run.rank not in others or (run.additions, run.growth) < cost_of(path):
            write_whole(path, run.program, make_folder=True)
        for rank, other in others.items():
            if rank > run.rank:
                other.unlink()


def cost_of(path: Path) -> tuple[int, float]:
    """Additions and error growth of a program in a file, after its proof. UserError when it is no matrix product."""
    text = path.read_text(encoding="utf-8")
    scheme = symbolic.parse(text, path.stem)
    outcome = prove(scheme)
    if not isinstance(outcome, Proof):
        raise UserError(f"{path}: {outcome}")
    return additions_in(text), float(growth(scheme))
