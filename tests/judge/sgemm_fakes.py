"""A worker that calls a Python function with strides, alpha and beta: honest and wrong sgemm kernels for oracles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.judge.examination import Examination, LaunchJudgeWorker
from harness.judge.gaps import elements_of
from harness.judge.worker.calls import F32, Layout, Placement, Slot
from harness.operation.forms import CallForm
from harness.operation.operations import SGEMM
from harness.shapes import Shape
from tests.judge.fakes import FakeWorker, examination_around


@dataclass(frozen=True)
class Call:
    """What an sgemm kernel gets: views with the strides of the form, and the form itself."""

    a: F32
    b: F32
    c: F32
    form: CallForm
    # The memory of A, B and C, gaps included.
    blocks: tuple[F32, F32, F32]

    @property
    def scalars(self) -> tuple[np.float32, np.float32]:
        return np.float32(self.form.alpha), np.float32(self.form.beta)

    @property
    def shape(self) -> Shape:
        return Shape(*self.a.shape, self.b.shape[1])


Sgemm = Callable[[Call], None]


@dataclass
class FormWorker(FakeWorker):
    """Runs a Python sgemm; blocks stay at their addresses, so that a kernel can cache by them."""

    sgemm: Sgemm = lambda call: None
    memory: list[list[F32]] = field(default_factory=lambda: [[], [], []])

    def slots(
        self, shapes: Sequence[Shape], placement: Placement, forms: Sequence[CallForm] | None = None
    ) -> list[Slot]:
        assert forms is not None
        return [self._slot(s, form, (i, i, i)) for i, (s, form) in enumerate(zip(shapes, forms, strict=True))]

    def batch(self, layout: Layout) -> list[Slot]:
        form = layout.form or CallForm.contiguous(layout.shape)
        return [self._slot(layout.shape, form, (i, j, z)) for z, (i, j) in enumerate(layout.pairs)]

    def shared(self, shape: Shape, skip: int, form: CallForm | None = None) -> Slot:
        form = form or CallForm.contiguous(shape)
        slot = self._slot(shape, form, (0, 0, 0))
        assert slot.blocks is not None
        a, _, c = slot.blocks
        b = elements_of(a[skip:], form.b, shape.k, shape.n)
        return Slot(shape, slot.a, b, slot.c, form=form, blocks=(a, a[skip:], c))  # type: ignore[arg-type]

    def _slot(self, shape: Shape, form: CallForm, numbers: tuple[int, int, int]) -> Slot:
        (m, k, n), spans = shape, form.spans(shape)
        blocks = [self._block(region, numbers[region], spans[region]) for region in range(3)]
        views = (
            elements_of(blocks[0], form.a, m, k),
            elements_of(blocks[1], form.b, k, n),
            elements_of(blocks[2], form.c, m, n),
        )
        a, b, c = blocks
        return Slot(shape, *views, form=form, blocks=(a, b, c))  # type: ignore[arg-type]

    def _block(self, region: int, number: int, floats: int) -> F32:
        blocks = self.memory[region]
        while len(blocks) <= number:
            blocks.append(np.zeros(0, np.float32))
        if blocks[number].size < floats:
            blocks[number] = np.zeros(floats, np.float32)
        return blocks[number][:floats]

    def run(self, slots: Sequence[Slot], **kwargs: Any) -> Any:  # type: ignore[override]
        pending = iter(slots)

        def kernel(a: F32, b: F32, c: F32) -> None:
            slot = next(pending)
            form = slot.form or CallForm.contiguous(slot.shape)
            blocks = slot.blocks or (a.reshape(-1), b.reshape(-1), c.reshape(-1))
            self.sgemm(Call(a, b, c, form, blocks))

        self.kernel = kernel
        return super().run(slots, **kwargs)


def launching_sgemm(sgemm: Callable[[], Sgemm]) -> LaunchJudgeWorker:
    """Every fresh worker gets a fresh kernel, so that the kernel's state ends with the process."""

    @contextmanager
    def launch(_: Sequence[Shape]) -> Iterator[FakeWorker]:
        yield FormWorker(lambda a, b, c: None, sgemm=sgemm())

    return launch


def sgemm_examination(launch: LaunchJudgeWorker, **settings: Any) -> Examination:
    return examination_around(launch, operation=SGEMM, **settings)


def honest_sgemm(call: Call) -> None:
    """What the contract says, by the machine's BLAS; beta = 0 never reads C, alpha = 0 reads neither A nor B."""
    alpha, beta = call.scalars
    if alpha == 0 or not call.a.shape[1]:
        call.c[...] = beta * call.c if beta else 0
        return
    product = alpha * (call.a @ call.b)
    call.c[...] = product + beta * call.c if beta else product
