"""Rehearsals: a kernel that keeps copies of operands within a batch is wrong in a turn that is interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from harness.clock.batches import Batch
from harness.clock.data import RealData, TurnData
from harness.clock.rehearsal import rehearse
from harness.clock.worker_pair import LaunchClockWorker
from harness.judge.inputs import generator
from harness.judge.worker.calls import Abi, Layout, Program
from harness.shapes import Shape
from harness.verdict import Gate, Rejection, Wrong
from tests.clock.test_data import batch_of
from tests.judge.fakes import FakeWorker, Kernel, honest
from tests.judge.keeps_copies import KeepsCopies

PROGRAM = Program(Path("kernel.so"), "kernel", Abi.KERNEL)
LAYOUTS = (Layout.crossed(Shape(8, 9, 7), 16), Layout.crossed(Shape(20, 20, 20), 2))


def launching(make: Callable[[], Kernel]) -> LaunchClockWorker:
    @contextmanager
    def launch(program: Program, layouts: Sequence[Layout]) -> Iterator[FakeWorker]:
        yield FakeWorker(make())

    return launch


def verdicts(make: Callable[[], Kernel], seeds: int = 12) -> list[Rejection | None]:
    return [rehearse(launching(make), PROGRAM, LAYOUTS, seed) for seed in range(seeds)]


@pytest.mark.parametrize("kept", ["A", "B"])
@pytest.mark.parametrize("after_turns", [0, 1, 3])
def test_copies_that_last_for_a_batch_are_told(kept: str, after_turns: int) -> None:
    for found in verdicts(lambda: KeepsCopies(kept, after_turns)):
        assert isinstance(found, Wrong)
        assert found.at.gate is Gate.CLOCK
        assert "in the middle of a batch" in found.counterexample.detail


@pytest.mark.parametrize("make", [lambda: honest, lambda: KeepsCopies("B", whole=True)])
def test_an_honest_kernel_passes(make: Callable[[], Kernel]) -> None:
    assert verdicts(make) == [None] * 12


def test_without_the_change_in_the_middle_copies_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TurnData, "hardly_changed", lambda self, rng: self)
    assert verdicts(lambda: KeepsCopies("B")) == [None] * 12


def test_nothing_is_run_where_every_product_has_operands_of_its_own() -> None:
    def none(*_: object) -> FakeWorker:
        raise AssertionError("a worker was started")

    assert rehearse(none, PROGRAM, [Layout.apart(Shape(8, 8, 8), 4)], 1) is None  # type: ignore[arg-type]


def test_the_former_content_of_c_does_not_tell_where_a_turn_begins() -> None:
    layout = Layout.crossed(Shape(6, 5, 4), 60)
    batch: Batch = batch_of(layout)
    rng = generator(3)
    batch.lay(RealData.draw(rng, layout, 0), rng)
    first = np.array([slot.c.view(np.uint32)[0, 0] for slot in batch.slots])
    assert len(set(first.tolist())) > 50
    assert len(set((first >> 22).tolist())) == 3
