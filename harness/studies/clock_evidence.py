"""Evidence that the clock's intervals hold: repeated verdicts of one kernel, quiet and loaded, beside other methods.

    python -m harness.studies.clock_evidence [--repeats 30] [--kernel matrixmultiply] [--results results]

Each repeat is a fresh session: an A/A control, a verdict as for any candidate, and the same kernel timed in the way of
pytest-benchmark (each side separately, minimum and median) and of criterion (each side separately, linear ramp,
bootstrap of the slope). Writes clock-evidence.json and clock-evidence.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import machine as machines
from harness.caches import default_cache
from harness.clock import measure
from harness.clock.batches import Batch
from harness.clock.data import RealData
from harness.clock.session import ClockSession
from harness.compile.tools import Tools
from harness.errors import HarnessFaultError
from harness.judge.worker.calls import Program, Ran
from harness.judge.worker.limits import time_limit_s
from harness.settings import Settings
from harness.shapes import Shape
from harness.verdict import At, Gate, Inconclusive, Score, describe

SUITE = "128,512"
PAIRED = "paired (this clock)"
AS_IT_IS = "machine as it is"
BUDGET_S = 3.0
# Seconds that the other methods spend per side and shape, so that all methods cost about the same.
SIDE_S = 0.35
CRITERION_SAMPLES = 30

_LOAD = """
import os, sys
if hasattr(os, "sched_setaffinity"): os.sched_setaffinity(0, {int(sys.argv[1])})
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np
a = np.ones((700, 700), np.float32)
while os.getppid() == int(sys.argv[2]): a @ a
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One run's ratio to BLAS with the 95 % interval that the method reports."""

    ratio: float
    low: float
    high: float


def coverage(runs: Sequence[Estimate]) -> float:
    """How often one run's interval contains the median of all other runs; a 95 % interval promises 0.95."""
    ratios = np.array([run.ratio for run in runs])
    hits = 0
    for index, run in enumerate(runs):
        others = float(np.median(np.delete(ratios, index)))
        hits += run.low <= others <= run.high
    return hits / len(runs)


def summary(runs: Sequence[Estimate]) -> dict[str, float]:
    """Median, spread (robust standard deviation of the log, in percent; largest over smallest), width and coverage."""
    logs = np.log([run.ratio for run in runs])
    low, high = np.quantile(logs, [0.25, 0.75])
    return {
        "runs": len(runs),
        "median_ratio": float(np.exp(np.median(logs))),
        "spread_percent": float(100 * (high - low) / 1.349),
        "largest_over_smallest": float(np.exp(logs.max() - logs.min())),
        "median_half_width_percent": float(
            100 * np.median([math.log(run.high / run.low) / 2 for run in runs])
        ),
        "interval_contains_others_median": coverage(runs),
    }


def benchmark_way(
    candidate: Sequence[float], baseline: Sequence[float], statistic: Callable[[Any], Any]
) -> Estimate:
    """The method of pytest-benchmark: rounds of each side separately; it reports min, median and standard deviation."""
    ratio = float(statistic(baseline) / statistic(candidate))
    errors = [np.std(side, ddof=1) / math.sqrt(len(side)) / np.mean(side) for side in (candidate, baseline)]
    half = 1.96 * math.hypot(*errors)
    return Estimate(ratio, ratio * math.exp(-half), ratio * math.exp(half))


def criterion_way(
    candidate: Sequence[float], baseline: Sequence[float], rng: np.random.Generator
) -> Estimate:
    """The method of criterion: sample i has i iterations; the slope through the origin is bootstrapped for
    each side.
    """
    slopes = [_slopes(np.asarray(side), rng) for side in (candidate, baseline)]
    ratios = slopes[1] / slopes[0]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Estimate(float(np.median(ratios)), float(low), float(high))


