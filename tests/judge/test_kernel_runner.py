"""When the worker of a runner is replaced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from harness.judge.kernel_runner import ROOM, KernelRunner
from harness.shapes import Shape
from harness.verdict import Gate
from tests.judge.fakes import FakeWorker, examination_around, honest


def launched(shapes: Sequence[Shape]) -> list[list[Shape]]:
    """For what shapes workers were made while products of `shapes` ran in one runner."""
    made: list[list[Shape]] = []

    @contextmanager
    def launch(room: Sequence[Shape]) -> Iterator[FakeWorker]:
        made.append(list(room))
        yield FakeWorker(honest)

    with KernelRunner(examination_around(launch), Gate.SHAPES) as runner:
        for m, k, n in shapes:
            runner.product(np.ones((m, k), np.float32), np.ones((k, n), np.float32), 1)
    return made


def test_small_shapes_share_one_worker() -> None:
    assert launched([Shape(3, 4, 5), ROOM, Shape(1, 1, 1)]) == [[ROOM]]


def test_shapes_that_are_large_in_different_extents_take_turns_in_one_worker() -> None:
    tall, wide = Shape(9000, 40, 40), Shape(40, 40, 9000)
    assert launched([tall, wide, tall, wide, ROOM]) == [[tall], [tall, wide], [tall, wide, ROOM]]


def test_the_memory_limit_is_that_of_a_shape_as_large() -> None:
    tall, wide = Shape(8000, 100, 4), Shape(4, 100, 8000)
    # It would find room, but a worker for `tall` and `wide` has a lower limit.
    both = Shape(5000, 120, 4000 // 30)
    assert both.input_bytes + both.output_bytes > tall.input_bytes + tall.output_bytes
    assert launched([tall, wide, both])[-1] == [tall, wide, both]
