"""Repair and writing tasks: each fault is rejected by its gate, the kernels they were made from are correct, and
answers count as far as they come.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.minds.protocol import Answer, NoAnswerError, Question
from harness.pipeline import SharedTools
from harness.settings import AnswerProtocol, Settings
from harness.trials.command import chosen, main
from harness.trials.report import report
from harness.trials.tasks import RepairTask, WritingTask, correct_kernels, repair_tasks, writing_tasks
from harness.trials.trial import COPY, NO_KERNEL, PASSED, WRITE, Attempted, CodingTrial
from harness.verdict import Gate
from tests.conftest import ROOT, ROWS

TASKS = {task.name: task for task in repair_tasks()}


class ScriptedMind:
    """Answers every question in the same way."""

    name, model_hash, context_tokens, protocol = "scripted", "0", 8192, AnswerProtocol.FULL

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.asked: list[Question] = []

    def count(self, system: str, user: str) -> int:
        return len(system + user) // 3

    async def ask(self, question: Question, progress: Any) -> Answer:
        self.asked.append(question)
        if self.text is None:
            raise NoAnswerError("nothing")
        return Answer(self.text, 1, 7, "stop", 1.5)

    async def close(self) -> None: ...


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SharedTools:
    from harness.caches import default_cache

    settings = Settings(
        root=ROOT, cache=default_cache(), results=tmp_path_factory.mktemp("results"), memory="", seed=1
    )
    return SharedTools(settings, lambda line: None)


def attempt(
    shared: SharedTools, task: RepairTask | WritingTask, text: str | None
) -> tuple[Attempted, ScriptedMind]:
    mind = ScriptedMind(text)
    return asyncio.run(CodingTrial(mind, shared, 60, 1).attempt(task)), mind


def test_there_are_thirty_tasks_of_every_kind() -> None:
    assert len(TASKS) == len(repair_tasks()) >= 30
    assert {task.kernel for task in repair_tasks()} == set(correct_kernels())
    counts = Counter(task.gate for task in repair_tasks())
    assert {Gate.POLICY, Gate.COMPILE, Gate.SHAPES, Gate.VALUES, Gate.CONDUCT} <= set(counts)
    assert len(writing_tasks()) == 10
    assert len(chosen(1)) == len(counts) + 1
    assert chosen(0) == [*repair_tasks(), *writing_tasks()]


# Each of these takes a second; the others need seconds of examination and run with the slow tests.
QUICK = ("misspelled-variable", "prints-the-shape", "edge-columns-skipped")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in TASKS]
)
def test_a_fault_is_rejected_by_its_gate(shared: SharedTools, name: str) -> None:
    refused = CodingTrial(ScriptedMind(""), shared, 60, 1).judged(name, TASKS[name].source)
    assert refused is not None
    assert refused.at.gate is TASKS[name].gate, refused


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(correct_kernels()))
def test_the_kernels_without_a_fault_are_correct(shared: SharedTools, name: str) -> None:
    assert CodingTrial(ScriptedMind(""), shared, 60, 1).judged(name, correct_kernels()[name]) is None


@pytest.mark.slow
def test_a_right_answer_is_a_repair_and_the_question_has_the_judge_s_evidence(shared: SharedTools) -> None:
    task = TASKS["misspelled-variable"]
    told, mind = attempt(shared, task, f"Here:\n```rust\n{task.correct}```\n")
    assert told.passed
    assert told.compiled
    assert (told.tokens, told.seconds) == (7, 1.5)
    (asked,) = mind.asked
    assert "cannot find value `q`" in asked.user
    assert "smallest change" in asked.user


@pytest.mark.parametrize(
    ("text", "ended", "compiled"),
    [
        (None, "no kernel", False),
        ("I cannot do that.", "no kernel", False),
        ("```rust\npub fn matmul() -> { }\n```", "compile", False),
        (
            "```rust\npub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {}\n```",
            "shapes",
            True,
        ),
    ],
)
def test_an_answer_that_is_no_repair_counts_as_far_as_it_came(
    shared: SharedTools, text: str | None, ended: str, compiled: bool
) -> None:
    told, _ = attempt(shared, TASKS["misspelled-variable"], text)
    assert (told.ended, told.compiled, told.passed) == (ended, compiled, False)


@pytest.mark.slow
def test_a_kernel_after_an_outline_is_judged_and_the_question_has_the_outline(shared: SharedTools) -> None:
    task = next(one for one in writing_tasks() if one.name == "iterators")
    told, mind = attempt(shared, task, f"```rust\n{ROWS}```")
    assert (told.kind, told.ended, told.compiled) == (WRITE, PASSED, True)
    (asked,) = mind.asked
    assert "by chunks_exact" in asked.user
    assert "const MR: usize = 4;" in asked.user
    assert "rejected" not in asked.user


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("```rust\n" + correct_kernels()["tiles"].replace("    ", "\t") + "```", COPY),
        ("A dot product per element.", NO_KERNEL),
    ],
)
def test_an_answer_without_a_kernel_of_its_own_is_not_judged(
    shared: SharedTools, text: str, ended: str
) -> None:
    told, _ = attempt(shared, writing_tasks()[0], text)
    assert (told.ended, told.compiled, told.ratio) == (ended, False, None)


def test_the_report_counts_by_gate() -> None:
    attempts = [
        Attempted("a", "compile", "passed", True, 2.0, 9, 0.4),
        Attempted("b", "compile", "shapes", True, 4.0, 9),
        Attempted("c", "policy", "no kernel", False, 6.0, 0),
        Attempted("d", "write", "copy", False, 8.0, 9),
    ]
    lines = [[cell.strip() for cell in line.split("|")] for line in report("m", attempts, {}).splitlines()]
    found = {row[1]: row[2:] for row in lines if len(row) > 6}
    assert found["repair, found by compile"][:4] == ["2", "2 (100 %)", "2 (100 %)", "1 (50 %)"]
    assert found["all"][:5] == ["4", "2 (50 %)", "2 (50 %)", "1 (25 %)", "5"]
    assert found["a"][:3] == ["repair, found by compile", "passed", "0.400"]
    assert found["d"][:3] == ["write", "copied from the project", "-"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["builtin"], "builtin writes no code"),
        (["nonsense"], "--model nonsense: unknown"),
        (["smollm2", "--limit", "0"], "--limit more than 0"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    assert told in capsys.readouterr().out.splitlines()[-1]


def test_a_fault_that_the_judge_does_not_find_is_told(shared: SharedTools) -> None:
    task = TASKS["misspelled-variable"]
    wrong = RepairTask(task.name, task.kernel, task.correct, task.source, Gate.VALUES)
    with pytest.raises(UserError, match="should have rejected"):
        attempt(shared, wrong, None)
