"""Asks a model to repair faulty kernels and to write kernels from outlines, and judges the answers.

The prompt is the Coder's; for a repair it has the judge's own evidence. Every answer goes through the gates in the
sandbox; kernels that pass are timed briefly in the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.candidate import Candidate, Manifest
from harness.errors import UserError
from harness.minds.protocol import Answer, LanguageMind, NoAnswerError, Question
from harness.pipeline import Inspection, SharedTools
from harness.roundtable.agents import coding, prompt
from harness.roundtable.agents.rust_answer import NoKernelError
from harness.roundtable.conversation.interfaces import RenderedKernel
from harness.roundtable.conversation.messages import WHOLE_FILE, CodeRequest, Failed, ProposalSlot
from harness.roundtable.runlog import codec
from harness.roundtable.screening import Screening
from harness.trials.tasks import RepairTask, WritingTask, correct_kernels
from harness.verdict import Gate, Rejection

# The kind of a task that is no repair; that of a repair is the gate that found its fault.
WRITE = "write"
# What became of an answer that passed every gate before the clock, of one without a kernel, and of one that is the
# template again.
PASSED, NO_KERNEL, COPY = "passed", "no kernel", "copy"
# Tokens of an answer, at most: the largest kernel has about 700.
_ANSWER_TOKENS = 1536


@dataclass(frozen=True, slots=True)
class Attempted:
    """What became of one task. `kind`: WRITE, or the gate that found the fault; `ended`: PASSED, NO_KERNEL, COPY, or
    the gate that refused the answer; then whether it compiled, the answer's seconds and tokens, and the ratio to BLAS
    by brief timings, None when it was not timed.
    """

    task: str
    kind: str
    ended: str
    compiled: bool
    seconds: float
    tokens: int
    ratio: float | None = None
    source: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer passed every gate before the clock."""
        return self.ended == PASSED


class CodingTrial:
    """One model and the judge."""

    def __init__(self, mind: LanguageMind, shared: SharedTools, limit_s: float, seed: int) -> None:
        self.mind, self.shared = mind, shared
        self.limit_s, self.seed = limit_s, seed

    async def attempt(self, task: RepairTask | WritingTask) -> Attempted:
        """Ask about one task and judge the answer. Raises UserError when the judge does not find a repair's fault."""
        if isinstance(task, RepairTask):
            kind, base = str(task.gate), task.source
            request = _request(f"{task.kernel}: a simple kernel in safe Rust", self._refused(task))
        else:
            kind, base = WRITE, task.template
            request = _request(task.algorithm, None)
        answer = await self._ask(request, task.name, base)
        if answer is None:
            return Attempted(task.name, kind, NO_KERNEL, False, self.limit_s, 0)
        told = Attempted(task.name, kind, NO_KERNEL, False, round(answer.duration_s, 2), answer.answer_tokens)
        try:
            source = coding.source_of(answer.text, base, None, answer.finish == "length")
        except NoKernelError:
            return told
        if kind == WRITE and any(source.split() == known.split() for known in correct_kernels().values()):
            return replace(told, ended=COPY)
        left = self.judged(f"{task.name}-answer", source)
        if left is None:
            return replace(told, ended=PASSED, compiled=True, source=source)
        gate = left.at.gate
        return replace(told, ended=str(gate), compiled=gate not in (Gate.POLICY, Gate.COMPILE))

    def _refused(self, task: RepairTask) -> Failed:
        refused = self.judged(task.name, task.source)
        if refused is None or refused.at.gate is not task.gate:
            raise UserError(
                f"{task.name}: the judge should have rejected this kernel at the gate {task.gate}"
            )
        return Failed(candidate=task.name, source=task.source, verdict=codec.to_plain(refused))

    async def _ask(self, request: CodeRequest, name: str, base: str) -> Answer | None:
        mind = self.mind
        system = coding.system_text(self.shared.machine, 1, self.shared.tools.toolchain.fingerprint)
        parts = coding.question_parts(request, base, None)
        room = min(_ANSWER_TOKENS, mind.context_tokens // 2)
        fitted = prompt.fit(parts, lambda text: mind.count(system, text), mind.context_tokens - room)
        seed = int.from_bytes(hashlib.sha256(f"{self.seed}/{name}".encode()).digest()[:4], "big") >> 1
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


def _request(algorithm: str, failed: Failed | None) -> CodeRequest:
    return CodeRequest(
        turn=ProposalSlot(generation=1, slot=0),
        attempt=0,
        proposal={"algorithm": algorithm},
        parents=[],
        model="",
        prompt_hash="",
        coding=WHOLE_FILE,
        failed=failed,
    )


def timed(attempts: Sequence[Attempted], shared: SharedTools) -> list[Attempted]:
    """The attempts with the ratio to BLAS of every kernel that passed, by brief timings."""
    passed = [one for one in attempts if one.passed and one.ratio is None]
    kernels = [RenderedKernel(one.source, coding.tier(one.source), None) for one in passed]
    ratios = Screening(shared)(kernels) if kernels else []
    found = {one.task: ratio for one, ratio in zip(passed, ratios, strict=True)}
    return [replace(one, ratio=found.get(one.task, one.ratio)) for one in attempts]
