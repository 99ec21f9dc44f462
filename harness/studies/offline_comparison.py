"""Compares minds on a measured table: `python -m harness.studies.compare_minds --table FILE`. See offline_minds.py.

Every finished run is a line of minds-offline.jsonl; the next call goes on with those that are missing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.durable import JsonLines, JsonObject, read_lines
from harness.errors import UserError
from harness.minds.adapter import AdapterManifest, fitting, read_manifest
from harness.minds.catalogue import packaged_smollm2
from harness.minds.histograms import HistogramTuner
from harness.minds.measured_table import MeasuredTable, read_table
from harness.minds.tuner import BuiltinTuner
from harness.studies.offline_minds import (
    PROPOSALS,
    AnalyticalArm,
    LetterArm,
    OfflineArm,
    OfflineRun,
    RandomArm,
    TableWorld,
    TunerArm,
    TurnsArm,
    run_arm,
    training_trials,
    world_of,
)

RUNS = "minds-offline.jsonl"
RANDOM, HISTOGRAMS, WARM, TUNER = (
    "random schedules",
    "histograms",
    "histograms of the training rows",
    "tuner",
)
RAW, TRAINED, CONTROL, TURNS = (
    "smollm2",
    "smollm2, trained",
    "smollm2, trained on shuffled ratios",
    "smollm2, trained, and tuner in turns",
)
ANALYTICAL = "analytical model and its neighbours"
# Bootstrap draws for the interval of a difference.
_DRAWS = 4000


@dataclass(frozen=True, slots=True)
class OfflinePlan:
    """What to compare: the suite that is left out of training, and the adapters, where there are any."""

    table: Path
    suite: str
    judged: int
    seeds: int
    adapter: Path | None
    control: Path | None
    results: Path


def arms(world: TableWorld, plan: OfflinePlan, suites: Sequence[str]) -> dict[str, OfflineArm]:
    """The arms by name. The histograms of the training rows get what the trained model gets: other suites' ratios."""
    lane = world.lane
    warm = training_trials(world, suites)

    def tuner(seed: int) -> BuiltinTuner:
        return BuiltinTuner([lane], seed)

    def histograms(seed: int) -> HistogramTuner:
        return HistogramTuner([lane], seed)

    found: dict[str, OfflineArm] = {
        RANDOM: RandomArm(lane),
        ANALYTICAL: AnalyticalArm(lane),
        HISTOGRAMS: TunerArm(histograms),
        WARM: TunerArm(histograms, warm),
        TUNER: TunerArm(tuner),
    }
    try:
        model = packaged_smollm2()
    except UserError:
        return found
    found[RAW] = LetterArm(world, model, None)
    if plan.adapter is not None:
        trained = LetterArm(world, model, fitting(plan.adapter, model))
        found |= {TRAINED: trained, TURNS: TurnsArm(trained, TunerArm(tuner))}
    if plan.control is not None:
        found[CONTROL] = LetterArm(world, model, fitting(plan.control, model))
    return found


def compare(plan: OfflinePlan, say: Callable[[str], None]) -> Iterator[tuple[list[OfflineRun], JsonObject]]:
    """Run what is missing. Yields all runs of this plan so far with facts about table and split: first when all arms
    that compute are done, then after each seed of the language models, which take much longer.
    """
    if plan.seeds < 2 or plan.judged < 1:
        raise UserError("--seeds takes 2 or more, --judged 1 or more")
    table = read_table(plan.table)
    known = table.sessions[-1].suites if table.sessions else {}
    if plan.suite not in known:
        raise UserError(f"--left-out {plan.suite}: the table has {', '.join(known) or 'no suite'}")
    world = world_of(table, table.sessions[-1].fingerprint, plan.suite)
    others = [suite for suite in known if suite != plan.suite]
    adapters = _adapters(plan, world)
    found = arms(world, plan, others)
    told = facts(table, world, plan, others) | adapters
    about = {"rows": len(world.rows), "judged": plan.judged, "suite": plan.suite}
    done = {(one.arm, one.seed): one for one in _read(plan.results / RUNS, about)}

    def so_far() -> tuple[list[OfflineRun], JsonObject]:
        seeds = range(1, plan.seeds + 1)
        return [done[name, seed] for name in found for seed in seeds if (name, seed) in done], told

    def run(names: Sequence[str], seed: int) -> None:
        for name in names:
            if (name, seed) not in done:
                one = run_arm(name, found[name], world, plan.judged, seed)
                lines.append(about | asdict(one))
                done[name, seed] = one
                say(f"{plan.suite}, seed {seed}, {name}: regret {100 * one.regret:.1f} %")

    slow = [name for name, arm in found.items() if isinstance(arm, LetterArm | TurnsArm)]
    with JsonLines(plan.results / RUNS) as lines:
        for seed in range(1, plan.seeds + 1):
            run([name for name in found if name not in slow], seed)
        yield so_far()
        for seed in range(1, plan.seeds + 1) if slow else ():
            run(slow, seed)
            yield so_far()


def _read(path: Path, about: JsonObject) -> list[OfflineRun]:
    found = []
    for line in read_lines(path) if path.exists() else []:
        if all(line.get(key) == value for key, value in about.items()):
            try:
                found.append(
                    OfflineRun(
                        str(line["arm"]),
                        str(line["suite"]),
                        int(line["seed"]),
                        tuple(line["ratios"]),
                        tuple(line["distances"]),
                        float(line["regret"]),
                    )
                )
            except (KeyError, TypeError, ValueError):
                raise UserError(f"{path}: not of this version; move it away") from None
    return found


