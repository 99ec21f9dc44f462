"""A round table for tests: a fixed machine, fake judges, scripted models; memory and schedules are real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.candidate import Candidate
from harness.machine import Machine
from harness.minds.client import ClientMind
from harness.minds.protocol import Minds
from harness.minds.tuner import BuiltinTuner
from harness.roundtable.conversation.interfaces import Screen, Workers
from harness.roundtable.evolve import EvolutionResult, Services, evolve
from harness.roundtable.schedule_adapter import ScheduleAdapter
from harness.settings import Budget, Settings
from harness.shapes import Shape
from harness.verdict import Accepted, At, CompileError, Gate, Score, ShapeTiming, Verdict

AVX2 = Machine("Test CPU", "x86_64", "Linux", ("avx", "avx2", "fma"), 32 << 10, 512 << 10, 16 << 20, (0, 1))


def accepted(ratio: float) -> Accepted:
    timing = ShapeTiming(
        Shape(64, 64, 64),
        1e5 / ratio,
        1e5,
        9e4 / ratio,
        9e4,
        ratio,
        ratio * 0.98,
        ratio * 1.02,
        5.0,
        40.0,
        30,
    )
    score = Score(ratio, ratio * 0.98, ratio * 1.02, (timing,), 1, "fake BLAS", 0.99, 1.01)
    return Accepted(score, "unsafe")


def does_not_compile(message: str = "cannot find value `kc` in this scope") -> CompileError:
    return CompileError(message, f"error[E0425]: {message}\n  --> kernel.rs:3:5", At(Gate.COMPILE))


def by_schedule(candidate: Candidate) -> Verdict:
    """Accept the candidate with a ratio that is higher for nr = 24 and grows with kc."""
    schedule = (candidate.manifest.proposal or {})["schedule"]
    return accepted(0.5 + 0.2 * (schedule.get("nr") == 24) + schedule.get("kc", 16) / 4096)


def builtin(seed: int) -> Minds:
    return Minds(BuiltinTuner(ScheduleAdapter(AVX2, 1).lanes(), seed))


def scripted(
    answers: Sequence[str], coder: Sequence[str] | None = None, context_tokens: int = 32768
) -> Callable[[int], Minds]:
    """Models of autogen-ext's replay client; the Coder has its own answers, or is the tuner."""
    from autogen_ext.models.replay import ReplayChatCompletionClient

    def minds(seed: int) -> Minds:
        proposer = ClientMind(ReplayChatCompletionClient(list(answers)), "scripted", context_tokens)
        by_role: dict[str, Any] = {"proposer": proposer, "coder": builtin(seed).stand_in}
        if coder is not None:
            by_role["coder"] = ClientMind(
                ReplayChatCompletionClient(list(coder)), "scripted-coder", context_tokens
            )
        return Minds(builtin(seed).stand_in, by_role)

    return minds


def proposal(coding: str = "template", **schedule: Any) -> str:
    """The answer of a well-behaved model."""
    return json.dumps(
        {
            "coding": coding,
            "algorithm": f"packed {schedule}",
            "schedule": {"family": "packed_intrinsics", "isa": "avx2"} | schedule,
            "expected_effect": "faster",
            "why": "less traffic",
        }
    )


@dataclass
class Scene:
    """One project folder in which evolutions run."""

    root: Path
    memory: Any
    said: list[str] = field(default_factory=list)

    def settings(self, **changes: Any) -> Settings:
        made = Settings(
            root=self.root,
            cache=self.root / "cache",
            results=self.root / "results",
            memory="",
            generate=2,
            seed=7,
        )
        budget = {name: changes.pop(name) for name in list(changes) if name in Budget.__dataclass_fields__}
        return replace(made, budget=replace(Budget(), **budget), **changes)

    def run(
        self,
        judge: Callable[[Candidate], Verdict] = by_schedule,
        run_id: str = "r1",
        minds: Any = builtin,
        library: Any = None,
        screen: Screen | None = None,
        scheme: str | None = None,
        workers: Workers | None = None,
        **changes: Any,
    ) -> EvolutionResult:
        services = Services(
            judge=judge,
            minds=minds,
            memory=self.memory,
            library=library,
            schedules=ScheduleAdapter(AVX2, 1, scheme=scheme),
            machine=AVX2,
            say=self.said.append,
            toolchain="rustc 1.95.0",
            baseline="fake BLAS",
            screen=screen,
            workers=workers,
        )
        return asyncio.run(evolve(self.settings(**changes), services, run_id))

    def lines(self, run_id: str, name: str) -> list[dict[str, Any]]:
        path = self.root / "results" / run_id / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def sources(self, result: EvolutionResult) -> list[str]:
        return [(self.root / "candidates" / one.name / "kernel.rs").read_text() for one in result.candidates]
