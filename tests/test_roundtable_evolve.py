"""The round table with a fake judge: order, records, budgets, repairs, resume, replay. The memory is the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import candidate as candidates
from harness.machine import Machine
from harness.memory.kernels import KernelMemory, open_memory
from harness.minds.protocol import Minds
from harness.minds.tuner import BuiltinTuner
from harness.roundtable.evolve import EvolutionResult, evolve
from harness.roundtable.workshop import ScheduleWorkshop
from harness.settings import Settings
from harness.shapes import Shape
from harness.verdict import (
    Accepted,
    Score,
    ShapeTiming,
    Verdict,
)

AVX2 = Machine("Test CPU", "x86_64", "Linux", ("avx", "avx2", "fma"), 32 << 10, 512 << 10, 16 << 20, (0, 1))


def accepted(ratio: float) -> Accepted:
    timing = ShapeTiming(Shape(64, 64, 64), 1e5 / ratio, 1e5, 9e4 / ratio, ratio, ratio * 0.98, ratio * 1.02, 5.0, 40.0, 30)
    return Accepted(Score(ratio, ratio * 0.98, ratio * 1.02, (timing,), 1, "fake BLAS", 0.99, 1.01), "unsafe")


def settings(root: Path, **changes: Any) -> Settings:
    made = Settings(root=root, cache=root / "cache", results=root / "results", memory="", generate=4, seed=7)
    return replace(made, **changes)


def builtin(seed: int) -> Minds:
    return Minds(BuiltinTuner(ScheduleWorkshop(AVX2, 1).lanes(), seed))


def by_schedule(candidate: candidates.Candidate) -> Verdict:
    """A landscape with one best point: deeper blocks and the second tile are better."""
    schedule = (candidate.manifest.proposal or {})["schedule"]
    return accepted(0.5 + 0.2 * (schedule["nr"] == 24) + schedule["kc"] / 4096)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[KernelMemory]:
    with open_memory(str(tmp_path / "memory")) as opened:
        yield opened


def run(
    root: Path, memory: Any, judge: Callable[..., Verdict] = by_schedule, run_id: str = "r1", **changes: Any
) -> EvolutionResult:
    minds = changes.pop("minds", builtin)
    lines: list[str] = changes.pop("said", [])
    return asyncio.run(
        evolve(
            settings(root, **changes),
            judge=judge,
            minds=minds,
            memory=memory,
            library=None,
            machine=AVX2,
            say=lines.append,
            run_id=run_id,
            toolchain="rustc 1.95.0",
        )
    )


def test_four_generations_leave_four_candidates_that_agree_with_the_memory(tmp_path: Path, memory: KernelMemory) -> None:
    result = run(tmp_path, memory)
    names = [one.name for one in result.candidates]
    assert names == [f"gen-r1-{n:03d}" for n in (1, 2, 3, 4)]
    assert sorted(kernel.name for kernel in memory.everything()) == names
    for one in result.candidates:
        loaded = candidates.load(tmp_path / "candidates" / one.name)
        assert loaded.manifest.claim is not None
        assert isinstance(one.verdict, Accepted)
        assert loaded.manifest.claim.ratio == one.verdict.score.ratio
        assert loaded.manifest.generation == one.generation
        assert "fn matmul" in loaded.source
    assert len({(tmp_path / "candidates" / name / "kernel.rs").read_text() for name in names}) == 4
    assert candidates.load(tmp_path / "candidates" / names[1]).manifest.parent == names[0]
    assert not list((tmp_path / "candidates").glob(".writing-*"))