def _slopes(
    per_iteration: np.ndarray[Any, np.dtype[np.float64]], rng: np.random.Generator
) -> np.ndarray[Any, Any]:
    iterations = np.arange(1, len(per_iteration) + 1, dtype=np.float64)
    picks = rng.integers(0, len(iterations), (1000, len(iterations)))
    x, y = iterations[picks], (iterations * per_iteration)[picks]
    return np.asarray((x * y).sum(axis=1) / (x * x).sum(axis=1))


def alone(session: ClockSession, program: Program, shape: Shape, seconds: float) -> list[float]:
    """Nanoseconds per product of one program alone in one process, wall clock, without corrections."""
    batching, rng = session.batching(shape, 1), np.random.Generator(np.random.SFC64(session.seed()))
    times: list[float] = []
    with session.launch(1)(program, [batching.layout]) as worker:
        batch = Batch(batching.layout, worker.batch(batching.layout))
        ends_s = time.perf_counter() + seconds
        while time.perf_counter() < ends_s or len(times) < CRITERION_SAMPLES:
            batch.lay(RealData.draw(rng, batching.layout, 0), rng)
            ran = worker.run(
                batch.slots, at=At(Gate.CLOCK, shape), limit_s=time_limit_s(shape, batching.count)
            )
            if not isinstance(ran, Ran):
                raise HarnessFaultError(f"{program.symbol} failed while it was timed alone")
            times.append((ran.elapsed_ns - batching.null_ns) / batching.count)
    return times[1:]


def repeat(session: ClockSession, program: Program) -> dict[str, Estimate]:
    """One repeat of every method on the same kernel, one after the other."""
    score = measure.score(program, "1", session)
    control = session.control(1)
    found = {"A/A control": Estimate(control.ratio, control.low, control.high)}
    match score:
        case Score():
            found[PAIRED] = Estimate(score.ratio, score.ratio_low, score.ratio_high)
        case Inconclusive():
            pass  # counted by its absence
        case _:
            raise HarnessFaultError(f"the kernel was rejected: {describe(score)}")
    rng = np.random.default_rng(session.seed())
    with session.alone():
        sides = [
            (alone(session, program, shape, SIDE_S), alone(session, session.baseline.program, shape, SIDE_S))
            for shape in session.suite
        ]
    found["pytest-benchmark, min"] = mean(benchmark_way(ours, theirs, np.min) for ours, theirs in sides)
    found["pytest-benchmark, median"] = mean(benchmark_way(ours, theirs, np.median) for ours, theirs in sides)
    found["criterion, slope"] = mean(criterion_way(ours, theirs, rng) for ours, theirs in sides)
    return found


def mean(shapes: Iterator[Estimate]) -> Estimate:
    """The geometric mean over shapes, with half-widths added in quadrature."""
    every = list(shapes)
    centre = float(np.mean([math.log(one.ratio) for one in every]))
    halves = [math.log(one.high / one.low) / 2 for one in every]
    half = math.hypot(*halves) / len(every)
    return Estimate(math.exp(centre), math.exp(centre - half), math.exp(centre + half))


@contextmanager
def load(core: int) -> Iterator[None]:
    """Multiply matrices on `core` in another process until the context ends."""
    with subprocess.Popen([sys.executable, "-c", _LOAD, str(core), str(os.getpid())]) as neighbour:
        try:
            time.sleep(1.0)
            yield
        finally:
            neighbour.kill()


