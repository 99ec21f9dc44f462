"""How often a duel errs: `python -m harness.studies.duels --repeats 20` writes results/duels.json and duels.md.

The first kernel of this machine is timed against itself, compiled a second time, and against itself slowed by a nominal
1 %, measured 0.7 % (results/duels.md).
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from harness.caches import default_cache
from harness.candidate import Candidate, Manifest
from harness.clock.duel import Duel, Standing
from harness.durable import write_whole
from harness.errors import HarnessFaultError
from harness.machine import read
from harness.pipeline import Inspection, SharedTools
from harness.places import ROOT
from harness.settings import Profile, Settings
from harness.verdict import Gate, describe

# A chain of integer multiplications after the product, 4 cycles each: 1 % of a product at 32 flops per cycle has
# m·k·n / 6400 of them.
_SLOWED = """
/// The product, followed by idle work of about a hundredth of its time.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    plain(m, k, n, a, b, c);
    let mut x = m as u64;
    for _ in 0..m * k * n / 6400 {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1);
    }
    std::hint::black_box(x);
}
"""


def kernels() -> dict[str, str]:
    """The sources of the three kernels."""
    from harness.schedule.analytical import first
    from harness.schedule.render import render

    source = render(first(read()), "the first kernel of this machine")
    return {
        "kernel": source,
        "equal": source + "// The same kernel once more.\n",
        "slowed": source.replace("pub fn matmul(", "fn plain(", 1) + _SLOWED,
    }


def judged(label: str, source: str, shared: SharedTools) -> Inspection:
    """The inspection of one kernel after the judging gates; raises HarnessFaultError when it is rejected."""
    inspection = Inspection(Candidate(label, ROOT, source, Manifest()), shared)
    inspection.through(Gate.CONDUCT)
    if inspection.rejection is not None:
        raise HarnessFaultError(f"{label}: {describe(inspection.rejection)}")
    return inspection


def report(found: dict[str, list[Duel]], machine: str, suite: str) -> str:
    """Markdown: how often each pair had which standing, the spread of the ratios, and seconds per duel."""
    slowed = 100 * (statistics.mean(duel.ratio for duel in found["slowed"]) - 1)
    lines = [
        "# How often a duel errs",
        "",
        "The first kernel of this machine against itself and against itself slowed by a nominal 1 %, "
        f"measured {slowed:.1f} %,",
        f"on {machine}, suite {suite}, one thread. Written by `python -m harness.studies.duels`.",
        "",
        "| rival | duels | faster | level | slower | mean ratio | spread | half-width | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, duels in found.items():
        counts = [sum(duel.standing is standing for duel in duels) for standing in _ORDER]
        ratios = [duel.ratio for duel in duels]
        spread = statistics.stdev(ratios) if len(ratios) > 1 else 0.0
        half = statistics.mean((duel.high - duel.low) / 2 for duel in duels)
        seconds = statistics.mean(duel.seconds for duel in duels)
        lines.append(
            f"| {name} | {len(duels)} | {' | '.join(map(str, counts))} | {statistics.mean(ratios):.4f} "
            f"| {spread:.4f} | {half:.4f} | {seconds:.0f} |"
        )
    return "\n".join([*lines, ""])


_ORDER = (Standing.FASTER, Standing.LEVEL, Standing.SLOWER)


def duels(repeats: int, shared: SharedTools, say: Callable[[str], None]) -> dict[str, list[Duel]]:
    """`repeats` duels of the kernel against each of the two others, in turn, in fresh processes."""
    ready = {label: judged(label, source, shared) for label, source in kernels().items()}
    found: dict[str, list[Duel]] = {"equal": [], "slowed": []}
    for number in range(repeats):
        for name, done in found.items():
            duel = ready["kernel"].duel(ready[name].as_rival())
            if not isinstance(duel, Duel):
                raise HarnessFaultError(describe(duel))
            done.append(duel)
            say(
                f"{number + 1}/{repeats} {name}: {duel.ratio:.4f} [{duel.low:.4f}, {duel.high:.4f}] {duel.standing}"
            )
    return found


def main() -> None:
    """Run the duels and write both files."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.duels", description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="duels of each kind (default: 20)")
    parser.add_argument("--suite", default="default", help="suite or shapes (default: default)")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="folder (default: results)")
    chosen = parser.parse_args()
    settings = Settings(ROOT, default_cache(), chosen.results / "local", memory="", suite=chosen.suite)
    shared = SharedTools(replace(settings, profile=Profile.QUICK), print)
    found = duels(chosen.repeats, shared, lambda line: print(line, flush=True))
    text = report(found, read().description, chosen.suite)
    write_whole(chosen.results / "duels.md", text)
    plain = {name: [asdict(duel) for duel in some] for name, some in found.items()}
    for some in plain.values():
        for one in some:
            one["per_shape"] = [shape | {"shape": str(shape["shape"])} for shape in one["per_shape"]]
    write_whole(
        chosen.results / "duels.json",
        json.dumps({"machine": read().as_record(), "duels": plain}, indent=1) + "\n",
    )
    print(text)


if __name__ == "__main__":
    main()
