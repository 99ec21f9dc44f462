"""Loop nests: the rules decide the same as counting every index, and wrong nests are shown by an example."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine import Machine
from harness.schedule.analytical import first
from harness.schedule.loops import AXES, Loop, covers, fault_at, leaves, pieces, prove_cover
from harness.schedule.model import Schedule
from harness.schedule.nests import nests
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
def test_the_rules_decide_what_counting_decides(nest: list[Loop]) -> None:
    """`covers` speaks about all sizes: every size up to two periods of the steps must agree with it."""
    faults = [fault for size in range(60) if (fault := fault_at(nest, "n", size))]
    if covers(nest, "n"):
        assert not faults
    else:
        # The rules may be too strict (a clip_matrix may mend what an exact loop did): then counting has the last word.
        assert bool(prove_cover(nest)) == bool(faults)


@given(one_axis, st.integers(0, 80))
def test_faults_are_real(nest: list[Loop], size: int) -> None:
    fault = fault_at(nest, "n", size)
    visits = [index for start, stop in leaves(nest, "n", size) for index in range(start, stop)]
    if fault is None:
        assert sorted(visits) == list(range(size))
    else:
        assert visits.count(fault.index) == fault.times
        assert fault.times != 1 or fault.index >= size


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 400), st.integers(0, 50))
def test_balanced_pieces_are_even_and_within_the_step(step: int, unit: int, length: int, start: int) -> None:
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
def test_every_schedule_covers_every_size_once(schedule: Schedule, shape: tuple[int, int, int]) -> None:
    for path, nest in nests(schedule.normalise()).items():
        assert not prove_cover(nest, [shape]), path
        for axis, limit in (("m", schedule.mr), ("n", schedule.nr)):
            size = shape[AXES.index(axis)]
            assert all(0 < stop - start <= limit for start, stop in leaves(nest, axis, size)), (path, axis)


@pytest.mark.parametrize(
    ("nest", "told"),
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
def test_wrong_nests_are_shown_by_an_example(nest: list[tuple[str, int, str]], told: str) -> None:
    loops = [Loop.model_validate({"axis": a, "step": s, "edge": e}) for a, s, e in nest]
    assert [str(fault) for fault in prove_cover(loops)] == [told]


ZEN4 = Machine(
    "test", "x86_64", "Linux", ("avx2", "fma", "avx512f", "avx512vl"), 32768, 1 << 20, 1 << 25, (0,)
)


def loops_in_rust(text: str) -> tuple[Loop, ...]:
    """The loop headers of `fn packed` in a rendered kernel, in order, with its constants put in."""
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
def test_the_nest_is_the_one_in_the_rust(family: str, pack_b: str, resident: str) -> None:
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
        assert line in flat, f"`cuts` changed, and `loops.pieces` with edge balanced restates it: {line}"
    if pack_b != "strip":
        assert (
            "cuts(total.div_ceil(NR), most / NR).map(move |(j, w)| (j * NR, (w * NR).min(total - j * NR)))"
            in flat
        )


def test_edges_are_all_known() -> None:
    assert set(EDGES) == set(get_args(Loop.model_fields["edge"].annotation))