def gather(
    settings: Settings, tools: Tools, program: Program, repeats: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Run all methods under both conditions: {condition: {method: summary}}."""
    machine = machines.read()
    results: dict[str, Any] = {}
    conditions = (AS_IT_IS, "other core loaded") if len(machine.cores) > 1 else (AS_IT_IS,)
    for condition in conditions:
        runs: dict[str, list[Estimate]] = {}
        with load(machine.cores[0]) if condition != AS_IT_IS else nullcontext():
            for index in range(repeats):
                session = ClockSession.open(settings, tools, machine, lambda line: None)
                for method, estimate in repeat(session, program).items():
                    runs.setdefault(method, []).append(estimate)
                latest = runs.get(PAIRED, [])[-1:]
                shown = "".join(f" {one.ratio:.3f} [{one.low:.3f}, {one.high:.3f}]" for one in latest)
                say(f"{condition} {index + 1}/{repeats}:{shown}")
        results[condition] = {method: summary(estimates) for method, estimates in runs.items()}
        controls = runs["A/A control"]
        alarms = sum(not one.low <= 1 <= one.high for one in controls)
        results[condition]["A/A control"]["false_alarms"] = alarms / len(controls)
        results[condition][PAIRED]["inconclusive"] = 1 - len(runs[PAIRED]) / repeats
        results[condition]["load_average"] = _load_average()
    return results


def _load_average() -> float:
    return round(os.getloadavg()[0], 2)


def table(record: dict[str, Any]) -> str:
    """The record as Markdown."""
    lines = [
        "# Do the clock's intervals hold?",
        "",
        f"{record['kernel']} against {record['baseline']} at {record['suite']}, one thread, on "
        f"{record['machine']['cpu']}, {record['machine']['cores']} cores, {record['measured']}; {record['repeats']} "
        "repeats per condition, each a fresh session and fresh processes.",
        "",
        "*Contains* is how often the 95 % interval of one run contains the median of all other runs; *spread* is the "
        "robust standard deviation of the ratio between runs. Written by `python -m harness.studies.clock_evidence`.",
    ]
    for condition, methods in record["conditions"].items():
        lines += ["", f"## {condition} (load average at the end {methods['load_average']})", ""]
        lines += ["| method | median ratio | spread | largest ÷ smallest | half-width | contains |"]
        lines += ["|---|---|---|---|---|---|"]
        for method, found in methods.items():
            if isinstance(found, dict):
                lines.append(
                    f"| {method} | {found['median_ratio']:.3f} | {found['spread_percent']:.2f} % | "
                    f"{found['largest_over_smallest']:.3f} | ±{found['median_half_width_percent']:.2f} % | "
                    f"{100 * found['interval_contains_others_median']:.0f} % |"
                )
        alarms, vague = methods["A/A control"]["false_alarms"], methods[PAIRED]["inconclusive"]
        lines += [
            "",
            f"A/A false alarms: {100 * alarms:.0f} %. Verdicts that were Inconclusive: {100 * vague:.0f} %.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write both files; about 5 s per repeat and condition."""
    from harness.clock import yardsticks
    from harness.compile import tools as built

    parser = argparse.ArgumentParser(description="Measure how far the clock's intervals can be trusted.")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--kernel", choices=yardsticks.NAMES, default="matrixmultiply")
    parser.add_argument("--results", type=Path, default=Path("results"))
    chosen = parser.parse_args()
    root = Path.cwd()
    settings = Settings(
        root, default_cache(), chosen.results, memory="", suite=SUITE, clock_budget_s=BUDGET_S
    )
    tools = built.prepare(print, sandboxed=True)
    kernel = yardsticks.one(chosen.kernel, print)
    conditions = gather(settings, tools, kernel.program, chosen.repeats, print)
    record = {
        "measured": time.strftime("%Y-%m-%d"),
        "kernel": f"{kernel.name} {kernel.version}",
        "baseline": str(ClockSession.open(settings, tools, machines.read(), print).baseline),
        "suite": SUITE,
        "repeats": chosen.repeats,
        "clock_budget_s": BUDGET_S,
        "machine": machines.read().as_record(),
        "conditions": conditions,
    }
    files = {"clock-evidence.json": json.dumps(record, indent=1) + "\n", "clock-evidence.md": table(record)}
    for name, text in files.items():
        fresh = chosen.results / f".{name}"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(chosen.results / name)
    print(table(record))


if __name__ == "__main__":
    main()
