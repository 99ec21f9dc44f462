"""Judges honest kernels under many secret seeds: whether chance ever rejects one.

python -m tests.judge.honest_seeds results --seeds 20             every honest kernel of the gallery and of candidates/
python -m tests.judge.honest_seeds results --seeds 20 NAME …      only these

Gates before the clock, quick profile. Writes judge-honest-seeds.json after each seed, so that a stopped campaign goes
on with the seeds that are missing, and judge-honest-seeds.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import machine
from harness.candidate import Candidate, load
from harness.durable import write_whole
from harness.judge.examination import secret_seed
from harness.places import ROOT
from harness.settings import Profile
from harness.verdict import Gate, HarnessError, Inconclusive, describe
from harness.verdict import name as verdict_name
from tests.conftest import shared_tools_in
from tests.gallery.test_gallery import GALLERY, read
from tests.judge.gallery_campaign import timed

FILE = "judge-honest-seeds"


@dataclass(frozen=True, slots=True)
class Judged:
    """One kernel under one seed; `verdict` is "passed", or the verdict's name with what it says in `line`."""

    kernel: str
    seed: int
    verdict: str
    line: str
    seconds: float


def honest_kernels(names: Sequence[str]) -> list[Candidate]:
    """The honest kernels of the gallery and the accepted ones of candidates/, or those of the given names."""
    found = [read(path)[0] for path in sorted(GALLERY.glob("honest_*.rs"))]
    others = [load(path.parent) for path in sorted((ROOT / "candidates").glob("*/kernel.rs"))]
    found += [one for one in others if one.manifest.expect == "accepted"]
    return [one for one in found if not names or one.name in names]


def judged(candidate: Candidate, seed: int) -> Judged:
    """Judge one kernel at every gate before the clock."""
    with TemporaryDirectory() as scratch:
        shared = shared_tools_in(Path(scratch), profile=Profile.QUICK, seed=seed)
        inspection, seconds = timed(candidate, shared, Gate.CONDUCT)
        if inspection.rejection is None:
            return Judged(candidate.name, seed, "passed", "", seconds)
        rejection = inspection.rejection
        return Judged(candidate.name, seed, verdict_name(rejection), describe(rejection), seconds)


def report(found: Sequence[Judged], described: str) -> str:
    """The page: how many verdicts, how many rejections, and each of these with its seed."""
    undecided = {Inconclusive.__name__, HarnessError.__name__}
    decided = [one for one in found if one.verdict not in undecided]
    rejected = [one for one in decided if one.verdict != "passed"]
    kernels = Counter(one.kernel for one in found)
    bound = 3 / max(len(decided), 1)
    lines = [
        "# Honest kernels under many seeds",
        "",
        f"{len(kernels)} honest kernels under {len({one.seed for one in found})} secret seeds, gates before the clock,",
        f"quick profile, on {described}.",
        "",
        f"- {len(found)} verdicts, of which {len(found) - len(decided)} undecided (a busy machine).",
        f"- Rejected: {len(rejected)}."
        + (
            ""
            if rejected
            else f" With 95 % confidence, fewer than {bound:.2%} of such verdicts (rule of three)."
        ),
    ]
    if rejected:
        lines += ["", "| kernel | seed | verdict |", "|---|---:|---|"]
        lines += [f"| {one.kernel} | {one.seed} | {one.verdict}: {one.line} |" for one in rejected]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Judge, write after each seed, print the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.judge.honest_seeds", description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds (default: 20)")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_intermixed_args()
    kept = asked.results / f"{FILE}.json"
    found = [Judged(**one) for one in json.loads(kept.read_text("utf-8"))] if kept.exists() else []
    kernels = honest_kernels(asked.names)
    described = machine.read().description
    for _ in range(asked.seeds - len({one.seed for one in found})):
        seed = secret_seed(None)
        for candidate in kernels:
            found.append(judged(candidate, seed))
            if found[-1].verdict != "passed":
                print(f"seed {seed} {candidate.name}: {found[-1].line}", file=sys.stderr, flush=True)
        write_whole(kept, json.dumps([asdict(one) for one in found], indent=1) + "\n")
        write_whole(asked.results / f"{FILE}.md", report(found, described))
        print(f"{len(found)} verdicts", file=sys.stderr, flush=True)
    print(report(found, described))


if __name__ == "__main__":
    main()
