"""Proposals of small models: `python -m harness.studies.small_models` writes results/small-models.json and .md.

Each mind proposes in a whole evolution, with Proposer, Verifier and Coder as usual, from the same memory of four
kernels. Nothing is judged, so the memory stays the same and no kernel's speed is compared here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.candidate import Candidate
from harness.durable import read_lines, write_whole
from harness.errors import UserError
from harness.machine import Machine, read
from harness.memory.kernels import KernelMemory, open_memory
from harness.minds.catalogue import BUILTIN, HISTOGRAMS, SMOLLM2, open_minds
from harness.minds.tuner import BuiltinTuner
from harness.places import ROOT
from harness.roundtable.evolve import EvolutionResult, Services, evolve
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.schedule.model import Schedule
from harness.settings import AnswerProtocol, Budget, Settings
from harness.shapes import Shape
from harness.verdict import Accepted, At, Gate, HarnessError, Score, ShapeTiming, Verdict

# Ratios of the four kernels in the memory, in the order in which the tuner lists them. They are made up: what is
# measured here does not depend on how fast these kernels are.
_MADE_UP_RATIOS = (1.00, 1.02, 0.98, 1.04)
_BASELINE = "none: a study without a judge"
_SHAPE = Shape(1024, 1024, 1024)


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """The proposals of one mind.

    valid: first answers that are a schedule which the Verifier lets pass. distinct: different schedules among these.
    Seconds are wall time per answer; None for minds that compute.
    """

    mind: str
    protocol: str
    asked: int
    valid: int
    distinct: int
    first_s: float | None
    later_s: float | None
    slowest_later_s: float | None
    prompt_tokens: int | None
    answer_tokens: int | None


def filled(memory: KernelMemory, schedules: ScheduleAdapter) -> None:
    """Put the tuner's first schedules into the memory, with made-up ratios."""
    listed = BuiltinTuner(schedules.lanes(), 1).shortlist([], 1, 0, len(_MADE_UP_RATIOS))
    for number, (tuned, ratio) in enumerate(zip(listed, _MADE_UP_RATIOS, strict=True)):
        proposal = schedules.read_proposal({"algorithm": f"earlier {number}", "schedule": tuned.schedule})
        memory.record(
            _accepted(ratio),
            name=f"earlier-{number}",
            source=schedules.render(proposal),
            machine=schedules.machine,
            toolchain="",
            suite="default",
            proposal=proposal,
            schedule=tuned.schedule,
        )


def _accepted(ratio: float) -> Accepted:
    """A verdict with a made-up ratio."""
    timing = ShapeTiming(_SHAPE, 1e6 / ratio, 1e6, 1e6 / ratio, 1e6, ratio, ratio, ratio, 1.0, 1.0, 1)
    return Accepted(Score(ratio, ratio, ratio, (timing,), 1, _BASELINE, 1.0, 1.0), "unsafe")


