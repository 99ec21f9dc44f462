"""Judges every kernel of the gallery alone and reports gates, verdicts and seconds.

python -m tests.judge.gallery_campaign results            judge one kernel after the other; write a page and a JSON file
python -m tests.judge.gallery_campaign results NAME …     judge these again and keep the others of the JSON file
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import machine
from harness.candidate import Candidate
from harness.pipeline import Inspection, SharedTools
from harness.verdict import Gate, describe, name
from tests.conftest import shared_tools_in
from tests.gallery.test_gallery import GALLERY, read


@dataclass(frozen=True, slots=True)
class Judged:
    """One kernel's verdict, the gate that gave it, and the seconds from the end of compilation to it.

    `clock_s` are the seconds of the clock among them, 0 for a kernel that never got there.
    """

    kernel: str
    honest: bool
    verdict: str
    gate: str
    line: str
    seconds: float
    clock_s: float


def timed(candidate: Candidate, shared: SharedTools, last: Gate) -> tuple[Inspection, float]:
    """A candidate judged up to a gate, and the seconds from the end of compilation to its verdict."""
    inspection = Inspection(candidate, shared)
    inspection.through(Gate.COMPILE)
    began = time.monotonic()
    inspection.through(last)
    return inspection, round(time.monotonic() - began, 2)


def judged(path: Path, shared: SharedTools) -> Judged:
    """Judge one kernel of the gallery at every gate; expectations are not looked at."""
    candidate, _ = read(path)
    inspection, seconds = timed(candidate, shared, Gate.CLOCK)
    verdict = inspection.verdict
    assert verdict is not None
    gate = "" if inspection.rejection is None else str(inspection.rejection.at.gate)
    clock_s = inspection.passed[Gate.CLOCK].seconds if Gate.CLOCK in inspection.passed else 0.0
    honest = path.stem.startswith("honest")
    return Judged(path.stem, honest, name(verdict), gate, describe(verdict), seconds, round(clock_s, 2))


def campaign(names: Sequence[str]) -> list[Judged]:
    """Judge the named kernels of the gallery, or all, with the settings of a user: default suite, default profile."""
    with TemporaryDirectory() as scratch:
        shared = shared_tools_in(Path(scratch), say=lambda line: print(line, file=sys.stderr))
        found = []
        for path in sorted(GALLERY.glob("*.rs")):
            if names and path.stem not in names:
                continue
            found.append(judged(path, shared))
            print(
                f"{found[-1].seconds:6.1f} s  {path.stem}: {found[-1].line[:90]}", file=sys.stderr, flush=True
            )
        return found


def table(found: list[Judged]) -> str:
    """Kernels by gate and verdict, with the median and the longest seconds after compilation."""
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for one in found:
        groups["honest" if one.honest else "wrong", one.gate or "—", one.verdict].append(one.seconds)
    order = ["policy", "compile", "audit", "shapes", "values", "conduct", "clock", "—"]
    rows = ["| kernels | gate | verdict | number | median s | longest s |", "|---|---|---|---:|---:|---:|"]
    for (kind, gate, verdict), seconds in sorted(
        groups.items(), key=lambda item: (item[0][0], order.index(item[0][1]))
    ):
        median, longest = statistics.median(seconds), max(seconds)
        rows.append(f"| {kind} | {gate} | {verdict} | {len(seconds)} | {median:.1f} | {longest:.1f} |")
    return "\n".join(rows)


def page(found: list[Judged], machine: str) -> str:
    """The page: medians, the table, then every kernel with its verdict."""
    honest = [one for one in found if one.honest]
    wrong = [one for one in found if not one.honest and one.verdict != "Accepted"]
    let_through = [one for one in found if not one.honest and one.verdict == "Accepted"]
    lines = [
        "# The judge against the gallery",
        "",
        f"{len(found)} kernels of tests/gallery, one after the other, default profile and suite, on {machine}.",
        "Seconds from the end of compilation to the verdict.",
        "",
        f"- Honest, accepted: {sum(one.verdict == 'Accepted' for one in honest)} of {len(honest)}; median "
        f"{_median(honest):.1f} s, of which clock {statistics.median(one.clock_s for one in honest):.1f} s.",
        f"- Wrong or hostile, rejected: {len(wrong)} of {len(wrong) + len(let_through)}; "
        f"median {_median(wrong):.1f} s.",
        "",
        table(found),
        "",
        "| kernel | verdict | gate | s |",
        "|---|---|---|---:|",
        *(f"| {one.kernel} | {one.verdict} | {one.gate or '—'} | {one.seconds:.1f} |" for one in found),
    ]
    return "\n".join(lines) + "\n"


def _median(found: list[Judged]) -> float:
    return statistics.median(one.seconds for one in found)


if __name__ == "__main__":
    results = Path(sys.argv[1])
    kernels = campaign(sys.argv[2:])
    if sys.argv[2:]:
        kept = json.loads((results / "judge-gallery.json").read_text(encoding="utf-8"))
        known = {one["kernel"]: Judged(**one) for one in kept} | {one.kernel: one for one in kernels}
        kernels = [known[name] for name in sorted(known)]
    plain = json.dumps([asdict(one) for one in kernels], indent=1) + "\n"
    (results / "judge-gallery.json").write_text(plain, encoding="utf-8")
    (results / "judge-gallery.md").write_text(page(kernels, machine.read().description), encoding="utf-8")
    print(table(kernels))
