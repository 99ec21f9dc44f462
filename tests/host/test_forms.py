"""Calls with strides, alpha and beta: BLAS and kernels of both tiers give the same product in every form they know."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pytest

from harness.candidate import Tier
from harness.clock import baseline
from harness.compile import audit, rustc
from harness.compile.audit import AuditReport
from harness.errors import HarnessFaultError
from harness.judge.worker.calls import F32, Abi, Layout, Placement, Program, Ran, Slot
from harness.judge.worker.client import Capacity, Worker
from harness.judge.worker.limits import limits_for
from harness.machine import usable_cores
from harness.operation.forms import CallForm, Strides, by_columns, by_rows
from harness.operation.operations import SGEMM
from harness.shapes import Shape
from harness.verdict import Crash
from tests.compile.support import tools
from tests.host.support import AT, NAIVE, host, library
from tests.operation.kernels import SAFE, UNSAFE

SHAPE = Shape(5, 7, 6)
ROOM = Shape(64, 64, 64)
BLAS_FORMS = [
    CallForm.transposed(SHAPE, letters, padding=padding, alpha=alpha, beta=beta)
    for letters in ("NN", "NT", "TN", "TT")
    for padding, alpha, beta in (((0, 0, 0), 1.0, 0.0), ((3, 1, 2), 0.5, 1.0), ((0, 2, 0), -2.0, 0.0))
] + [
    CallForm(a, b, by_columns(SHAPE.m, 1), 2.0, 0.5)
    for a in (by_rows(SHAPE.k, 1), by_columns(SHAPE.m))
    for b in (by_rows(SHAPE.n), by_columns(SHAPE.k, 2))
]
SLICE_FORMS = [*BLAS_FORMS, CallForm(Strides(20, 2), Strides(3, 22), Strides(13, 2), 1.5, 1.0)]
EVERY_FORM = [
    *SLICE_FORMS,
    CallForm(Strides(-7, 1), Strides(6, -1), Strides(6, 1)),
    CallForm(Strides(-2, -11), Strides(-1, -7), Strides(-9, 1), 1.0, -1.0),
]


@lru_cache(maxsize=2)
def candidate(tier: Tier) -> Program:
    """The plain sgemm of a tier behind its real wrapper."""
    built = rustc.compile_kernel(SAFE if tier == "safe" else UNSAFE, tier, tools(), SGEMM)
    assert isinstance(built, rustc.CompiledKernel), built
    assert isinstance(audit.check(built, tools()), AuditReport)
    return Program(built.path, built.symbol, Abi(SGEMM.abi))


PROGRAMS = {
    "BLAS": (lambda: baseline.find(None).program, BLAS_FORMS),
    "safe": (lambda: candidate("safe"), SLICE_FORMS),
    "unsafe": (lambda: candidate("unsafe"), EVERY_FORM),
}


def opened(program: Program, room: Shape = ROOM) -> Worker:
    cores = usable_cores()[:1]
    return Worker(host(), program, limits_for(room, 1, cores), Capacity.of([room]))


def laid(slots: Sequence[Slot], seed: int) -> list[F32]:
    """Small integers in A, B and C; the products that are due, C included."""
    draw = np.random.default_rng(seed)
    due = []
    for slot in slots:
        form = slot.form
        assert form is not None
        for x in (slot.a, slot.b, slot.c):
            x[...] = draw.integers(-8, 9, x.shape)
        due.append(np.float32(form.alpha) * (slot.a @ slot.b) + np.float32(form.beta) * slot.c)
        if form.beta == 0:
            slot.c[...] = np.nan
    return due


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("placement", Placement)
def test_every_form_gives_its_product(name: str, placement: Placement) -> None:
    program, forms = PROGRAMS[name]
    with opened(program()) as worker:
        slots = worker.slots([SHAPE] * len(forms), placement, forms)
        due = laid(slots, seed=3)
        assert isinstance(worker.run(slots, at=AT, limit_s=20.0), Ran)
        for slot, want in zip(slots, due, strict=True):
            assert np.array_equal(slot.c, want), slot.form


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (1, 5, 1), (4, 1, 4)])
def test_short_extents_in_every_transposition(name: str, shape: tuple[int, int, int]) -> None:
    where = Shape(*shape)
    forms = [CallForm.transposed(where, x, padding=(1, 2, 3), beta=2.0) for x in ("NN", "NT", "TN", "TT")]
    with opened(PROGRAMS[name][0]()) as worker:
        slots = worker.slots([where] * 4, Placement.RIGHT, forms)
        due = laid(slots, seed=4)
        assert isinstance(worker.run(slots, at=AT, limit_s=20.0), Ran)
        for slot, want in zip(slots, due, strict=True):
            assert np.array_equal(slot.c, want), slot.form


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_batch_has_one_form(name: str) -> None:
    form = CallForm.transposed(SHAPE, "NT", padding=(1, 2, 3), beta=1.0)
    layout = Layout.crossed(SHAPE, 6, form)
    with opened(PROGRAMS[name][0]()) as worker:
        slots = worker.batch(layout)
        for number, slot in enumerate(slots):
            slot.a[...], slot.b[...], slot.c[...] = 1 + number // layout.b_count, 2, number
        assert isinstance(worker.run(slots, at=AT, limit_s=20.0), Ran)
        for number, slot in enumerate(slots):
            assert (slot.c == slot.a[0, 0] * 2 * SHAPE.k + number).all()


def test_a_block_ends_at_its_last_element() -> None:
    """An access one element past the last one of a padded matrix faults, as past a contiguous one."""
    over = UNSAFE.replace(
        "0..k as isize {\n                    sum", "0..=k as isize {\n                    sum"
    )
    built = rustc.compile_kernel(over, "unsafe", tools(), SGEMM)
    assert isinstance(built, rustc.CompiledKernel)
    form = CallForm.transposed(SHAPE, "NN", padding=(3, 0, 0))
    with opened(Program(built.path, built.symbol, Abi.SGEMM)) as worker:
        slots = worker.slots([SHAPE], Placement.RIGHT, [form])
        laid(slots, seed=1)
        verdict = worker.run(slots, at=AT, limit_s=20.0)
    assert isinstance(verdict, Crash)
    assert "bytes past its end" in verdict.detail


def test_a_program_is_called_in_forms_that_it_knows_only() -> None:
    strided = CallForm(Strides(20, 2), by_rows(SHAPE.n), by_rows(SHAPE.n))
    kernel = Program(library(NAIVE), "harness_matmul", Abi.KERNEL)
    for program, text in ((kernel, "contiguous operands"), (baseline.find(None).program, "no BLAS knows")):
        with opened(program) as worker:
            slots = worker.slots([SHAPE], Placement.RIGHT, [strided])
            with pytest.raises(HarnessFaultError, match=text):
                worker.run(slots, at=AT, limit_s=20.0)
