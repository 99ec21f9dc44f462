"""Seconds per verdict: `python -m harness.studies.throughput --kernels 12` writes results/throughput.json and .md.

Each kernel is a random point of the schedule space that was never compiled here, judged in full with the default suite
and profile. A wrong variant of each is judged as well, because most early candidates of an evolution are wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from dataclasses import dataclass

from harness.caches import default_cache
from harness.candidate import Candidate, Manifest
from harness.durable import write_whole
from harness.machine import read
from harness.pipeline import Inspection, SharedTools
from harness.places import ROOT
from harness.settings import Settings
from harness.verdict import Gate, name

GATES = tuple(Gate)


@dataclass(frozen=True, slots=True)
class Cost:
    """The seconds per gate and the verdict of one kernel."""

    kernel: str
    verdict: str
    seconds: dict[str, float]

    @property
    def total_s(self) -> float:
        """Seconds of the whole verdict."""
        return sum(self.seconds.values())


def kernels(count: int, seed: int) -> list[tuple[str, str]]:
    """Names and sources of `count` random kernels and of their wrong variants, each made unique by a comment."""
    from harness.schedule.render import render
    from harness.schedule.space import space

    rng = random.Random(seed)
    lanes = [space(read(), 1), space(read(), 1, family="packed")]
    found = []
    for index in range(count):
        lane = lanes[index % len(lanes)]
        point = lane.build({knob.name: rng.choice(knob.choices) for knob in lane.knobs})
        source = render(point, f"throughput {seed}/{index} at {time.time_ns()}")
        found.append((f"honest {index}", source))
        found.append((f"wrong {index}", source + _WRONG.replace("INDEX", str(index))))
    return [(label, _twisted(text) if label.startswith("wrong") else text) for label, text in found]


_WRONG = """
/// The wrong twin INDEX: the last row is left out.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let rows = m.saturating_sub(1);
    honest(rows, k, n, &a[..rows * k], b, &mut c[..rows * n]);
}
"""


def _twisted(source: str) -> str:
    return source.replace("pub fn matmul(", "fn honest(", 1)


def judge(label: str, source: str, shared: SharedTools) -> Cost:
    """Judge one kernel in full and record the seconds of every gate."""
    inspection = Inspection(Candidate(label, ROOT, source, Manifest()), shared)
    seconds: dict[str, float] = {}
    for gate in GATES:
        began = time.monotonic()
        inspection.through(gate)
        seconds[gate] = time.monotonic() - began
        if inspection.rejection is not None:
            break
    assert inspection.verdict is not None
    return Cost(label, name(inspection.verdict), seconds)


def report(costs: list[Cost], machine: str) -> str:
    """Markdown: median and largest seconds per gate, and verdicts per hour, for honest and wrong kernels."""
    lines = [
        "# What a verdict costs",
        "",
        f"Random kernels of the schedule space and their wrong twins, never compiled before, on {machine};",
        "default suite (64 … 1024) and profile. Seconds are wall time.",
        "Written by `python -m harness.studies.throughput`.",
        "",
        "| kernels | verdicts | " + " | ".join(GATES) + " | whole | per hour |",
        "|---|---|" + "---|" * (len(GATES) + 2),
    ]
    for kind in ("honest", "wrong"):
        some = [cost for cost in costs if cost.kernel.startswith(kind)]
        verdicts = ", ".join(f"{n} {v}" for v, n in sorted(_counts(some).items()))
        cells = [_cell([cost.seconds[gate] for cost in some if gate in cost.seconds]) for gate in GATES]
        whole = [cost.total_s for cost in some]
        per_hour = 3600 * len(whole) / sum(whole)
        lines.append(f"| {kind} | {verdicts} | {' | '.join(cells)} | {_cell(whole)} | {per_hour:.0f} |")
    return "\n".join([*lines, "", "Each cell: median (largest)."]) + "\n"


def _counts(costs: list[Cost]) -> dict[str, int]:
    return {v: sum(cost.verdict == v for cost in costs) for v in {cost.verdict for cost in costs}}


def _cell(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({max(seconds):.2f})" if seconds else "-"


def main() -> None:
    """Run the measurement and write both files."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.throughput", description=__doc__)
    parser.add_argument(
        "--kernels",
        type=int,
        default=12,
        help="number of correct kernels; as many wrong ones are judged (default: 12)",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the random kernels (default: 1)")
    arguments = parser.parse_args()
    results = ROOT / "results"
    settings = Settings(root=ROOT, cache=default_cache(), results=results / "local", memory="")
    shared = SharedTools(settings, print)
    costs = []
    for label, source in kernels(arguments.kernels, arguments.seed):
        costs.append(judge(label, source, shared))
        print(f"{label}: {costs[-1].verdict} in {costs[-1].total_s:.1f} s", flush=True)
    text = report(costs, read().description)
    write_whole(results / "throughput.md", text)
    entries = [{"kernel": c.kernel, "verdict": c.verdict, "seconds": c.seconds} for c in costs]
    write_whole(
        results / "throughput.json", json.dumps({"machine": read().as_record(), "costs": entries}, indent=1)
    )
    print(text)


if __name__ == "__main__":
    main()
