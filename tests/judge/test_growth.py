"""Memory and threads that calls leave behind: a leak shows, what settles or varies does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from harness.judge.growth import must_not_grow
from harness.judge.kernel_runner import KernelRunner, Rejected
from harness.judge.oracles import named
from harness.judge.worker.calls import Ran, Slot
from harness.shapes import Shape
from harness.verdict import At, Cheat, Gate, Rejection
from tests.judge.fakes import FakeWorker, examination_around, honest

AT = At(Gate.CONDUCT)
# The heap grows in such pieces.
PIECE_BYTES = 132 << 10


def rounds(sizes: Sequence[int], threads: Sequence[int] = ()) -> list[Ran]:
    every = threads or [1] * len(sizes)
    return [
        Ran(1000, 1000, count, 0, 0, 0, True, data_bytes=int(size))
        for size, count in zip(sizes, every, strict=True)
    ]


def in_pieces(used: float) -> int:
    return int(-(-used // PIECE_BYTES) * PIECE_BYTES)


@pytest.mark.parametrize(
    ("each", "count"), [(30 << 10, 18), (100 << 10, 16), (1 << 20, 7), (1 << 20, 11), (1 << 20, 18)]
)
def test_a_leak_in_every_round_shows(each: int, count: int) -> None:
    with pytest.raises(Rejected) as caught:
        must_not_grow(rounds([in_pieces(each * number) for number in range(count)]), AT)
    assert isinstance(caught.value.rejection, Cheat)
    assert "memory grows" in caught.value.rejection.trick


def test_threads_that_pile_up_show() -> None:
    with pytest.raises(Rejected):
        must_not_grow(rounds([0] * 12, list(range(1, 13))), AT)


@pytest.mark.parametrize("count", [3, 6, 12, 18])
@pytest.mark.parametrize(
    "size",
    [
        lambda number, rng: 5 << 20,
        lambda number, rng: min(number, 3) << 20,
        lambda number, rng: int(rng.integers(8)) << 20,
        lambda number, rng: (4 << 20) + number * 4096,
        lambda number, rng: (4 << 20) + (number > 8) * (8 << 20),
    ],
    ids=["constant", "settles", "varies", "hardly grows", "one step"],
)
def test_honest_memory_passes(count: int, size: Callable[[int, np.random.Generator], int]) -> None:
    must_not_grow(rounds([size(number, np.random.default_rng(count)) for number in range(count)]), AT)


@pytest.mark.parametrize(("least", "guilty"), [(100, True), (500, False)])
def test_medium_products_are_watched(least: int, guilty: bool) -> None:
    class Leaks(FakeWorker):
        leaked = 0

        def run(self, slots: Sequence[Slot], **how: Any) -> Ran | Rejection:
            self.leaked += sum(min(slot.shape) >= least for slot in slots) * 40_000
            self.ran["data_bytes"] = in_pieces(self.leaked)
            return super().run(slots, **how)

    @contextmanager
    def launch(_: Sequence[Shape]) -> Iterator[FakeWorker]:
        yield Leaks(honest)

    oracle = named("medium-growth")
    with KernelRunner(examination_around(launch), oracle.gate) as runner:
        if guilty:
            with pytest.raises(Rejected):
                oracle.check(runner, Shape(110, 120, 130), 5)
        else:
            assert oracle.check(runner, Shape(110, 120, 130), 5) is None
