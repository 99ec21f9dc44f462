"""Kernels of fast schemes against the classical kernel of this machine, and their errors.

    python -m harness.studies.fast_schemes      writes results/fast-schemes.json and .md, in about fifteen minutes

Each kernel is rendered with the blocks that the analytical model chooses, passes the judging gates, and is timed
against the classical kernel, not against BLAS, as a duel is: in fresh pairs of processes that take turns.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.caches import default_cache
from harness.clock.pairs import Plan, Samples
from harness.durable import JsonObject, write_whole
from harness.errors import HarnessFaultError, UserError
from harness.machine import Machine
from harness.pipeline import Inspection, SharedTools
from harness.places import ROOT
from harness.settings import Profile, Settings
from harness.shapes import Shape
from harness.studies.duels import judged
from harness.verdict import At, Gate, describe

if TYPE_CHECKING:
    from harness.schedule.model import Schedule

SIZES = (512, 768, 1024, 2048, 4096)
# Size of the products whose errors are measured, and the number of products.
ERROR_SIZE, ERROR_PRODUCTS = 2048, 3
# Seconds for one kernel at one size; at least this many process pairs, whatever they take, and at most.
BUDGET_S, LEAST_PAIRS, MOST_PAIRS = 45.0, 6, 12
UNIT_ROUNDOFF = 2.0**-24


@dataclass(frozen=True, slots=True)
class AgainstClassical:
    """t_classical / t_fast at one size of square product, with its 95 % interval."""

    size: int
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SchemeRow:
    """One kernel. saving: classical products over its own, all levels. nonzero: coefficients of one level.

    error: the largest error of an element against f64, over k·u·max|A|·max|B| with A and B uniform in [-1, 1].
    """

    scheme: str
    levels: int
    products: int
    saving: float
    nonzero: int
    growth: float
    error: float
    ratios: tuple[AgainstClassical, ...]

    @property
    def crossover(self) -> int | None:
        """The smallest size measured from which the kernel is faster, beyond the interval, at all larger ones."""
        faster = None
        for one in reversed(self.ratios):
            if one.low <= 1:
                break
            faster = one.size
        return faster


@dataclass(frozen=True, slots=True)
class Contest:
    """The shared tools, the classical kernel, and the sizes to time."""

    shared: SharedTools
    classical: Inspection
    sizes: Sequence[int]

    def row(self, name: str, levels: int) -> SchemeRow:
        """Render, judge and time the kernel of one scheme. HarnessFaultError when it is rejected."""
        from harness.schedule.bilinear import schemes
        from harness.schedule.bilinear.scheme_cost import growth
        from harness.schedule.discover.found import nonzero
        from harness.schedule.render import render

        scheme = schemes.named(name)
        label = f"{name} x{levels}"
        inspection = judged(label, render(fast(self.shared.machine, name, levels), label), self.shared)
        return SchemeRow(
            name,
            levels,
            scheme.rank,
            (scheme.m * scheme.k * scheme.n / scheme.rank) ** levels,
            nonzero(scheme),
            float(growth(scheme)),
            largest_error(inspection, self.shared),
            tuple(self.against_classical(inspection, size) for size in self.sizes),
        )

    def against_classical(self, inspection: Inspection, size: int) -> AgainstClassical:
        """The race at one size."""
        clock, kernel = self.shared.clock, inspection.as_rival()
        plan = Plan((Shape(size, size, size),), BUDGET_S, min_processes=LEAST_PAIRS, max_processes=MOST_PAIRS)
        rival = self.classical.as_rival()
        with clock.alone(1):
            samples = clock.race(plan, kernel.program, 1, kernel.levels, rival=rival)
        if not isinstance(samples, Samples):
            raise HarnessFaultError(f"{kernel.name} at {size}: {describe(samples)}")
        found = samples.interval(plan.shapes[0], np.random.default_rng(clock.seed()))
        self.shared.say(f"{kernel.name} at {size}: {found.ratio:.3f} [{found.low:.3f}, {found.high:.3f}]")
        return AgainstClassical(size, found.ratio, found.low, found.high)


def fast(machine: Machine, scheme: str, levels: int) -> Schedule:
    """The first kernel of the scheme: recursion at every size that is timed."""
    from harness.schedule.space import recursive_space

    space = recursive_space(machine, 1, (scheme,), (Shape(4096, 4096, 4096),))
    return space.build(space.choices_of(space.base) | {"levels": levels, "cutoff": 256})


def largest_error(inspection: Inspection, shared: SharedTools) -> float:
    """See SchemeRow; the products run in the sandbox."""
    from harness.judge.worker.calls import Placement, Ran, WorkerLimits
    from harness.judge.worker.client import Capacity, Worker

    shape, rng, worst = Shape(ERROR_SIZE, ERROR_SIZE, ERROR_SIZE), np.random.default_rng(1), 0.0
    limits = WorkerLimits(memory_bytes=2 << 30, cores=shared.machine.cores[:1], threads=1)
    program = inspection.as_rival().program
    with Worker(shared.tools.host, program, limits, Capacity.of((shape,))) as worker:
        slots = worker.slots((shape,), Placement.RIGHT)
        for _ in range(ERROR_PRODUCTS):
            a, b = (
                rng.uniform(-1, 1, side).astype(np.float32) for side in (slots[0].a.shape, slots[0].b.shape)
            )
            slots[0].a[:], slots[0].b[:] = a, b
            ran = worker.run(slots, at=At(Gate.VALUES), limit_s=60.0)
            if not isinstance(ran, Ran):
                raise HarnessFaultError(f"{inspection.candidate.name}: {describe(ran)}")
            error = np.abs(slots[0].c - a.astype(np.float64) @ b.astype(np.float64)).max()
            worst = max(worst, float(error / (np.abs(a).max() * np.abs(b).max())))
    return worst / (shape.k * UNIT_ROUNDOFF)


def report(rows: Sequence[SchemeRow], classical_error: float, sizes: Sequence[int], machine: str) -> str:
    """The Markdown page."""
    head = [
        "scheme",
        "levels",
        "products",
        "saving",
        "coefficients",
        "growth",
        "error",
        *map(str, sizes),
        "faster from",
    ]
    lines = [
        "# Fast schemes against the classical kernel",
        "",
        "`python -m harness.studies.fast_schemes`, one thread. t_classical / t_fast for square products, both kernels",
        "with the blocks of the analytical model, in one session; ~ marks an interval that reaches 1. Error: largest",
        f"error of an element against f64 at {ERROR_SIZE}³, over k·u·max|A|·max|B|; that of the classical kernel is",
        f"{classical_error:.4f}.",
        "",
        f"Machine: {machine}",
        "",
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
    ]
    for row in rows:
        marks = [f"{'' if one.low > 1 or one.high < 1 else '~'}{one.ratio:.3f}" for one in row.ratios]
        cells = [row.scheme, str(row.levels), str(row.products), f"{row.saving:.3f}", str(row.nonzero)]
        cells += [f"{row.growth:.0f}", f"{row.error:.4f}", *marks, str(row.crossover or "–")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Run the study; returns 0, or 2 after one line about bad input."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.fast_schemes", description=__doc__)
    parser.add_argument(
        "--scheme",
        action="append",
        metavar="NAME:LEVELS",
        help="may be repeated (default: strassen with 1, 2 and 3 levels, winograd, hopcroft_kerr_3x2x3, laderman, and "
        "the schemes found on this machine, with 1)",
    )
    parser.add_argument("--size", action="append", type=int, help=f"may be repeated (default: {SIZES})")
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="folder (default: results)")
    asked = parser.parse_args(argv)
    try:
        _study(asked)
    except UserError as error:
        print(f"error: {error}")
        return 2
    return 0


def _study(asked: argparse.Namespace) -> None:
    wanted = [_named(text) for text in asked.scheme or default_schemes()]
    sizes = tuple(asked.size or SIZES)
    settings = Settings(
        root=ROOT,
        cache=default_cache(),
        results=asked.out / "local",
        memory="",
        profile=Profile.QUICK,
    )
    shared = SharedTools(settings, print)
    _write(asked.out, shared, sizes, wanted)


def default_schemes() -> list[str]:
    """Those of --help."""
    from harness.schedule.bilinear import schemes

    fixed = [f"strassen:{levels}" for levels in (1, 2, 3)]
    fixed += [f"{name}:1" for name in ("winograd", "hopcroft_kerr_3x2x3", "laderman")]
    found = (name for name in schemes.discovered() if not name.endswith(schemes.CHEAP))
    return [*fixed, *(f"{name}:1" for name in found)]


def _named(text: str) -> tuple[str, int]:
    """The scheme and the levels of NAME:LEVELS; raises UserError for a name that is not known, and for bad levels."""
    from harness.schedule.bilinear import schemes

    name, _, levels = text.partition(":")
    if (levels or "1") not in ("1", "2", "3"):
        raise UserError(f"--scheme {text}: levels are 1, 2 or 3, as in strassen:2")
    schemes.named(name)
    return name, int(levels or 1)


def _write(out: Path, shared: SharedTools, sizes: Sequence[int], wanted: Sequence[tuple[str, int]]) -> None:
    from harness.schedule.analytical import first
    from harness.schedule.render import render

    classical = judged("classical", render(first(shared.machine), "classical"), shared)
    contest = Contest(shared, classical, sizes)
    own = largest_error(classical, shared)
    machine = f"{shared.machine.cpu}, {shared.machine.vector}"
    rows: list[SchemeRow] = []
    for name, levels in wanted:
        rows.append(contest.row(name, levels))
        data: JsonObject = {"machine": machine, "classical_error": own, "rows": [asdict(row) for row in rows]}
        write_whole(out / "fast-schemes.json", json.dumps(data, indent=1) + "\n")
        write_whole(out / "fast-schemes.md", report(rows, own, sizes, machine))


if __name__ == "__main__":
    raise SystemExit(main())
