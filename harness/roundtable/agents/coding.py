"""The Coder's questions to a language model: a whole file, one region, or the repair of a rejected kernel."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from harness.candidate import MAX_SOURCE_BYTES, Tier
from harness.errors import UserError
from harness.machine import Machine
from harness.minds.protocol import LanguageMind, NoAnswerError
from harness.operation.operations import MATMUL, OPERATIONS, Operation
from harness.roundtable.agents import prompt, regions, rust_answer, thinking
from harness.roundtable.agents.prompt import Part, quote
from harness.roundtable.agents.rust_answer import NoKernelError
from harness.roundtable.agents.table import Table
from harness.roundtable.conversation.messages import WHOLE_FILE, CodeRequest, Failed
from harness.roundtable.runlog import codec, transcript
from harness.verdict import CompileError, PolicyViolation, Verdict, Wrong, describe

ANSWER_TOKENS = 6144
_JUDGE_CHARACTERS = 3000


@dataclass(frozen=True, slots=True)
class WrittenKernel:
    """A kernel and its origin: "template", "whole file" or the name of the region that was written freely."""

    source: str
    how: str
    model: str
    prompt_hash: str


async def write(table: Table, mind: LanguageMind | None, message: CodeRequest, where: str) -> WrittenKernel:
    """Free code for a proposal, or the repair of a rejected kernel.

    Raises NoKernelError when the answer contains no usable Rust, UserError when the model cannot be queried.
    """
    base = message.failed.source if message.failed else _template(table, message)
    operation = OPERATIONS[table.settings.operation]
    region = (
        message.coding
        if message.coding in regions.REGIONS and regions.members(base, message.coding)
        else None
    )
    if table.replay is not None:
        recorded = table.replay.answer(where)
        if recorded is None:
            raise NoKernelError(f"the transcript holds no answer for {where}")
        answer, model, hashed = recorded
        text, cut_off = answer.text, answer.finish == "length"
    else:
        assert mind is not None
        system = system_text(table.machine, table.threads, table.toolchain, region, operation)
        try:
            asked = await thinking.ask(
                table, mind, where, system, question_parts(message, base, region), ANSWER_TOKENS
            )
        except prompt.ContextTooSmallError as error:
            # A proposal that this model cannot code loses its free code; the run goes on.
            raise NoKernelError(str(error)) from None
        except NoAnswerError as error:
            raise NoKernelError(str(error)) from None
        text, cut_off, model = asked.text, asked.cut_off, mind.name
        hashed = transcript.prompt_hash(system, asked.prompt)
    source = source_of(text, base, region, cut_off, operation)
    return WrittenKernel(source, region or WHOLE_FILE, model, hashed)


def source_of(text: str, base: str, region: str | None, cut_off: bool, operation: Operation = MATMUL) -> str:
    """The kernel of an answer: a whole file, or `base` with the region replaced. Raises NoKernelError without one."""
    try:
        source = regions.replace(base, region, text) if region else rust_answer.whole_file(text, operation)
    except NoKernelError as error:
        raise NoKernelError(
            f"{error} (the answer was cut off at its token limit)" if cut_off else str(error)
        ) from None
    if len(source.encode()) > MAX_SOURCE_BYTES:
        raise NoKernelError("the kernel is larger than 1 MiB")
    return source


def _template(table: Table, message: CodeRequest) -> str:
    try:
        return table.schedules.render(message.proposal)
    except UserError as error:
        raise NoKernelError(f"no template to start from: {error}") from None


def question_parts(message: CodeRequest, base: str, region: str | None) -> list[Part]:
    """The parts of the Coder's prompt; `base` is the template or the rejected kernel."""
    proposal = json.dumps(message.proposal, ensure_ascii=False)
    names = ", ".join(f"`{fn.name}`" for fn in regions.members(base, region)) if region else ""
    task = (
        prompt.load("coder_region", region=region, functions=names) if region else prompt.load("coder_whole")
    )
    complaints = "\n".join(f"- {reason}" for reason in message.complaints[-3:])
    parts = [
        Part("proposal", "The proposal:\n" + quote("proposal", proposal), 4),
        Part(
            "facts",
            "Proved about it:\n" + quote("facts", "\n".join(message.facts)) if message.facts else "",
            5,
        ),
    ]
    if region:
        rest = "The whole kernel, for reference:\n" + quote("kernel", base, MAX_SOURCE_BYTES)
        parts += [Part("kernel", rest, 6, whole=True)]
        parts += [
            Part(
                "region",
                f"The {region}:\n" + quote("region", regions.text(base, region), MAX_SOURCE_BYTES),
                0,
            )
        ]
    else:
        name = "rejected kernel" if message.failed else "template"
        must = 0 if message.failed else 3
        parts += [Part(name, quote(name, base, MAX_SOURCE_BYTES), must, whole=True)]
    if message.failed:
        parts += [
            Part("judge", quote("judge", evidence(message.failed), _JUDGE_CHARACTERS), 1),
            _repair(message.failed),
        ]
    if complaints:
        parts += [Part("complaints", "Your earlier answers could not be used:\n" + complaints, 2)]
    return [*parts, Part("task", task, 0)]


def _repair(failed: Failed) -> Part:
    verdict = codec.from_plain(failed.verdict)
    gate = getattr(getattr(verdict, "at", None), "gate", "?")
    return Part("repair", prompt.load("coder_repair", gate=gate, verdict=type(verdict).__name__), 0)


def evidence(failed: Failed) -> str:
    """The judge's evidence against a kernel: diagnostics, the violated rule, or the first wrong element."""
    verdict: Verdict = codec.from_plain(failed.verdict)
    match verdict:
        case CompileError(diagnostics=diagnostics):
            return diagnostics
        case PolicyViolation(line=line) if line and line <= failed.source.count("\n") + 1:
            return f"{describe(verdict)}\n{failed.source.splitlines()[line - 1]}"
        case Wrong():
            return f"{describe(verdict)}\nRows and columns count from 0; the shape is m x k x n."
    return describe(verdict)


def tier(source: str) -> Tier:
    """ "safe" for free code without the word `unsafe`, which rustc then compiles under forbid(unsafe_code)."""
    return "unsafe" if re.search(r"\bunsafe\b", source) else "safe"


def system_text(
    machine: Machine,
    threads: int,
    toolchain: str,
    region: str | None = None,
    operation: Operation = MATMUL,
) -> str:
    """The Coder's system prompt."""
    found = re.search(r"\d+\.\d+(\.\d+)?", toolchain)
    return prompt.load(
        "coder",
        operation=operation.name.value,
        unsafe_contract=operation.contract(safe=False),
        safe_contract=operation.contract(safe=True),
        rustc=found[0] if found else "stable",
        machine=f"{machine.cpu} ({machine.vector})",
        threads=threads,
        wanted=f"only the {region}" if region else "the complete kernel.rs",
    )