def _adapters(plan: OfflinePlan, world: TableWorld) -> JsonObject:
    """What the adapters learned, for the facts. Raises UserError when one has learned schedules of the environment."""
    named = {"trained adapter": plan.adapter, "control, on shuffled ratios": plan.control}
    known = {schedule.key() for schedule, _ in world.rows}
    told: JsonObject = {}
    for name, folder in named.items():
        if folder is None:
            continue
        manifest = read_manifest(folder)
        if learned := known & set(manifest.keys):
            raise UserError(
                f"{folder}: learned from {len(learned)} schedules of the environment; train it with --half and "
                "--without-runs"
            )
        told[name] = _learned(manifest)
    return told


def _learned(manifest: AdapterManifest) -> str:
    text = f"{len(manifest.keys)} schedules, {manifest.steps} steps"
    if manifest.loss_before is not None and manifest.loss_after is not None:
        text += f", validation loss {manifest.loss_before:.3f} to {manifest.loss_after:.3f} nats per letter"
    return f"{text}, {manifest.distinct_of_50} of 50 draws different"


def facts(table: MeasuredTable, world: TableWorld, plan: OfflinePlan, others: Sequence[str]) -> JsonObject:
    """What a reader needs to judge the comparison."""
    from harness.learning.samples import keys_hash

    machines = {row.machine for row in table.rows()}
    return {
        "machine": f"{world.machine.description}, {world.machine.fingerprint}",
        "left out of training": f"suite {plan.suite} ({', '.join(world.shapes)}); trained on {', '.join(others)}",
        "rows": f"{len(world.rows)} in the environment, {len(world.rest)} to train on, of "
        f"{world.lane.base.family} {world.lane.base.isa}",
        "split": f"by key, {keys_hash(schedule.key() for schedule, _ in world.rows)}",
        "noise of one reading": f"{100 * world.noise:.1f} %; a regret within it counts as none",
        "best row": f"{world.best:.3f}",
        "judged per run": plan.judged,
        "seeds": plan.seeds,
        "proposals for one row": PROPOSALS,
        "other machines": "none in the table, so leaving a machine out was not possible"
        if len(machines) == 1
        else f"{len(machines)} machines",
    }


def rows_of(runs: Sequence[OfflineRun]) -> list[list[str]]:
    """One row per arm: mean regret, its standard error, the difference to random with an interval, and distance."""
    by_arm: dict[str, dict[int, OfflineRun]] = {}
    for run in runs:
        by_arm.setdefault(run.arm, {})[run.seed] = run
    reference = by_arm[RANDOM]
    # One run says nothing about the spread.
    intervals = {
        name: difference(own, reference) for name, own in by_arm.items() if name != RANDOM and len(own) > 1
    }
    adjusted = holm({name: found[3] for name, found in intervals.items()})
    rows = []
    for name, own in by_arm.items():
        regrets = [100 * run.regret for run in own.values()]
        error = statistics.stdev(regrets) / math.sqrt(len(regrets)) if len(regrets) > 1 else 0.0
        told = "-"
        if name in intervals:
            mean, low, high, _ = intervals[name]
            told = f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        distance = statistics.mean(d for run in own.values() for d in run.distances)
        p = _p_text(adjusted[name]) if name in adjusted else "-"
        rows.append(
            [name, str(len(own)), f"{statistics.mean(regrets):.1f} ± {error:.1f}", told, p, f"{distance:.1f}"]
        )
    return rows


def _p_text(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def difference(
    own: Mapping[int, OfflineRun], reference: Mapping[int, OfflineRun]
) -> tuple[float, float, float, float]:
    """The mean difference of regrets over common seeds, its 95 % bootstrap interval, and a two-sided p-value (the share
    of bootstrap means on the other side of zero, doubled).
    """
    values = np.array([own[seed].regret - reference[seed].regret for seed in own if seed in reference])
    rng = np.random.default_rng(1)
    means = rng.choice(values, (_DRAWS, len(values))).mean(axis=1)
    beyond = min(float((means >= 0).mean()), float((means <= 0).mean()))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high), min(1.0, 2 * beyond)


def holm(values: Mapping[str, float]) -> dict[str, float]:
    """p-values adjusted for the number of comparisons (Holm 1979)."""
    found, highest = {}, 0.0
    for rank, (name, value) in enumerate(sorted(values.items(), key=lambda pair: pair[1])):
        highest = max(highest, min(1.0, value * (len(values) - rank)))
        found[name] = highest
    return found


def offline_page(parts: Mapping[str, JsonObject]) -> str:
    """The offline part of results/minds.md: for each suite that was left out, the rows and the facts of its record."""
    from tabulate import tabulate

    head = ["mind", "seeds", "regret, %", "difference to random [95 %]", "p, Holm", "distance"]
    texts = [
        "## On a measured table\n\n"
        "Minds on the schedules of schedule-table.jsonl, of which half are the environment and half may be trained on. "
        "regret: how far the best row that a mind found is below the best row of the environment, in percent, mean and "
        "standard error over seeds, each with another four fifths of the environment; below the noise of one reading "
        "it counts as zero. difference to random: points of regret, bootstrapped over seeds; negative is better. p: "
        "two-sided, adjusted for the number of arms. distance: from what was proposed to the row that stood for it (1 "
        "is one knob changed, or a size doubled). Nothing was judged anew: this is an offline comparison and no claim "
        "about kernels.\n"
    ]
    for suite, part in parts.items():
        table = tabulate(part["rows"], headers=head, tablefmt="github", disable_numparse=True)
        lines = "".join(f"- {name}: {value}\n" for name, value in part["facts"].items())
        texts.append(f"### Suite left out of training: {suite}\n\n{table}\n\n{lines}")
    return "\n".join(texts)
