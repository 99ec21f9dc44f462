"""Rendered kernels: documented, deterministic, free of warnings, and right at ragged shapes in the real worker."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import machine
from harness.judge.worker.calls import Placement
from harness.schedule import analytical
from harness.schedule.model import Schedule
from harness.schedule.render import render
from harness.schedule.rust_source import tidy
from harness.schedule.space import space
from harness.shapes import Shape
from tests.schedule.support import F32, build, check_shapes, fill, hosted, run
from tests.schedule.test_model import drawn

HERE = machine.read()
UNITS = {"avx512": ["avx512", "avx2"], "avx2": ["avx2"], "neon": ["neon"]}.get(HERE.vector, [])
needs_unit = pytest.mark.skipif(not UNITS, reason="this machine has no vector unit that the templates know")
SMALL = [Shape(m, k, n) for m in (0, 1, 5) for k in (0, 1, 3) for n in (0, 1, 7, 17)]
RAGGED = [
    Shape(13, 17, 31), Shape(64, 64, 64), Shape(127, 127, 127), Shape(29, 1, 95), Shape(1, 513, 129),
    Shape(200, 40, 1), Shape(37, 600, 47), Shape(130, 1030, 70), Shape(15, 33, 260),
]  # fmt: skip


def random_schedule(seed: int) -> Schedule:
    """A random schedule for this machine, of a tiled family and a vector unit that the machine has."""
    rng = random.Random(seed)
    family = rng.choice(["packed", "packed_intrinsics"] if UNITS else ["packed"])
    isa = rng.choice(UNITS) if UNITS else None
    chosen = space(HERE, rng.choice([1, "all"]), family=family, isa=isa)
    schedule = chosen.build({knob.name: rng.choice(knob.choices) for knob in chosen.knobs})
    changes = {"edges": rng.choice(["mask", "tile"]), "scratch": rng.choice(["thread_local", "vec"])}
    changes |= {name: rng.random() < 0.5 for name in ("fuse_b", "late_c")}
    blocks = {"pack_b": "none"} if rng.random() < 0.3 else {}
    return Schedule.model_validate(schedule.model_dump() | changes | blocks).normalise()


@given(drawn(), st.text(max_size=60), st.text(max_size=200))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_rendering_is_deterministic_and_any_title_stays_a_comment(
    schedule: Schedule, title: str, notes: str
) -> None:
    source = render(schedule, title, notes)
    assert source == render(schedule.normalise(), title, notes)
    head, _, body = source.partition("\n\n")
    assert all(line.startswith("//!") for line in head.splitlines())
    assert body == render(schedule, "another title").partition("\n\n")[2]
    assert source.isprintable() or all(line.isprintable() for line in source.split("\n"))


@given(drawn())
def test_the_header_documents_every_knob_that_affects_the_code(schedule: Schedule) -> None:
    header = " ".join(
        line[3:].strip() for line in render(schedule, "x").splitlines() if line.startswith("//!")
    )
    for name in schedule.used:
        value = schedule.model_dump(mode="json")[name]
        assert re.search(rf"\b{name} = {re.escape(str(value))}[,.]", header), name
    assert f"Key: {schedule.key()}." in header


@given(drawn())
def test_packed_kernels_name_the_blis_loops_in_order(schedule: Schedule) -> None:
    source = render(schedule, "x")
    if schedule.pack_a == schedule.pack_b == "none":
        return
    loops = ["LOOP 4", "LOOP 3", "LOOP 2", "LOOP 1"]
    loops = loops if schedule.pack_b == "strip" else ["LOOP 5", *loops]
    places = [source.index(loop) for loop in loops]
    assert places == sorted(places)
    assert "micro-kernel" in source


@given(drawn())
def test_safe_families_contain_no_unsafe_and_no_kernel_does_io(schedule: Schedule) -> None:
    source = render(schedule, "x")
    code = "\n".join(line for line in source.splitlines() if not line.strip().startswith("//"))
    assert ("unsafe" in code) == (schedule.tier == "unsafe")
    assert ("rayon" in code) == (schedule.threads == "all")
    assert not re.search(r"std::(fs|net|io|env|process)|extern|include", code)


def test_tidy_indents_by_brackets_and_drops_superfluous_blank_lines() -> None:
    ragged = 'fn f() {\n\n    call(|x| unsafe {\n  // a { in a comment\nx("}")\n});\n\n\n}\n'
    assert (
        tidy(ragged)
        == 'fn f() {\n    call(|x| unsafe {\n        // a { in a comment\n        x("}")\n    });\n}\n'
    )


@pytest.mark.parametrize("family", ["naive", "blocked", "packed", "packed_intrinsics"])
@pytest.mark.parametrize("threads", [1, "all"])
def test_the_first_schedule_of_every_family_is_right(family: str, threads: object) -> None:
    if family == "packed_intrinsics" and not UNITS:
        pytest.skip("this machine has no vector unit that the templates know")
    class_ = 1 if threads == 1 else "all"
    schedule = analytical.first(HERE, class_, family=family)
    schedule = Schedule.model_validate(schedule.model_dump() | {"parallel_edge": 8}).normalise()
    library = build(render(schedule, "first"), schedule.tier)
    check_shapes(library, SMALL + RAGGED, threads=1 if threads == 1 else min(2, len(HERE.cores)))


@pytest.mark.parametrize("seed", range(12))
def test_random_points_of_the_space_build_without_a_warning_and_are_right(seed: int) -> None:
    schedule = random_schedule(seed)
    schedule = Schedule.model_validate(schedule.model_dump() | {"parallel_edge": 8}).normalise()
    library = build(render(schedule, "random"), schedule.tier)
    threads = 1 if schedule.threads == 1 else min(2, len(HERE.cores))
    check_shapes(library, SMALL + RAGGED, threads=threads, seed=seed)


# Few rows, with B on both sides of the size from which it is streamed; few columns, whole and ragged.
THIN = [
    Shape(1, 700, 130), Shape(1, 33, 4099), Shape(2, 300, 307), Shape(3, 257, 401), Shape(2, 9, 70),
    Shape(40, 33, 5), Shape(29, 40, 8), Shape(53, 70, 16), Shape(31, 64, 4), Shape(700, 20, 3),
]  # fmt: skip


@needs_unit
@pytest.mark.parametrize("isa", UNITS)
@pytest.mark.parametrize("edges", ["mask", "tile"])
@pytest.mark.parametrize("pack_a", ["strip", "panel", "none"])
def test_thin_products_have_loops_of_their_own_and_are_right(isa: str, edges: str, pack_a: str) -> None:
    plain = analytical.first(HERE, "all", isa=isa).model_dump() | {"parallel_edge": 8, "edges": edges}
    plain |= {"pack_a": pack_a} | ({"pack_b": "none"} if pack_a == "none" else {})
    schedule = Schedule.model_validate(plain | {"thin": True})
    source = render(schedule, "thin")
    assert "fn rows_by_matrix" in source
    assert "fn rows_by_matrix" not in render(Schedule.model_validate(plain | {"thin": False}), "thick")
    check_shapes(build(source, "unsafe"), THIN + SMALL, threads=min(2, len(HERE.cores)))


@pytest.mark.parametrize("family", ["packed", "packed_intrinsics"])
def test_each_element_is_summed_in_the_order_of_k_for_any_blocking(family: str) -> None:
    """Where C is read before the loop, schedules with different blocks, packing and split agree bit for bit; scaling
    rows by powers of two is exact.
    """
    if family == "packed_intrinsics" and not UNITS:
        pytest.skip("this machine has no vector unit that the templates know")
    first = analytical.first(HERE, family=family)
    one = first.model_copy(update={"late_c": False}).normalise()
    other = one.model_dump() | {
        "mr": 3, "kc": 33, "mc": 7, "nc": one.nr, "resident": "b", "pack_a": "panel", "direct_edge": 0,
        "threads": "all", "parallel_edge": 0, "split": "grid", "tasks_per_thread": 2,
    }  # fmt: skip
    shape = Shape(70, 150, 85)
    results = []
    for schedule in (one, Schedule.model_validate(other)):
        library = build(render(schedule, "order"), schedule.tier)
        with hosted(library, [shape], threads=min(2, len(HERE.cores))) as worker:
            slots = worker.slots([shape], Placement.ALIGNED)
            fill(slots, np.random.default_rng(5))
            run(worker, slots)
            plain = slots[0].c.copy()
            rows = np.exp2(np.arange(shape.m) % 9 - 4).astype(np.float32)
            slots[0].a[:] *= rows[:, None]
            slots[0].c[:] = np.nan
            run(worker, slots)
            assert np.array_equal(slots[0].c, plain * rows[:, None])
            results.append(plain)
    assert np.array_equal(results[0], results[1])


def product(schedule: Schedule, a: F32, b: F32) -> F32:
    """A times B by the rendered kernel of the schedule, on one thread."""
    library = build(render(schedule, "product"), schedule.tier)
    shape = Shape(a.shape[0], a.shape[1], b.shape[1])
    with hosted(library, [shape]) as worker:
        slots = worker.slots([shape], Placement.ALIGNED)
        slots[0].a[:], slots[0].b[:], slots[0].c[:] = a, b, np.nan
        run(worker, slots)
        return slots[0].c.copy()


@needs_unit
@pytest.mark.parametrize("edges", ["mask", "tile"])
@pytest.mark.parametrize("resident", ["a", "b"])
def test_a_strip_that_its_first_tile_packs_gives_the_same_bits(resident: str, edges: str) -> None:
    blocks = {"kc": 33, "mc": 24, "nc": 96, "resident": resident, "edges": edges, "direct_edge": 0}
    apart = Schedule.model_validate(analytical.first(HERE).model_dump() | blocks | {"fuse_b": False})
    fused = apart.model_copy(update={"fuse_b": True})
    assert fused.key() != apart.key()
    rng = np.random.default_rng(3)
    for m, k, n in ((61, 70, 203), (5, 33, 96), (25, 100, 97)):
        a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
        assert np.array_equal(product(fused, a, b), product(apart, a, b))
    check_shapes(build(render(fused, "fused"), "unsafe"), SMALL + RAGGED)


@needs_unit
@pytest.mark.parametrize("edges", ["mask", "tile"])
def test_where_c_is_read_late_the_sums_of_the_blocks_of_k_are_added(edges: str) -> None:
    early = Schedule.model_validate(
        analytical.first(HERE).model_dump()
        | {"kc": 40, "edges": edges, "direct_edge": 0, "pack_b": "panel", "late_c": False}
    )
    late = early.model_copy(update={"late_c": True})
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((31, 120), np.float32), rng.standard_normal((120, 67), np.float32)
    in_order = sum(
        (product(early, np.ascontiguousarray(a[:, p : p + 40]), b[p : p + 40]) for p in (40, 80)),
        start=product(early, np.ascontiguousarray(a[:, :40]), b[:40]),
    )
    assert np.array_equal(product(late, a, b), in_order)
    assert not np.array_equal(product(early, a, b), in_order)
    check_shapes(build(render(late, "late"), "unsafe"), SMALL + RAGGED)


@needs_unit
@pytest.mark.parametrize("mr", [1, 2, 3, 4, 5, 6, 7, 8, 11, 14])
def test_micro_panels_of_a_of_any_height_are_packed_right(mr: int) -> None:
    lanes = analytical.first(HERE).lanes
    nr = lanes if mr > 4 else 2 * lanes
    plain = analytical.first(HERE).model_dump() | {"mr": mr, "nr": nr, "mc": 3 * mr + 1}
    plain |= {"kc": 43, "nc": 4 * nr, "pack_a": "panel", "pack_b": "panel", "direct_edge": 0}
    schedule = Schedule.model_validate(plain)
    check_shapes(build(render(schedule, "panels"), "unsafe"), SMALL + RAGGED)


@pytest.mark.parametrize("family", ["packed", "packed_intrinsics", "blocked"])
@pytest.mark.parametrize("direct_edge", [0, 300])
def test_nan_infinity_signed_zero_and_subnormals_follow_ieee_754(family: str, direct_edge: int) -> None:
    if family == "packed_intrinsics" and not UNITS:
        pytest.skip("this machine has no vector unit that the templates know")
    schedule = analytical.first(HERE, family=family)
    schedule = Schedule.model_validate(
        schedule.model_dump() | {"direct_edge": direct_edge, "kc": 48}
    ).normalise()
    library = build(render(schedule, "special"), schedule.tier)
    shape = Shape(23, 101, 41)
    with hosted(library, [shape]) as worker:
        slots = worker.slots([shape], Placement.RIGHT)
        (slot,) = slots
        fill(slots, np.random.default_rng(7))
        slot.a[3, 50] = np.nan
        slot.b[60, 40] = np.inf
        slot.a[7, 60] = 0.0
        slot.a[9, :] = 0.0
        slot.a[9, 0], slot.b[0, 0] = np.float32(1e-40), np.float32(1.0)
        slot.a[11, :], slot.b[:, 5] = -0.0, 1.0
        run(worker, slots)
        c = slot.c.copy()
    assert np.isnan(c[3]).all()
    assert np.isnan(c[7, 40])  # 0 * infinity
    assert np.isinf(c[[0, 1, 2], 40]).all()
    clean = np.ones(c.shape, bool)
    clean[3], clean[:, 40] = False, False
    assert np.isfinite(c[clean]).all()
    assert c[9, 0] == np.float32(1e-40)
    assert c[11, 5] == 0.0
    assert not np.signbit(c[11, 5])
