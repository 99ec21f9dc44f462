"""Libraries and evolved kernels side by side: `make bench` writes results/bench.json, bench.md and bench.svg.

Every library and kernel is timed against OpenBLAS's strongest kernels on this machine, shape by shape, as candidates
are. A cell is lost where no evolved kernel is level with the best library there: the intervals of the best evolved
kernel and that library are apart.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from harness.caches import default_cache
from harness.candidate import KERNEL_FILE, load
from harness.clock import baseline as baselines
from harness.clock import yardsticks
from harness.clock.pairs import Plan, Samples
from harness.clock.worker_pair import Rival
from harness.durable import write_whole
from harness.errors import HarnessFaultError, UserError
from harness.machine import read
from harness.pipeline import Inspection, SharedTools
from harness.places import ROOT
from harness.settings import Settings
from harness.studies.bench_picture import Cell, picture
from harness.verdict import Gate, describe

SUITES = ("square", "odd", "skinny", "gpt2")
# Seconds of timing for one library or kernel and five shapes.
QUICK_S, FULL_S = 4.0, 20.0
BLIS_PLACES = ("lib/*/libblis.so*", "lib64/libblis.so*", "lib/libblis.so*", "local/lib/libblis.so*")


def libraries(shared: SharedTools, say: Callable[[str], None]) -> Iterator[Rival]:
    """The libraries of this machine besides the baseline: MKL from PyPI, BLIS from the distribution, three crates."""
    for name, path in (("MKL", _mkl()), ("BLIS", _blis())):
        if path is None:
            say(f"{name} is not installed here: skipped")
            continue
        try:
            found = shared.clock.callable_library(baselines.find(path))
        except (UserError, HarnessFaultError) as error:
            say(f"{name} is skipped: {error}")
            continue
        yield Rival(name, found.program, trusted=True)
    for name in yardsticks.NAMES:
        yield Rival(name, yardsticks.one(name, say).program, trusted=True)


def _mkl() -> Path | None:
    try:
        files = importlib.metadata.files("mkl") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [Path(str(file.locate())) for file in files if file.name.startswith("libmkl_rt.so")]
    return found[0] if found else None


def _blis() -> Path | None:
    found = sorted(path for pattern in BLIS_PLACES for path in Path("/usr").glob(pattern))
    return found[0] if found else None


def evolved_kernels(names: Sequence[str], shared: SharedTools, say: Callable[[str], None]) -> Iterator[Rival]:
    """The named candidates, or all evolved ones of the thread class 1, as far as they pass the judging gates here."""
    folders = sorted(path.parent for path in shared.settings.candidates.glob(f"*/{KERNEL_FILE}"))
    for folder in folders:
        candidate = load(folder)
        manifest = candidate.manifest
        evolved = manifest.run != "original" and manifest.expect == "accepted" and manifest.threads == 1
        if folder.name not in names if names else not evolved:
            continue
        inspection = Inspection(candidate, shared)
        inspection.through(Gate.CONDUCT)
        if inspection.rejection is None:
            yield inspection.as_rival()
        else:
            say(f"{candidate.name} is skipped: {describe(inspection.rejection)}")


def race(entry: Rival, suite: str, shared: SharedTools, budget_s: float) -> list[Cell]:
    """The cells of one library or kernel over one suite. Raises HarnessFaultError when it cannot be timed."""
    session = shared.clock
    with session.alone(1):
        samples = session.race(
            Plan(session.suite, session.for_suite(budget_s, session.suite)), entry.program, 1, entry.levels
        )
        if not isinstance(samples, Samples):
            raise HarnessFaultError(f"{entry.name}: {describe(samples)}")
        rng, peak = np.random.default_rng(session.seed()), session.peak().gflops(1)
    cells = []
    for shape in session.suite:
        found = samples.interval(shape, rng)
        percent = 100 * shape.flops / samples.typical_ns(shape)[0] / peak
        cells.append(
            Cell(
                suite,
                str(shape),
                entry.name,
                not entry.trusted,
                found.ratio,
                found.low,
                found.high,
                percent,
            )
        )
    return cells


def is_lost(cells: Sequence[Cell]) -> bool:
    """Whether no evolved kernel at one shape is level with the best library; the baseline has ratio 1."""
    ours = [cell.high for cell in cells if cell.evolved]
    theirs = max([1.0, *(cell.low for cell in cells if not cell.evolved)])
    return bool(ours) and max(ours) < theirs


def table(cells: Sequence[Cell], suite: str) -> list[str]:
    """Markdown: a row per shape, a column per library or kernel, the best evolved kernel's percent of peak, lost cells
    marked.
    """
    some = [cell for cell in cells if cell.suite == suite]
    names = list(dict.fromkeys(cell.name for cell in some))
    lines = [
        f"| {suite} | {' | '.join(names)} | % of peak | |",
        "|---|" + "---:|" * (len(names) + 1) + "---|",
    ]
    for shape in dict.fromkeys(cell.shape for cell in some):
        here = {cell.name: cell for cell in some if cell.shape == shape}
        best = max((cell.percent_of_peak for cell in here.values() if cell.evolved), default=0.0)
        ratios = " | ".join(
            f"{here[name].ratio:.3f} ±{50 * (here[name].high - here[name].low) / here[name].ratio:.1f} %"
            for name in names
        )
        lines.append(
            f"| {shape} | {ratios} | {best:.0f} | {'lost' if is_lost(list(here.values())) else ''} |"
        )
    means = " | ".join(
        f"**{np.exp(np.mean([np.log(cell.ratio) for cell in some if cell.name == name])):.3f}**"
        for name in names
    )
    return [*lines, f"| geometric mean | {means} | | |", ""]


def page(cells: Sequence[Cell], machine: str, baseline: str, command: str) -> str:
    """The Markdown page."""
    suites = list(dict.fromkeys(cell.suite for cell in cells))
    shapes = {(cell.suite, cell.shape) for cell in cells}
    lost = sum(is_lost([c for c in cells if (c.suite, c.shape) == where]) for where in shapes)
    lines = [
        "# Libraries and evolved kernels side by side",
        "",
        f"Written by `{command}` on {machine}, one thread, hot data.",
        f"Each figure is t / t of {baseline}: above 1 is faster. The percentage is that of the best evolved",
        "kernel against the measured FMA peak. A cell is lost where no evolved kernel is level with the best library",
        "there.",
        "",
        f"{lost} of {len(shapes)} cells are lost.",
        "",
        "![percent of peak by shape](bench.svg)",
        "",
    ]
    for suite in suites:
        lines += table(cells, suite)
    return "\n".join(lines)


def main() -> None:
    """Time every library and kernel over the chosen suites and write the three files."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.bench", description=__doc__)
    parser.add_argument("kernels", nargs="*", help="candidates (default: all evolved ones of thread class 1)")
    parser.add_argument(
        "--suite",
        action="append",
        default=None,
        help="a suite or shapes; may be repeated (default: square, odd, skinny, gpt2)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="use a fifth of the timing budget (default: off)"
    )
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="folder (default: results)")
    chosen = parser.parse_args()
    cells: list[Cell] = []
    settings = Settings(ROOT, default_cache(), chosen.results / "local", memory="")
    entries: list[Rival] | None = None
    for suite in chosen.suite or SUITES:
        shared = SharedTools(replace(settings, suite=suite), print)
        if entries is None:
            entries = [*libraries(shared, print), *evolved_kernels(chosen.kernels, shared, print)]
        for entry in entries:
            try:
                cells += race(entry, suite, shared, QUICK_S if chosen.quick else FULL_S)
            except HarnessFaultError as fault:
                print(f"{suite}: {fault}: skipped")
        print("\n".join(table(cells, suite)), flush=True)
    command = f"python -m harness.studies.bench{' --quick' if chosen.quick else ''}"
    text = page(cells, read().description, str(shared.clock.baseline), command)
    write_whole(chosen.results / "bench.md", text)
    write_whole(
        chosen.results / "bench.json",
        json.dumps(
            {
                "machine": read().as_record(),
                "baseline": str(shared.clock.baseline),
                "cells": [asdict(cell) for cell in cells],
            },
            indent=1,
        )
        + "\n",
    )
    write_whole(chosen.results / "bench.svg", picture(cells))


if __name__ == "__main__":
    main()
