"""Rendered recursive kernels, compiled, run and judged: odd sizes, levels, special values, threads, halves."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import machine
from harness.caches import default_cache
from harness.compile.compile_cache import CompiledKernel
from harness.errors import UserError
from harness.judge import examine
from harness.judge.launch import prepare_examination
from harness.judge.worker.calls import Abi, Placement, Program
from harness.schedule.analytical import first
from harness.schedule.bilinear import compose, schemes, symbolic
from harness.schedule.bilinear.scheme import exact
from harness.schedule.bilinear.scheme_cost import error_bound
from harness.schedule.model import Schedule
from harness.schedule.recursive import levels_at, scheme_of, workspace_floats
from harness.schedule.render import render
from harness.schedule.vector_units import UNITS
from harness.settings import Profile, Settings
from harness.shapes import Shape
from tests.schedule import support as support

SMALLEST_CUTOFF = 32
AWKWARD_SHAPES = [
    Shape(0, 40, 40),
    Shape(40, 0, 40),
    Shape(40, 40, 0),
    Shape(1, 1, 1),
    Shape(31, 32, 33),
    Shape(32, 32, 32),
    Shape(33, 33, 33),
    Shape(64, 37, 101),
    Shape(97, 130, 35),
    Shape(35, 257, 66),
    Shape(129, 65, 131),
]


def schedule(scheme: str = "strassen", threads: Any = 1, **recursion: Any) -> Schedule:
    """A bilinear schedule with a small tile, as rustc takes seconds for every micro-kernel of a large one, and with
    small blocks, so that every loop runs more than once.
    """
    base = first(machine.read(), threads).model_dump()
    small = {
        "family": "bilinear",
        "mr": 3,
        "nr": UNITS[base["isa"]].lanes,
        "kc": 24,
        "mc": 6,
        "nc": 2 * UNITS[base["isa"]].lanes,
        "parallel_edge": 16,
        "direct_edge": 16,
    }
    inner = "packed" if base["isa"] == "portable" else "packed_intrinsics"
    bilinear = {"scheme": scheme, "cutoff": SMALLEST_CUTOFF, "inner": inner} | recursion
    return Schedule.model_validate(base | small | {"bilinear": bilinear})


def rebased() -> str:
    """Strassen in a basis with coefficients 1/2, extended to 2 x 2 x 3 blocks by a classical column."""
    half = exact([[1, "1/2"], [0, 1]])
    turned = compose.change_basis(schemes.named("strassen"), half, exact([[1, 0], ["-1/2", 1]]), half)
    return symbolic.write(compose.direct_sum("n", [turned, compose.classical(2, 2, 1)]))


KERNELS = {
    "one level of Strassen": schedule(),
    "three levels of Winograd, threads": schedule("winograd", "all", levels=3),
    "safe Rust throughout": schedule("strassen_2x2x3", inner="packed"),
    "safe Rust, two levels, threads": schedule("strassen", "all", levels=2, inner="packed"),
    "halves": schedule("mine", levels=2, program=rebased()),
}


@pytest.fixture(scope="module", params=list(KERNELS))
def built(request: pytest.FixtureRequest) -> tuple[Schedule, CompiledKernel]:
    chosen = KERNELS[request.param]
    return chosen, support.build(render(chosen, request.param), chosen.tier)


def products(library: CompiledKernel, pairs: Sequence[tuple[Any, Any]], threads: int = 1) -> list[Any]:
    shapes = [Shape(a.shape[0], a.shape[1], b.shape[1]) for a, b in pairs]
    with support.hosted(library, shapes, threads) as worker:
        slots = worker.slots(shapes, Placement.RIGHT)
        for slot, (a, b) in zip(slots, pairs, strict=True):
            slot.a[:], slot.b[:], slot.c[:] = a, b, np.nan
        support.run(worker, slots)
        return [slot.c.copy() for slot in slots]


def threads_of(chosen: Schedule) -> int:
    return 1 if chosen.threads == 1 else len(machine.read().cores)


def test_small_integers_are_multiplied_exactly(built: tuple[Schedule, CompiledKernel]) -> None:
    chosen, library = built
    rng = np.random.default_rng(7)
    pairs = [(rng.integers(-4, 5, (m, k)), rng.integers(-4, 5, (k, n))) for m, k, n in AWKWARD_SHAPES]
    for (a, b), c in zip(pairs, products(library, pairs, threads_of(chosen)), strict=True):
        assert np.array_equal(c, a @ b), f"{a.shape} x {b.shape}"


def test_the_error_on_real_data_is_within_the_bound(built: tuple[Schedule, CompiledKernel]) -> None:
    chosen, library = built
    assert chosen.bilinear is not None
    rng, scheme = np.random.default_rng(11), scheme_of(chosen.bilinear)
    shapes = [shape for shape in AWKWARD_SHAPES if min(shape)]
    pairs = [
        (rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32))
        for m, k, n in shapes
    ]
    used = set()
    for shape, (a, b), c in zip(shapes, pairs, products(library, pairs, threads_of(chosen)), strict=True):
        levels = levels_at(scheme, chosen.bilinear, shape)
        used.add(levels)
        error = np.abs(c - a.astype(np.float64) @ b.astype(np.float64)).max()
        bound = error_bound(scheme, levels, shape.k + scheme.k**levels) * float(
            np.abs(a).max() * np.abs(b).max()
        )
        assert error <= bound, shape
    assert used >= {0, 1}


def test_special_values_follow_the_contract(built: tuple[Schedule, CompiledKernel]) -> None:
    """A scheme mixes rows and columns, but the kernel must not: NaN and infinity stay in their row or column."""
    chosen, library = built
    rng, size = np.random.default_rng(13), 67
    a, b = (rng.standard_normal((size, size), np.float32) for _ in range(2))
    nan, infinite, huge, tiny = a.copy(), b.copy(), a.copy(), a.copy()
    nan[5, 40], infinite[66, 2], huge[3, 3] = np.nan, np.inf, np.float32(3e38)
    tiny[:] = np.float32(1e-41)
    pairs = [(nan, b), (a, infinite), (huge, 1e-3 * b), (tiny, np.eye(size, dtype=np.float32))]
    by_nan, by_infinity, by_huge, by_tiny = products(library, pairs, threads_of(chosen))
    assert np.array_equal(np.isnan(by_nan).any(axis=1), np.arange(size) == 5)
    assert np.array_equal(~np.isfinite(by_infinity).all(axis=0), np.arange(size) == 2)
    assert np.isfinite(by_huge).all()
    assert np.array_equal(by_tiny, tiny)


@pytest.mark.slow
def test_the_judge_accepts_the_kernel_as_normwise_accurate(
    built: tuple[Schedule, CompiledKernel], tmp_path: Path
) -> None:
    chosen, library = built
    settings = Settings(
        root=tmp_path,
        cache=default_cache(),
        results=tmp_path,
        memory="",
        profile=Profile.QUICK,
        seed=20240607,
    )
    examination = prepare_examination(
        Program(library.path, library.symbol, Abi.KERNEL),
        host=support.prepared().host,
        settings=settings,
        machine=machine.read(),
        threads=chosen.threads,
        timed_shapes=(Shape(129, 100, 131),),
        database_key="",
    )
    for gate in (examine.shapes, examine.values, examine.conduct):
        outcome = gate(examination)
        assert isinstance(outcome, examine.Examined), (outcome, examination.case)
    assert examination.numerics == "normwise"


def test_rendering_is_deterministic_and_shows_the_scheme() -> None:
    text = render(schedule(), "a title")
    assert text == render(schedule(), "a title")
    assert "// M7 = (a12 - a22) (b21 + b22)" in text
    assert "strassen ⟨2,2,2;7⟩: 7 products of blocks instead of 8" in text


def test_untrusted_notes_stay_inside_comments() -> None:
    notes = "harmless\n}\r\u2028fn evil() {}\u202e */ " + "x" * 300
    lines = render(schedule(), "title\n#![allow(unsafe_code)]", notes).splitlines()
    untrusted = [line for line in lines if "evil" in line or "allow(unsafe" in line or "xxx" in line]
    assert untrusted
    assert all(line.lstrip().startswith("//!") and line.isprintable() for line in untrusted)


def test_refuted_and_inexact_schemes_are_not_rendered() -> None:
    with pytest.raises(UserError, match="must contribute 1 to c11"):
        render(schedule("wrong", program="c11 = a11 b11 - a12 b21"), "wrong")
    third = tuple(tuple(x / Fraction(3) for x in row) for row in schemes.named("strassen").u)
    thrice = tuple(tuple(x * 3 for x in row) for row in schemes.named("strassen").w)
    strassen = schemes.named("strassen")
    text = symbolic.write(type(strassen)("thirds", 2, 2, 2, third, strassen.v, thrice))
    with pytest.raises(UserError, match="1/3 is not exact in f32"):
        render(schedule("thirds", program=text), "thirds")


def test_the_workspace_is_a_fraction_of_the_operands_and_shrinks_with_the_levels() -> None:
    strassen = schemes.named("strassen")
    blocks = schedule().model_copy(update={"kc": 512, "mc": 48, "nc": 1024})
    for size in (1024, 1025, 4096):
        shape = Shape(size, size, size)
        one, two = (workspace_floats(blocks, strassen, levels, shape) for levels in (1, 2))
        assert 0 < two < one < 0.3 * 3 * size**2
        assert workspace_floats(blocks, strassen, 0, shape) == 0
