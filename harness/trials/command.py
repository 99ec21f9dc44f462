"""The program `python -m harness.minds.try MODEL`: tries every task and writes the report.

Finished tasks are lines of a file in --out, and the same call goes on after them.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from harness.caches import default_cache
from harness.durable import JsonLines, JsonObject, read_lines, write_whole
from harness.errors import UserError
from harness.minds.catalogue import BUILTIN, HISTOGRAMS, open_model
from harness.pipeline import SharedTools
from harness.places import ROOT
from harness.settings import Settings
from harness.trials.report import report
from harness.trials.tasks import RepairTask, WritingTask, repair_tasks, writing_tasks
from harness.trials.trial import WRITE, Attempted, CodingTrial, timed


def main(arguments: Sequence[str] | None = None) -> int:
    """Try a model; returns 0, 2 after one line about bad input, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.minds.try",
        description="Shows what a model can repair and write: kernels with one fault each, and outlines of kernels.",
    )
    parser.add_argument("model", help="smollm2, a .gguf file, hf:REPO:FILE, or a server's URL")
    parser.add_argument("--tasks", type=int, default=0, help="the first N tasks of each kind (default: all)")
    parser.add_argument("--limit", type=float, default=120, help="seconds for one answer (default: 120)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the answers (default: 1)")
    parser.add_argument("--context", type=int, default=8192, help="context in tokens (default: 8192)")
    parser.add_argument(
        "--out", type=Path, help="folder of the result (default: results/local/try-MODEL in the checkout)"
    )
    parsed = parser.parse_args(arguments)
    try:
        _try(parsed, lambda line: print(line, flush=True))
    except UserError as error:
        print(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same call goes on with the tasks that are missing")
        return 130
    return 0


def chosen(count: int) -> list[RepairTask | WritingTask]:
    """The first `count` tasks of each kind (repairs by gate, and writing); all of them for 0."""
    seen: dict[str, int] = {}
    found: list[RepairTask | WritingTask] = []
    every: tuple[RepairTask | WritingTask, ...] = (*repair_tasks(), *writing_tasks())
    for task in every:
        kind = str(task.gate) if isinstance(task, RepairTask) else WRITE
        seen[kind] = seen.get(kind, 0) + 1
        if not count or seen[kind] <= count:
            found.append(task)
    return found


def _try(parsed: argparse.Namespace, say: Callable[[str], None]) -> None:
    if parsed.tasks < 0 or not parsed.limit > 0:
        raise UserError("--tasks takes 0 or more, --limit more than 0")
    if parsed.model in (BUILTIN, HISTOGRAMS):
        raise UserError(f"{parsed.model} writes no code; name a language model, such as smollm2")
    label = Path(parsed.model.rstrip("/")).name or "model"
    out = parsed.out or ROOT / "results" / "local" / f"try-{label}"
    settings = Settings(
        root=ROOT,
        cache=default_cache(),
        results=out,
        memory="",
        seed=parsed.seed,
        context_tokens=parsed.context,
    )
    shared = SharedTools(settings, say)
    shared.make_ready(str(out))
    mind = open_model(parsed.model, settings, say)
    about = {"model": mind.name, "hash": mind.model_hash, "seed": parsed.seed, "limit_s": parsed.limit}
    attempts = asyncio.run(
        _all(CodingTrial(mind, shared, parsed.limit, parsed.seed), about, parsed, out, say)
    )
    attempts = timed(attempts, shared)
    facts = {"machine": shared.machine.description, **about}
    write_whole(out / "attempts.md", report(mind.name, attempts, facts), make_folder=True)
    say(report(mind.name, attempts, facts).split("\n\n")[2])
    say(f"every task: {out / 'attempts.md'}")


async def _all(
    trial: CodingTrial, about: JsonObject, parsed: argparse.Namespace, out: Path, say: Callable[[str], None]
) -> list[Attempted]:
    path = out / "attempts.jsonl"
    done: dict[str, Attempted] = {}
    for line in read_lines(path) if path.exists() else []:
        if line.get("about") == about:
            done[line["attempt"]["task"]] = Attempted(**line["attempt"])
    try:
        with JsonLines(path) as lines:
            for task in chosen(parsed.tasks):
                if task.name not in done:
                    began_s = time.monotonic()
                    done[task.name] = await trial.attempt(task)
                    lines.append({"about": about, "attempt": asdict(done[task.name])})
                    say(f"{task.name}: {done[task.name].ended} ({time.monotonic() - began_s:.0f} s)")
    finally:
        await trial.mind.close()
    return [done[task.name] for task in chosen(parsed.tasks)]