def propose(
    model: str, protocol: AnswerProtocol, count: int, seed: int, machine: Machine, say: Callable[[str], None]
) -> ProposalRow:
    """Let one mind propose `count` kernels, and count what its first answers were worth.

    Raises UserError when the model cannot be opened.
    """
    schedules = ScheduleAdapter(machine, 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(
            root=folder,
            cache=folder / "cache",
            results=folder / "results",
            memory="",
            generate=count,
            seed=seed,
            models={"proposer": model},
            protocol=protocol,
            shortlist=1,
            budget=Budget(rejected_proposals=0),
        )
        with open_memory(str(folder / "memory")) as memory:
            filled(memory, schedules)
            services = Services(
                judge=_unjudged,
                minds=lambda seed: open_minds(settings, schedules.lanes(), say, seed),
                memory=memory,
                library=None,
                schedules=schedules,
                machine=machine,
                say=lambda line: None,
                baseline=_BASELINE,
            )
            result = asyncio.run(evolve(settings, services, "study"))
        answers = [
            line
            for line in read_lines(folder / "results" / "study" / "transcript.jsonl")
            if line["what"] == "answer"
        ]
        return _row(model, protocol, count, result, answers, _keys(folder, model, result))


def _unjudged(candidate: Candidate) -> Verdict:
    return HarnessError("not judged in this study", At(Gate.POLICY))


def _keys(folder: Path, model: str, result: EvolutionResult) -> list[str]:
    """The keys of the schedules that came from the mind itself and not from the tuner as its stand-in."""
    from harness.candidate import load

    found = []
    for one in result.candidates:
        if one.model != BUILTIN or model == BUILTIN:
            proposal = load(folder / "candidates" / one.name).manifest.proposal or {}
            found.append(Schedule.model_validate(proposal["schedule"]).key())
    return found


def _row(
    model: str,
    protocol: AnswerProtocol,
    count: int,
    result: EvolutionResult,
    answers: Sequence[dict[str, Any]],
    keys: Sequence[str],
) -> ProposalRow:
    seconds = [float(answer["duration_s"]) for answer in answers]
    later = seconds[1:]
    return ProposalRow(
        mind=model,
        protocol=str(protocol) if answers else "computes",
        asked=count,
        valid=count - result.stand_ins,
        distinct=len(set(keys)),
        first_s=seconds[0] if seconds else None,
        later_s=statistics.median(later) if later else None,
        slowest_later_s=max(later) if later else None,
        prompt_tokens=round(statistics.mean(a["prompt_tokens"] for a in answers)) if answers else None,
        answer_tokens=round(statistics.mean(a["answer_tokens"] for a in answers)) if answers else None,
    )


def table(rows: Sequence[ProposalRow]) -> str:
    """The rows as a Markdown table."""
    from tabulate import tabulate

    head = [
        "mind",
        "protocol",
        "asked",
        "valid",
        "distinct",
        "first, s",
        "later, median s",
        "later, slowest s",
    ]
    lines = [
        [
            *(row.mind, row.protocol, row.asked, row.valid, row.distinct),
            *(_number(value, 2) for value in (row.first_s, row.later_s, row.slowest_later_s)),
            *(_number(value, 0) for value in (row.prompt_tokens, row.answer_tokens)),
        ]
        for row in rows
    ]
    head += ["prompt tokens", "answer tokens"]
    return tabulate(lines, headers=head, tablefmt="github", disable_numparse=True)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def page(rows: Sequence[ProposalRow], facts: dict[str, Any]) -> str:
    """The text of results/small-models.md."""
    return (
        "# Proposals of small models\n\n"
        "Each mind proposed through the Proposer, with one attempt per proposal and four earlier kernels in memory, "
        "whose ratios are made up. valid: answers that are a new schedule which the Verifier lets pass; the protocol "
        "letters, histograms and builtin leave out what is known before they choose. distinct: different kernels among "
        "the valid ones. Seconds are wall time per answer, and tokens are means. Nothing was judged, so these figures "
        "say nothing about how fast the proposed kernels are.\n\n"
        f"{table(rows)}\n\n"
        + "".join(f"- {name}: {value}\n" for name, value in facts.items())
        + "\nMade by `python -m harness.studies.small_models`.\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; returns 0, or 2 after one line about bad input."""
    parser = argparse.ArgumentParser(prog="python -m harness.studies.small_models", description=__doc__)
    parser.add_argument("--model", default=SMOLLM2, help="smollm2 or a .gguf file (default: smollm2)")
    parser.add_argument("--proposals", type=int, default=20, help="proposals per mind (default: 20)")
    parser.add_argument(
        "--full",
        type=int,
        default=4,
        help="proposals by the protocol full, which is slow; 0 skips it (default: 4)",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of every mind (default: 1)")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "results", help="where to write (default: results)"
    )
    parsed = parser.parse_args(arguments)
    try:
        _measure(parsed)
    except UserError as error:
        print(f"error: {error}")
        return 2
    return 0


def _measure(parsed: argparse.Namespace) -> None:
    machine = read()
    said: list[str] = []
    arms = [
        (parsed.model, AnswerProtocol.LETTERS, parsed.proposals),
        (parsed.model, AnswerProtocol.LINE, parsed.proposals),
        (parsed.model, AnswerProtocol.FULL, parsed.full),
        (HISTOGRAMS, AnswerProtocol.AUTO, parsed.proposals),
        (BUILTIN, AnswerProtocol.AUTO, parsed.proposals),
    ]
    rows = []
    for model, protocol, count in arms:
        if count:
            rows.append(propose(model, protocol, count, parsed.seed, machine, said.append))
            print(rows[-1], flush=True)
    facts = {
        "machine": machine.description,
        "load average at the end": f"{os.getloadavg()[0]:.1f}",
        "models": "; ".join(dict.fromkeys(said)),
        "seed": parsed.seed,
    }
    parsed.results.mkdir(parents=True, exist_ok=True)
    write_whole(parsed.results / "small-models.md", page(rows, facts))
    record = {"facts": facts, "rows": [asdict(row) for row in rows]}
    write_whole(parsed.results / "small-models.json", json.dumps(record, indent=2) + "\n")
    print(table(rows))


if __name__ == "__main__":
    raise SystemExit(main())
