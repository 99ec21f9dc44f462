"""Loop nests: `covers` agrees with counting every index, and a wrong nest is reported with a counterexample."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine import Machine
from harness.schedule.analytical import first
from harness.schedule.loop_nests import nests
from harness.schedule.loops import AXES, Loop, covers, fault_at, leaves, pieces, prove_cover
from harness.schedule.model import Schedule
from harness.schedule.render import render
from harness.schedule.vector_units import UNITS

EDGES = ["clip", "balanced", "clip_matrix", "drop", "exact"]
one_axis = st.lists(
    st.builds(
        Loop, axis=st.just("n"), step=st.integers(1, 12), edge=st.sampled_from(EDGES), unit=st.integers(1, 5)
    ),
    max_size=4,
)


@given(one_axis)
def test_covers_agrees_with_counting(nest: list[Loop]) -> None:
    """`covers` is about all sizes; counting checks it at every size below 60."""
    faults = [fault for size in range(60) if (fault := fault_at(nest, "n", size))]
    if covers(nest, "n"):
        assert not faults
    else:
        # `covers` may reject a right nest (a clip_matrix loop can undo the overrun of an exact loop); counting decides.
        assert bool(prove_cover(nest)) == bool(faults)


@given(one_axis, st.integers(0, 80))
def test_a_reported_fault_is_one_that_counting_finds(nest: list[Loop], size: int) -> None:
    fault = fault_at(nest, "n", size)
    visits = [index for start, stop in leaves(nest, "n", size) for index in range(start, stop)]
    if fault is None:
        assert sorted(visits) == list(range(size))
    else:
        assert visits.count(fault.index) == fault.times
        assert fault.times != 1 or fault.index >= size


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 400), st.integers(0, 50))
def test_balanced_pieces_are_nearly_equal_and_at_most_one_step_long(
    step: int, unit: int, length: int, start: int
) -> None:
    loop = Loop(axis="m", step=step * unit, edge="balanced", unit=unit)
    cut = pieces(loop, (start, start + length), 1000)
    assert [index for low, high in cut for index in range(low, high)] == list(range(start, start + length))
    sizes = [high - low for low, high in cut]
    assert all(0 < size <= step * unit for size in sizes)
    assert all(size % unit == 0 for size in sizes[:-1])
    assert len(cut) == -(-length // (step * unit))
    assert not sizes or max(sizes) - min(sizes[:-1] or sizes) <= unit


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    isa = draw(st.sampled_from(["avx512", "avx2", "neon"]))
    vectors = draw(st.integers(1, 2))
    return Schedule.model_validate(
        {
            "family": draw(st.sampled_from(["packed", "packed_intrinsics"])),
            "isa": isa,
            "mr": draw(st.integers(1, 6)),
            "nr": vectors * UNITS[isa].lanes,
            "kc": draw(st.integers(16, 64)),
            "mc": draw(st.integers(1, 64)),
            "nc": draw(st.integers(4, 128)),
            "resident": draw(st.sampled_from(["a", "b"])),
            "pack_a": draw(st.sampled_from(["none", "strip", "panel"])),
            "pack_b": draw(st.sampled_from(["none", "strip", "panel"])),
        }
    )


@given(schedules(), st.tuples(*[st.integers(0, 200)] * 3))
def test_the_loop_nests_of_every_schedule_cover_every_size_exactly_once(
    schedule: Schedule, shape: tuple[int, int, int]
) -> None:
    for path, nest in nests(schedule.normalise()).items():
        assert not prove_cover(nest, [shape]), path
        for axis, limit in (("m", schedule.mr), ("n", schedule.nr)):
            size = shape[AXES.index(axis)]
            assert all(0 < stop - start <= limit for start, stop in leaves(nest, axis, size)), (path, axis)


@pytest.mark.parametrize(
    ("nest", "message"),
    [
        ([("n", 32, "drop")], "with n = 1, column 0 is computed never instead of once"),
        ([("n", 32, "exact")], "with n = 1 the loops run beyond the end, to column 31"),
        (
            [("m", 10, "clip"), ("m", 4, "clip_matrix")],
            "with m = 11, row 10 is computed 2 times instead of once",
        ),
        ([("k", 256, "balanced"), ("k", 4, "drop")], "with k = 1, depth 0 is computed never instead of once"),
    ],
)
def test_a_wrong_nest_is_reported_with_a_counterexample(
    nest: list[tuple[str, int, str]], message: str
) -> None:
    loops = [Loop.model_validate({"axis": a, "step": s, "edge": e}) for a, s, e in nest]
    assert [str(fault) for fault in prove_cover(loops)] == [message]


ZEN4 = Machine(
    "test", "x86_64", "Linux", ("avx2", "fma", "avx512f", "avx512vl"), 32768, 1 << 20, 1 << 25, (0,)
)


def loops_in_rust(text: str) -> tuple[Loop, ...]:
    """The loops of `fn packed` in a rendered kernel, outermost first, with the values of its constants."""
    values = {name: int(x) for name, x in re.findall(r"const (\w+): usize = (\d+);", text)}
    values["NR"] = values["NV"] * values["LANES"]
    body = re.split(r"\n *(?:pub )?(?:unsafe )?fn ", text.split("fn packed(")[1])[0]
    headers = re.findall(
        r"for \(?(\w+)(?:, \w+\))? in (?:(cuts|strips)\([\w.]+, (\w+)\)|\(0\.\.[\w.]+\)\.step_by\((\w+)\))",
        body,
    )
    found = []
    for name, rule, most, step in headers:
        axis = {"j": "n", "p": "k", "i": "m"}[name[0]]
        unit = values["NR"] if rule == "strips" else 1
        edge = "balanced" if rule else "clip"
        found.append(
            Loop.model_validate({"axis": axis, "step": values[most or step], "edge": edge, "unit": unit})
        )
    return tuple(found)


@pytest.mark.parametrize("family", ["packed", "packed_intrinsics"])
@pytest.mark.parametrize("pack_b", ["none", "strip", "panel"])
@pytest.mark.parametrize("resident", ["a", "b"])
def test_nests_describes_the_loops_in_the_rendered_rust(family: str, pack_b: str, resident: str) -> None:
    changes = {
        "family": family,
        "pack_a": "strip",
        "pack_b": pack_b,
        "resident": resident,
        "mc": 96,
        "kc": 320,
    }
    schedule = Schedule.model_validate(first(ZEN4).model_dump() | changes).normalise()
    text = render(schedule, "nest")
    assert loops_in_rust(text) == nests(schedule)["packed"]
    flat = re.sub(r"\s+", " ", text)
    for line in (
        "let pieces = total.div_ceil(most);",
        "let (size, longer) = (total / pieces, total % pieces);",
        "(i * size + i.min(longer), size + usize::from(i < longer))",
    ):
        assert line in flat, f"the Rust function cuts changed; adapt loops.pieces, edge balanced: {line}"
    if pack_b != "strip":
        assert (
            "cuts(total.div_ceil(NR), most / NR).map(move |(j, w)| (j * NR, (w * NR).min(total - j * NR)))"
            in flat
        )


def test_the_tests_use_every_kind_of_edge() -> None:
    assert set(EDGES) == set(get_args(Loop.model_fields["edge"].annotation))
