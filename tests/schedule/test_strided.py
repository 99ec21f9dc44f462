"""Rendered sgemm kernels: right in every layout, with every alpha and beta, and without a trace between elements."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness import machine
from harness.candidate import Tier
from harness.judge.worker.calls import Abi, Placement, Program, Slot, WorkerLimits
from harness.judge.worker.client import Capacity, Worker
from harness.operation.arrangements import drawn as drawn_form
from harness.operation.forms import CallForm
from harness.operation.operations import SGEMM
from harness.schedule import analytical
from harness.schedule.model import Schedule
from harness.schedule.render import render
from harness.schedule.space import space
from harness.shapes import Shape
from tests.schedule.support import UNIT_ROUNDOFF, build, run

HERE = machine.read()
UNITS = {"avx512": ["avx512", "avx2"], "avx2": ["avx2"], "neon": ["neon"]}.get(HERE.vector, [])
needs_unit = pytest.mark.skipif(not UNITS, reason="this machine has no vector unit that the templates know")

# Empty, thin and ragged ones, and such as are packed in several blocks.
SHAPES = [
    Shape(0, 3, 2), Shape(2, 0, 3), Shape(3, 2, 0), Shape(1, 1, 1), Shape(5, 7, 3), Shape(1, 300, 5), Shape(5, 300, 1),
    Shape(1, 700, 130), Shape(130, 40, 1), Shape(2, 300, 307), Shape(13, 17, 31), Shape(31, 20, 18), Shape(64, 64, 64),
    Shape(29, 1, 95), Shape(70, 150, 47), Shape(47, 33, 130), Shape(61, 270, 66),
]  # fmt: skip
SCALARS = [(1.0, 0.0), (1.0, 1.0), (0.0, 0.0), (0.0, 0.5), (-1.0, 1.0), (0.7, 0.0), (1.3, -0.7)]


def formed(shape: Shape, seed: int, tier: Tier) -> CallForm:
    form = drawn_form(shape, seed, negative=tier == "unsafe")
    alpha, beta = SCALARS[seed % len(SCALARS)]
    return CallForm(form.a, form.b, form.c, alpha, beta)


def check(schedule: Schedule, seeds: Sequence[int]) -> None:
    """Compile, and compare every element with f64 and every gap with what was there; C is NaN where beta is 0."""
    library = build(render(schedule, "test"), schedule.tier, SGEMM)
    threads = 1 if schedule.threads == 1 else min(2, len(HERE.cores))
    rng = np.random.default_rng(seeds[0])
    calls = [(shape, formed(shape, seed, schedule.tier)) for shape in SHAPES for seed in seeds]
    shapes, forms = [shape for shape, _ in calls], [form for _, form in calls]
    limits = WorkerLimits(2 << 30, HERE.cores[:threads], threads)
    room = [max(form.spans(shape)) for shape, form in calls]
    capacity = Capacity(*[sum(4 * floats + 72 for floats in room)] * 3)
    with Worker(
        prepared_host(), Program(Path(library.path), library.symbol, Abi.SGEMM), limits, capacity
    ) as worker:
        slots = worker.slots(shapes, Placement.UNALIGNED, forms)
        before = [lay(slot, form, rng) for slot, form in zip(slots, forms, strict=True)]
        run(worker, slots)
        for slot, form, (blocks, c) in zip(slots, forms, before, strict=True):
            compare(slot, form, blocks, c)


def lay(slot: Slot, form: CallForm, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    assert slot.blocks is not None
    for block in slot.blocks:
        block[:] = np.nan
    if form.alpha != 0:
        slot.a[...] = rng.standard_normal(slot.a.shape)
        slot.b[...] = rng.standard_normal(slot.b.shape)
    if form.beta != 0:
        slot.c[...] = rng.standard_normal(slot.c.shape)
    return slot.blocks[2].copy(), slot.c.copy()


def compare(slot: Slot, form: CallForm, blocks: np.ndarray, c: np.ndarray) -> None:
    (m, k, n), alpha, beta = slot.shape, np.float32(form.alpha), np.float32(form.beta)
    want, size = np.zeros((m, n)), np.full((m, n), 1e-37)
    if alpha != 0:
        a, b = slot.a.astype(np.float64), slot.b.astype(np.float64)
        want, size = alpha * (a @ b), size + abs(alpha) * (np.abs(a) @ np.abs(b))
    if beta != 0:
        want, size = want + beta * c.astype(np.float64), size + np.abs(beta * c)
    wrong = ~(np.abs(slot.c - want) <= (k + 4) * UNIT_ROUNDOFF * size)
    assert not wrong.any(), f"{slot.shape} {form}: first wrong element {np.argwhere(wrong)[0]}"
    assert slot.blocks is not None
    kept = slot.blocks[2].copy()
    view = np.lib.stride_tricks.as_strided
    gaps = kept.view(np.uint32)
    old = blocks.view(np.uint32)
    first = form.c.first(m, n)
    if m and n:
        for memory in (gaps, old):
            view(memory[first:], (m, n), (4 * form.c.row, 4 * form.c.col))[...] = 0
    assert np.array_equal(gaps, old), f"{slot.shape} {form}: wrote between the elements of C"


def prepared_host() -> Path:
    from tests.schedule.support import prepared

    return prepared().host


@pytest.mark.parametrize("family", ["strided", pytest.param("strided_intrinsics", marks=needs_unit)])
@pytest.mark.parametrize("threads", [1, "all"])
def test_the_first_schedule_is_right_in_every_layout(family: str, threads: object) -> None:
    schedule = analytical.first(HERE, 1 if threads == 1 else "all", family=family)
    check(Schedule.model_validate(schedule.model_dump() | {"parallel_edge": 8}).normalise(), range(20))


@pytest.mark.parametrize("seed", range(6))
def test_random_points_of_the_space_build_without_a_warning_and_are_right(seed: int) -> None:
    rng = random.Random(seed)
    family = "strided_intrinsics" if UNITS and seed % 3 else "strided"
    chosen = space(HERE, rng.choice([1, "all"]), family=family, isa=rng.choice(UNITS) if UNITS else None)
    schedule = chosen.build({knob.name: rng.choice(knob.choices) for knob in chosen.knobs})
    small = {
        "edges": rng.choice(["mask", "tile"]),
        "scratch": rng.choice(["thread_local", "vec"]),
        "parallel_edge": 8,
    }
    small |= {
        "kc": rng.choice([16, 64, 512]),
        "mc": 12,
        "nc": rng.choice([32, 512]),
        "direct_edge": rng.choice([0, 32]),
    }
    schedule = Schedule.model_validate(schedule.model_dump() | small).normalise()
    check(schedule, range(7 * seed, 7 * seed + 7))


@needs_unit
@pytest.mark.parametrize("mr", [1, 3, 4, 6, 13])
@pytest.mark.parametrize("edges", ["mask", "tile"])
def test_a_strip_that_its_first_tile_packs_and_panels_of_any_height_are_right(mr: int, edges: str) -> None:
    lanes = 8 if HERE.vector in ("avx2", "avx512") else 4
    plain = analytical.first(HERE, family="strided_intrinsics", isa=UNITS[-1]).model_dump()
    plain |= {"mr": mr, "nr": lanes * (2 if mr < 6 else 1), "mc": 96, "kc": 40, "edges": edges}
    plain |= {"pack_a": "panel", "pack_b": "strip", "fuse_b": True, "direct_edge": 0}
    check(Schedule.model_validate(plain).normalise(), range(100 * mr, 100 * mr + 12))


def test_a_kernel_of_sgemm_must_be_able_to_pack_b() -> None:
    with pytest.raises(ValueError, match="strip or panel"):
        Schedule(family="strided_intrinsics", isa="avx2", mr=6, nr=16, pack_b="none")
