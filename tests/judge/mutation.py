"""Mutants of honest kernels, made by rules: one small slip each. And the campaign that judges them all.

python -m tests.judge.mutation results     judge all mutants, write results/judge-campaign.md and .json
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.candidate import Candidate, Manifest
from harness.pipeline import Inspection, SharedTools
from harness.verdict import Gate, describe, name
from tests.conftest import ROOT, shared_tools_in
from tests.judge import rust_kernels as kernels
from tests.judge.equivalence import first_difference

SUITE = "64x64x64,256x256x256"

HONEST: dict[str, str] = {
    "textbook": kernels.TEXTBOOK,
    "rows": kernels.ROWS,
    "blocked": kernels.BLOCKED,
    "fused": kernels.FUSED_WITH_PLAIN_TAIL,
    "partial sums": kernels.PARTIAL_SUMS,
    "padded": kernels.PADDED,
    "rayon": kernels.RAYON,
    "split k": kernels.SPLIT_K_IN_FIXED_ORDER,
    "intrinsics": kernels.INTRINSICS,
}
GALLERY = ROOT / "tests" / "gallery"
HONEST |= {
    name.replace("_", " "): (GALLERY / f"honest_{name}.rs").read_text(encoding="utf-8")
    for name in (
        "packed_panels",
        "cache_oblivious",
        "strassen_with_peeled_edges",
        "masked_vectors",
        "morton_order",
    )
}
THREADED = ("rayon", "split k")

# Text that no slip changes: comments, attributes, imports, signatures, names of constants.
FIXED = re.compile(r"(?m)//.*$|#!?\[[^\n]*|^ *use [^;]*;|\bfn \w+[^{]*\{|\bconst \w+: \w+ =")
# A slip: its name, a pattern of the place, and the replacement.
Slip = tuple[str, str, Callable[[re.Match[str]], str]]


def _always(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


def _plus(step: int) -> Callable[[re.Match[str]], str]:
    return lambda found: str(max(0, int(found[0]) + step))


_SWAPPED = {"m": "n", "k": "n", "n": "k", "i": "j", "j": "i", "p": "j", "a": "b", "b": "a"}
SLIPS: tuple[Slip, ...] = (
    ("minus for plus", r"(?<= )\+(?= )", _always("-")),
    ("plus for times", r"(?<= )\*(?= )", _always("+")),
    ("minus-equals for plus-equals", r"\+=", _always("-=")),
    ("assigns instead of adding", r"\+=", _always("=")),
    ("begins at one", r"\b0(?=\.\.)", _always("1")),
    ("includes the end", r"\.\.(?=\w|\()", _always("..=")),
    ("ends one early", r"(?<=0\.\.)([mkn])\b", lambda found: f"{found[1]}.saturating_sub(1)"),
    ("larger constant", r"(?<![\w.])[1-9]\d*(?![\w.])", _plus(1)),
    ("smaller constant", r"(?<![\w.])[1-9]\d*(?![\w.])", _plus(-1)),
    ("begins with one", r"\b0\.0(f32)?\b", _always("1.0f32")),
    ("max for min", r"\.min\(", _always(".max(")),
    ("modulo for division", r"(?<= )/(?= )", _always("%")),
    ("less or equal", r"(?<= )<(?= )", _always("<=")),
    ("not equal", r"(?<= )==(?= )", _always("!=")),
    ("another name", r"\b[mknijpab]\b(?!:)", lambda found: _SWAPPED[found[0]]),
    ("drops a statement", r"(?m)^ +(?!let |use |return|const |#)[^\n{}]*;$", _always("")),
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutant: its name ("rows/minus for plus/3"), the honest kernel it comes from, its source."""

    name: str
    parent: str
    source: str

    @property
    def change(self) -> str:
        """The changed line, before and after."""
        pairs = zip(HONEST[self.parent].splitlines(), self.source.splitlines(), strict=False)
        was, now = next((was.strip(), now.strip()) for was, now in pairs if was != now)
        return f"`{was}` → `{now}`"

    @property
    def candidate(self) -> Candidate:
        """As the pipeline takes it; there is no folder."""
        manifest = Manifest(threads="all" if self.parent in THREADED else 1, title=self.name)
        return Candidate(self.name, Path(), self.source, manifest)


