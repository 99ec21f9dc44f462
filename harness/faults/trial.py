"""The program `python -m harness.minds.try MODEL`: asks a model to repair each faulty kernel, and judges the answers.

The prompt is the Coder's, with the judge's own evidence. Every answer goes through the gates in the sandbox; repaired
kernels are timed briefly in the end. Finished tasks are lines of a file in --out, and the same call goes on after them.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.caches import default_cache
from harness.candidate import Candidate, Manifest
from harness.durable import JsonLines, JsonObject, read_lines, write_whole
from harness.errors import UserError
from harness.faults.tasks import RepairTask, repair_tasks
from harness.minds.catalogue import BUILTIN, HISTOGRAMS, open_model
from harness.minds.protocol import Answer, LanguageMind, NoAnswerError, Question
from harness.pipeline import Inspection, SharedTools
from harness.places import ROOT
from harness.roundtable.agents import coding, prompt
from harness.roundtable.agents.rust_answer import NoKernelError
from harness.roundtable.conversation.interfaces import RenderedKernel
from harness.roundtable.conversation.messages import WHOLE_FILE, CodeRequest, Failed, ProposalSlot
from harness.roundtable.runlog import codec
from harness.roundtable.screening import Screening
from harness.settings import Settings
from harness.verdict import Gate, Rejection

# Tokens of an answer, at most: the largest kernel has about 700.
_ANSWER_TOKENS = 1536


@dataclass(frozen=True, slots=True)
class Attempted:
    """What became of one task: how far the answer came ("no kernel", the gate that refused it, or "repaired"),
    whether it compiled, seconds and tokens of the answer, and the ratio to BLAS by brief timings, None when it was
    not timed.
    """

    task: str
    gate: str
    ended: str
    compiled: bool
    seconds: float
    tokens: int
    ratio: float | None = None
    source: str = ""

    @property
    def repaired(self) -> bool:
        """Whether the answer passed every gate before the clock."""
        return self.ended == "repaired"


class RepairTrial:
    """One model and the judge."""

    def __init__(self, mind: LanguageMind, shared: SharedTools, limit_s: float, seed: int) -> None:
        self.mind, self.shared = mind, shared
        self.limit_s, self.seed = limit_s, seed

    async def attempt(self, task: RepairTask) -> Attempted:
        """Judge the faulty kernel, ask for a repair, and judge that. Raises UserError when the fault is not found."""
        refused = self.judged(task.name, task.source)
        if refused is None or refused.at.gate is not task.gate:
            raise UserError(
                f"{task.name}: the judge should have rejected this kernel at the gate {task.gate}"
            )
        failed = Failed(candidate=task.name, source=task.source, verdict=codec.to_plain(refused))
        answer = await self._ask(failed, task)
        if answer is None:
            return Attempted(task.name, str(task.gate), "no kernel", False, self.limit_s, 0)
        told = Attempted(
            task.name, str(task.gate), "no kernel", False, round(answer.duration_s, 2), answer.answer_tokens
        )
        try:
            source = coding.source_of(answer.text, task.source, None, answer.finish == "length")
        except NoKernelError:
            return told
        left = self.judged(f"{task.name}-repaired", source)
        if left is None:
            return replace(told, ended="repaired", compiled=True, source=source)
        gate = left.at.gate
        return replace(told, ended=str(gate), compiled=gate not in (Gate.POLICY, Gate.COMPILE))

    async def _ask(self, failed: Failed, task: RepairTask) -> Answer | None:
        mind = self.mind
        system = coding.system_text(self.shared.machine, 1, self.shared.tools.toolchain.fingerprint)
        request = CodeRequest(
            turn=ProposalSlot(generation=1, slot=0),
            attempt=0,
            proposal={"algorithm": f"{task.kernel}: a simple kernel in safe Rust"},
            parents=[],
            model="",
            prompt_hash="",
            coding=WHOLE_FILE,
            failed=failed,
        )
        parts = coding.question_parts(request, task.source, None)
        room = min(_ANSWER_TOKENS, mind.context_tokens // 2)
        fitted = prompt.fit(parts, lambda text: mind.count(system, text), mind.context_tokens - room)
        seed = int.from_bytes(hashlib.sha256(f"{self.seed}/{task.name}".encode()).digest()[:4], "big") >> 1
        question = Question(system, fitted.text, seed, room, limit_s=self.limit_s)
        try:
            return await mind.ask(question, lambda tokens: None)
        except NoAnswerError:
            return None

    def judged(self, name: str, source: str) -> Rejection | None:
        """The rejection of a kernel by a gate before the clock; None when it passes all of them."""
        manifest = Manifest(threads=1, tier=coding.tier(source))
        inspection = Inspection(Candidate(name, self.shared.settings.results, source, manifest), self.shared)
        inspection.through(Gate.CONDUCT)
        return inspection.rejection


def timed(attempts: Sequence[Attempted], shared: SharedTools) -> list[Attempted]:
    """The attempts with the ratio to BLAS of every repaired kernel, by brief timings."""
    repaired = [one for one in attempts if one.repaired and one.ratio is None]
    kernels = [RenderedKernel(one.source, coding.tier(one.source), None) for one in repaired]
    ratios = Screening(shared)(kernels) if kernels else []
    found = {one.task: ratio for one, ratio in zip(repaired, ratios, strict=True)}
    return [replace(one, ratio=found.get(one.task, one.ratio)) for one in attempts]


def report(model: str, attempts: Sequence[Attempted], facts: JsonObject) -> str:
    """The result as Markdown: rates by gate, then every task."""
    from tabulate import tabulate

    head = ["fault found by", "tasks", "answers with a kernel", "compiled", "repaired", "seconds, median"]
    gates = list(dict.fromkeys(one.gate for one in attempts))
    rows = [_rates(gate, [one for one in attempts if one.gate == gate]) for gate in gates]
    rows.append(_rates("all", attempts))
    every = [
        [
            one.task,
            one.gate,
            one.ended if one.repaired or one.ended == "no kernel" else f"rejected by {one.ended}",
            f"{one.ratio:.3f}" if one.ratio is not None else "-",
            f"{one.seconds:.0f}",
            str(one.tokens),
        ]
        for one in attempts
    ]
    return (
        f"# What {model} can repair\n\n"
        "Kernels with one fault each, and the judge's evidence, as the Coder gets them; one answer per kernel. "
        "compiled: the answer passed policy and rustc. repaired: it passed every gate before the clock. ratio: "
        "t(BLAS) / t(kernel) over the default suite by brief timings.\n\n"
        + tabulate(rows, headers=head, tablefmt="github", disable_numparse=True)
        + "\n\n"
        + tabulate(
            every,
            headers=["task", "fault found by", "the answer", "ratio", "seconds", "tokens"],
            tablefmt="github",
            disable_numparse=True,
        )
        + "\n\n"
        + "".join(f"- {name}: {value}\n" for name, value in facts.items())
        + "\nMade by `python -m harness.minds.try`.\n"
    )


def _rates(name: str, attempts: Sequence[Attempted]) -> list[str]:
    def share(count: int) -> str:
        return f"{count} ({100 * count / len(attempts):.0f} %)"

    return [
        name,
        str(len(attempts)),
        share(sum(one.ended != "no kernel" for one in attempts)),
        share(sum(one.compiled for one in attempts)),
        share(sum(one.repaired for one in attempts)),
        f"{statistics.median(one.seconds for one in attempts):.0f}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try a model; returns 0, 2 after one line about bad input, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.minds.try",
        description="Shows what a model can repair: asks it about kernels with one fault each.",
    )
    parser.add_argument("model", help="smollm2, a .gguf file, hf:REPO:FILE, or a server's URL")
    parser.add_argument("--tasks", type=int, default=0, help="the first N tasks of each gate (default: all)")
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


def chosen(count: int) -> list[RepairTask]:
    """The first `count` tasks of each gate; all of them for 0."""
    seen: dict[Gate, int] = {}
    found = []
    for task in repair_tasks():
        seen[task.gate] = seen.get(task.gate, 0) + 1
        if not count or seen[task.gate] <= count:
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
        _all(RepairTrial(mind, shared, parsed.limit, parsed.seed), about, parsed, out, say)
    )
    attempts = timed(attempts, shared)
    facts = {"machine": shared.machine.description, **about}
    write_whole(out / "attempts.md", report(mind.name, attempts, facts), make_folder=True)
    say(report(mind.name, attempts, facts).split("\n\n")[2])
    say(f"every task: {out / 'attempts.md'}")


async def _all(
    trial: RepairTrial, about: JsonObject, parsed: argparse.Namespace, out: Path, say: Callable[[str], None]
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
