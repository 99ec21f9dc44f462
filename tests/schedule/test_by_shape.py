"""Kernels with a code path for each region of shapes: borders, proofs, search spaces, and the rendered code."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import machine
from harness.clock.suites import SUITES
from harness.schedule import feasible
from harness.schedule.analytical import first
from harness.schedule.model import GENERAL, REGIONS, Schedule
from harness.schedule.render import render
from harness.schedule.space import Space, path_spaces
from harness.shapes import Shape
from tests.roundtable.support import AVX2
from tests.schedule.support import build, check_shapes
from tests.schedule.test_model import MACHINES, refusal_message

SKINNY = SUITES["skinny"]
PLAIN: dict[str, Any] = {"family": "packed_intrinsics", "isa": "avx2", "mr": 6, "nr": 16}


def with_paths(*paths: tuple[str, int, dict[str, Any]], **knobs: Any) -> Schedule:
    """A schedule with these regions, borders and knobs of their own."""
    own = [
        {"region": region, "most": most, "schedule": PLAIN | knobs | changed}
        for region, most, changed in paths
    ]
    return Schedule.model_validate(PLAIN | knobs | {"paths": own})


@st.composite
def drawn_lane(draw: st.DrawFn) -> Space:
    """The search space of one region on a random machine."""
    where = MACHINES[draw(st.sampled_from(sorted(MACHINES)))]
    suite = SUITES[draw(st.sampled_from(["skinny", "gpt2", "odd"]))]
    threads = draw(st.sampled_from([1, "all"]))
    return draw(st.sampled_from(path_spaces(where, threads, suite)))


@st.composite
def drawn_schedule(draw: st.DrawFn) -> tuple[Space, Schedule]:
    lane = draw(drawn_lane())
    return lane, lane.build({knob.name: draw(st.sampled_from(knob.choices)) for knob in lane.knobs})


@given(drawn_schedule())
def test_schedules_with_paths_keep_their_key_through_json_and_normalise(
    found: tuple[Space, Schedule],
) -> None:
    _, schedule = found
    assert Schedule.model_validate_json(schedule.model_dump_json()) == schedule
    assert schedule.normalise() == schedule
    assert schedule.paths
    assert schedule.key() != schedule.parts[GENERAL].key()
    assert schedule.distance(schedule) == 0


@given(drawn_schedule())
def test_a_lane_changes_the_path_of_its_region_and_nothing_else(found: tuple[Space, Schedule]) -> None:
    lane, schedule = found
    before, after = lane.base.parts, schedule.parts
    assert {name for name in before if before[name] != after[name]} <= {lane.region}
    others = {region: lane.base.border(region) for region in REGIONS if region != lane.region}
    assert others == {region: schedule.border(region) for region in others}
    assert (lane.key(schedule) == lane.key(lane.base)) == (schedule.key() == lane.base.key())


def test_the_keys_of_schedules_with_one_path_are_those_of_former_versions() -> None:
    run6 = {"kc": 1024, "mc": 72, "nc": 2048, "unroll": 8, "resident": "b", "direct_edge": 192, "thin": True}
    assert Schedule.model_validate(PLAIN | run6).key() == "75d1c2a94e17cb52"


def test_paths_in_another_order_of_another_unit_or_of_sgemm_are_refused() -> None:
    path = {"region": "few_rows", "most": 8, "schedule": PLAIN}
    small = path | {"region": "small"}
    assert "in the order small, few_rows" in refusal_message(**PLAIN, paths=[path, small])
    assert "each region once" in refusal_message(**PLAIN, paths=[path, path])
    wide = path | {"schedule": PLAIN | {"isa": "avx512", "nr": 32}}
    assert "few_rows must have family packed_intrinsics, isa avx2" in refusal_message(**PLAIN, paths=[wide])
    nested = path | {"schedule": PLAIN | {"paths": [small]}}
    assert "no paths of its own" in refusal_message(**PLAIN, paths=[nested])
    strided = PLAIN | {"family": "strided_intrinsics"}
    assert "have one code path" in refusal_message(**strided, paths=[path | {"schedule": strided}])


def test_a_border_belongs_to_its_region_and_the_first_region_that_holds_a_shape_has_it() -> None:
    schedule = with_paths(("small", 16, {}), ("few_rows", 8, {}), ("shallow", 8, {}), ("few_columns", 8, {}))
    expected = {
        (16, 16, 16): "small",
        (17, 16, 16): GENERAL,
        (8, 300, 300): "few_rows",
        (9, 300, 300): GENERAL,
        (300, 8, 300): "shallow",
        (300, 300, 8): "few_columns",
        (8, 300, 8): "few_rows",
        (300, 8, 8): "shallow",
        (0, 300, 8): "small",
    }
    assert {shape: schedule.path_of(Shape(*shape)) for shape in expected} == expected


def test_each_path_is_checked_at_its_own_shapes() -> None:
    """The blocks of A that few rows can fill are small; in the general path they would exceed every cache."""
    huge = {"kc": 1024, "mc": 8192, "nc": 512, "resident": "b", "pack_a": "panel"}
    shapes = (Shape(8, 4096, 512), Shape(8192, 2048, 2048))
    here = MACHINES["Haswell"]
    assert not feasible.refusals(feasible.check(with_paths(("few_rows", 8, huge)), here, shapes[:1]))
    (refused, *_) = feasible.refusals(
        feasible.check(with_paths(("few_rows", 8, {"mc": 48}), **huge), here, shapes[1:])
    )
    assert refused.startswith("path general: ")
    told = feasible.facts(with_paths(("few_rows", 8, {"mr": 4, "nr": 24})), here, shapes)
    assert "few_rows: the 4x24 tile uses 16 of 16 vector registers of avx2" in told
    assert any(line.startswith("general: the loop nest") for line in told)


def test_elongated_suites_have_a_lane_for_every_region_with_shapes_and_others_have_none() -> None:
    lanes = {lane.region: lane for lane in path_spaces(AVX2, 1, SKINNY)}
    assert set(lanes) == set(REGIONS)
    assert sorted(shape for lane in lanes.values() for shape in lane.shapes) == sorted(SKINNY)
    for region, lane in lanes.items():
        assert {lane.base.path_of(shape) for shape in lane.shapes} == {region}
    assert {lane.region for lane in path_spaces(AVX2, 1, SUITES["odd"])} == {"small", "few_rows", GENERAL}
    for name in ("default", "square", "large"):
        assert path_spaces(AVX2, 1, SUITES[name]) == []
    assert path_spaces(AVX2, 1, (Shape(64, 768, 768),)) == [], "one region needs no choice"
    assert path_spaces(MACHINES["old"], 1, SKINNY)[0].base.tier == "safe"


def test_the_rendered_borders_are_named_constants_and_every_path_is_a_module() -> None:
    source = render(with_paths(("few_rows", 12, {"mr": 4}), ("shallow", 9, {"kc": 128})), "by shape")
    for line in (
        "const FEW_ROWS: usize = 12;",
        "const SHALLOW: usize = 9;",
        "    if m <= FEW_ROWS {",
        "        return few_rows::matmul(m, k, n, a, b, c);",
        "    general::matmul(m, k, n, a, b, c)",
    ):
        assert line in source.splitlines()
    assert re.findall(r"^mod (\w+) \{", source, re.MULTILINE) == ["few_rows", "shallow", "general"]
    assert source.startswith("//! by shape\n")


def test_regions_with_equal_schedules_share_a_module() -> None:
    source = render(with_paths(("small", 64, {}), ("few_rows", 8, {"kc": 128}), ("shallow", 8, {})), "x")
    assert re.findall(r"^mod (\w+) \{", source, re.MULTILINE) == ["few_rows", "general"]
    assert source.count("general::matmul(m, k, n, a, b, c)") == 3


@pytest.mark.parametrize("family", ["packed", "packed_intrinsics"])
@pytest.mark.parametrize("threads", [1, "all"])
def test_kernels_with_paths_build_without_a_warning_and_are_right_on_both_sides_of_every_border(
    family: str, threads: Any
) -> None:
    here = machine.read()
    if family == "packed_intrinsics" and here.vector == "portable":
        pytest.skip("this machine has no vector unit that the templates know")
    base = first(here, threads, family=family).model_dump() | {"parallel_edge": 8, "direct_edge": 20}
    own: dict[str, dict[str, Any]] = {
        "small": {"kc": 32, "prefetch_next": True},
        "few_rows": {"resident": "a"},
    }
    if threads == "all":
        own = {"shallow": {"pack_a": "panel"}, "few_columns": {"nc": 96}}
    borders = {"small": 12, "few_rows": 10, "shallow": 9, "few_columns": 8}
    paths = [
        {"region": region, "most": borders[region], "schedule": base | changed}
        for region, changed in own.items()
    ]
    schedule = Schedule.model_validate(base | {"paths": paths})
    library = build(render(schedule, "by shape"), schedule.tier)
    around = [Shape(m, k, n) for m in (10, 11, 70) for k in (9, 10, 130) for n in (8, 9, 75)]
    edges = [
        Shape(0, 3, 5),
        Shape(3, 0, 5),
        Shape(5, 3, 0),
        Shape(40, 0, 40),
        Shape(12, 12, 12),
        Shape(12, 12, 13),
    ]
    check_shapes(library, [*around, *edges], threads=1 if threads == 1 else min(2, len(here.cores)))


@given(drawn_lane(), st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
@settings(max_examples=50)
def test_every_shape_has_exactly_one_path(lane: Space, m: int, k: int, n: int) -> None:
    name = lane.base.path_of(Shape(m, k, n))
    holding = [path.region for path in lane.base.paths or () if path.holds(Shape(m, k, n))]
    assert name == (holding[0] if holding else GENERAL)