def mutants() -> Iterator[Mutant]:
    """Every single slip in every honest kernel, always in the same order; no two have the same text."""
    seen = set(HONEST.values())
    for parent, source in HONEST.items():
        fixed = [found.span() for found in FIXED.finditer(source)]
        for slip, where, instead in SLIPS:
            for number, found in enumerate(re.finditer(where, source)):
                start, end = found.span()
                if any(start < after and end > before for before, after in fixed):
                    continue
                text = source[:start] + instead(found) + source[end:]
                if text not in seen:
                    seen.add(text)
                    yield Mutant(f"{parent}/{slip}/{number}", parent, text)


@dataclass(frozen=True, slots=True)
class Fate:
    """The result for one kernel. For an accepted one, `difference` is where an independent comparison found it wrong,
    or None: then the mutant computes the product.
    """

    name: str
    verdict: str
    gate: str
    line: str
    seconds: float
    difference: str | None = None


def judged(mutant: Mutant, shared: SharedTools) -> Fate:
    """Run all gates but the clock; compare independently when the kernel passed."""
    began = time.monotonic()
    inspection = Inspection(mutant.candidate, shared)
    inspection.through(Gate.CONDUCT)
    seconds = round(time.monotonic() - began, 2)
    rejection = inspection.rejection
    if rejection is not None:
        return Fate(mutant.name, name(rejection), rejection.at.gate, describe(rejection), seconds)
    assert inspection.library is not None
    difference = first_difference(inspection.library.path, inspection.numerics)
    return Fate(mutant.name, "Accepted", "", inspection.numerics, seconds, difference)


@lru_cache(maxsize=1)
def _shared_tools_of_this_process(root: str) -> SharedTools:
    return shared_tools_in(Path(root), suite=SUITE)


def _judge(mutant: Mutant, root: str) -> Fate:
    return judged(mutant, _shared_tools_of_this_process(root))


def campaign(results: Path, processes: int = 2) -> int:
    """Judge every mutant and write the results; returns the number of wrong ones that were accepted."""
    began = time.monotonic()
    fates = []
    with TemporaryDirectory() as root, ProcessPoolExecutor(processes) as pool:
        running = [pool.submit(_judge, mutant, root) for mutant in mutants()]
        for done in as_completed(running):
            fates.append(done.result())
            print(f"{len(fates)}/{len(running)} {fates[-1].verdict} {fates[-1].name}", flush=True)
    fates.sort(key=lambda fate: fate.name)
    seconds = round(time.monotonic() - began)
    _write(
        results / "judge-campaign.json",
        json.dumps({"seconds": seconds, "fates": [asdict(f) for f in fates]}, indent=1),
    )
    _write(results / "judge-campaign.md", report(fates, seconds))
    return sum(fate.difference is not None for fate in fates)


def report(fates: list[Fate], seconds: int) -> str:
    """The page: counts by gate and verdict, then every accepted mutant, then every rejected one with its reason."""
    counts = Counter((fate.gate or "—", fate.verdict) for fate in fates)
    accepted = [fate for fate in fates if fate.verdict == "Accepted"]
    changes = {mutant.name: mutant.change for mutant in mutants()}
    lines = ["# The judge against mutants of honest kernels", ""]
    lines += [
        f"{len(fates)} mutants of {len(HONEST)} honest kernels, judged in {seconds} s with two processes,",
        "at every gate but the clock. Written by `python -m tests.judge.mutation`. The gallery of wrong, hostile and",
        "unusual honest kernels, by gate and with seconds per verdict: [judge-gallery.md](judge-gallery.md).",
    ]
    lines += ["", "| gate | verdict | mutants | median seconds |", "|---|---|---:|---:|"]
    for (gate, verdict), count in sorted(counts.items()):
        times = sorted(f.seconds for f in fates if (f.gate or "—", f.verdict) == (gate, verdict))
        lines += [f"| {gate} | {verdict} | {count} | {times[len(times) // 2]:.1f} |"]
    lines += ["", "## Accepted", ""]
    lines += [
        "Each was compared with the product in f64, outside of the judge, at some 700 shapes: integers bit for",
        "bit, reals within the bound of its tier, NaN and infinity, both ends of the buffers watched. What is left",
        "changes a tile, a pad that is multiplied by zero, a prefetch, or code for another machine.",
        "",
    ]
    lines += [
        f"* {f.name}: {f.difference or 'computes the product'}; {changes.get(f.name, '')}" for f in accepted
    ] or ["none"]
    lines += ["", "## Rejected", ""]
    lines += [f"* {f.name}: {f.verdict} at {f.gate} ({f.line})" for f in fates if f.verdict != "Accepted"]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(path.suffix + ".new")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


if __name__ == "__main__":
    sys.exit(min(1, campaign(Path(sys.argv[1]))))
