"""Objections: impossible proposals are refused with numbers, working ones pass, advice stops nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.machine import Machine
from harness.schedule.analytical import first
from harness.schedule.bilinear import compose, schemes, symbolic
from harness.schedule.bilinear.scheme import Proof, exact, prove
from harness.schedule.feasible import Objection, Severity, check, facts, read, refusals
from harness.schedule.model import Proposal, Schedule
from harness.schedule.space import space
from harness.schedule.vector_units import tile_registers
from harness.shapes import Shape

ZEN4 = Machine(
    cpu="a Zen 4",
    arch="x86_64",
    os="Linux",
    isa=("avx2", "fma", "avx512f", "avx512vl"),
    l1d_bytes=32 << 10,
    l2_bytes=1 << 20,
    l3_bytes=32 << 20,
    cores=(0, 1),
)
HASWELL = replace(ZEN4, cpu="a Haswell", isa=("avx2", "fma"), l2_bytes=256 << 10, l3_bytes=8 << 20)
APPLE = replace(
    ZEN4, cpu="an M1", arch="aarch64", isa=("neon",), l1d_bytes=128 << 10, l2_bytes=12 << 20, l3_bytes=0
)
SUITE = (Shape(256, 256, 256), Shape(1024, 1024, 1024), Shape(1000, 77, 333))


def schedule(machine: Machine = ZEN4, **changes: Any) -> Schedule:
    return Schedule.model_validate(first(machine, changes.get("threads", 1)).model_dump() | changes)


def fast(**changes: Any) -> Schedule:
    recursion = {"scheme": "strassen", "levels": 1, "cutoff": 1024} | changes
    return schedule(family="bilinear", bilinear=recursion)


def refused(subject: Schedule | Proposal, machine: Machine = ZEN4, **options: Any) -> list[str]:
    return refusals(check(subject, machine, options.pop("shapes", SUITE), **options))


@pytest.mark.parametrize("machine", [ZEN4, HASWELL, APPLE], ids=lambda machine: machine.cpu)
@pytest.mark.parametrize("threads", [1, "all"])
def test_the_analytical_schedule_is_never_refused(machine: Machine, threads: Any) -> None:
    for family in (None, "packed", "blocked", "naive"):
        chosen = first(machine, threads, family=family)
        assert refused(chosen, machine) == []
        assert facts(chosen, machine, SUITE)


@given(st.data())
def test_no_point_of_the_search_space_is_refused(data: st.DataObject) -> None:
    machine = data.draw(st.sampled_from([ZEN4, HASWELL, APPLE]))
    points = space(machine, data.draw(st.sampled_from([1, "all"])))
    choices = {knob.name: data.draw(st.sampled_from(knob.choices)) for knob in points.knobs}
    assert refused(points.build(choices), machine) == []


def proposal(plain: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"algorithm": "a try", "schedule": plain} | more


def test_a_tile_that_exceeds_the_registers_is_refused_with_the_count() -> None:
    answer = read(proposal(schedule().model_dump() | {"mr": 14, "nr": 48}))
    assert isinstance(answer, list)
    assert "46 vector registers" in str(answer[0])
    assert "avx512 has 32" in str(answer[0])
    unchecked = schedule().model_copy(update={"mr": 14, "nr": 48})
    assert "MR=14, NR=48 needs 42+3+1 = 46 vector registers; avx512 has 32" in refused(unchecked)
    assert tile_registers(mr=12, vectors=2) == schedule(mr=12, nr=32).vectors * 13 + 1 == 27


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"algorithm": "x"}, "schedule: Field required"),
        (proposal({"family": "quantum"}), "schedule.family: "),
        (proposal({"family": "packed", "isa": "avx2", "nr": 12}), "nr = 12 is not a multiple of the 8 lanes"),
        (proposal({"family": "naive", "magic": 1}), "schedule.magic: "),
        (proposal({"family": "naive"}, loops=[{"axis": "z", "step": 1}]), "loops.0.axis: "),
    ],
)
def test_invalid_proposals_are_objected_to_field_by_field(data: dict[str, Any], message: str) -> None:
    answer = read(data)
    assert isinstance(answer, list)
    assert any(message in str(objection) for objection in answer)
    assert all(isinstance(objection, Objection) and "\n" not in str(objection) for objection in answer)


@pytest.mark.parametrize(
    ("subject", "machine", "message"),
    [
        (
            schedule(),
            HASWELL,
            "isa = avx512 needs avx512f and avx512vl, which a Haswell lacks; use isa = avx2",
        ),
        (schedule(HASWELL), APPLE, "needs avx2 and fma, which an M1 lacks; use isa = neon"),
        (schedule(mr=1, nr=16), ZEN4, "MR=1, NR=16 keeps 1 independent accumulators"),
        (schedule(threads="all", parallel_edge=4096), ZEN4, "keeps every shape of the suite on one thread"),
        (fast(cutoff=4096), ZEN4, "no shape of the suite reaches it (the largest is 1024)"),
        (fast(cutoff=64), ZEN4, "that cannot be faster; use a cutoff of at least"),
        (
            fast(scheme="classical_2x2x2"),
            ZEN4,
            "saves nothing: the classical algorithm has 8 products, it has 8",
        ),
        (fast(scheme="unheard_of"), ZEN4, "no scheme is called 'unheard_of'; there are"),
        (
            fast(program="c11 = a11 b11 - a12 b21"),
            ZEN4,
            "a12·b21 must contribute 1 to c11, but the scheme gives -1",
        ),
        (fast(program="c11 = a11 b11 +"), ZEN4, "line 1: "),
        (fast(program="c11 = 3 (a11 b11 / 3)"), ZEN4, "saves nothing"),
    ],
)
def test_proposals_that_cannot_work_are_refused(subject: Schedule, machine: Machine, message: str) -> None:
    answers = refused(subject, machine)
    assert any(message in answer for answer in answers), answers
    assert all("\n" not in answer for answer in answers)


def test_a_scheme_with_a_coefficient_that_f32_cannot_hold_is_refused() -> None:
    """A valid scheme with coefficients 1/3: the A side of every product times 1/3, its outputs times 3."""
    strassen = schemes.named("strassen")
    u = tuple(tuple(x / 3 for x in row) for row in strassen.u)
    w = tuple(tuple(x * 3 for x in row) for row in strassen.w)
    program = symbolic.write(replace(strassen, u=u, w=w))
    assert any(
        "the coefficient 1/3 is not exact in f32" in answer for answer in refused(fast(program=program))
    )


def test_a_scheme_with_large_error_growth_is_refused() -> None:
    """A valid scheme in a basis whose large terms cancel: it is proved, but too inaccurate in f32."""
    p, q = exact([[1, 1 << 12], [0, 1]]), exact([[1, 0], [1 << 12, 1]])
    rebased = compose.change_basis(schemes.named("strassen"), p, q, p)
    assert isinstance(prove(rebased), Proof)
    assert any("normwise bound" in answer for answer in refused(fast(program=symbolic.write(rebased))))
    assert refused(fast(program=symbolic.write(schemes.named("winograd")))) == []


def test_packing_buffers_and_workspace_beyond_the_memory_limit_are_refused() -> None:
    many = replace(ZEN4, cores=tuple(range(128)))
    hungry = schedule(threads="all", kc=1024, nc=8192, parallel_edge=0)
    answers = refused(hungry, many)
    assert any(
        ("128 thread(s)" in answer and "1024x1024x1024" in answer) or "256x256x256" in answer
        for answer in answers
    )
    assert not refused(hungry, ZEN4)
    assert any("MiB" in answer for answer in refused(fast(), ZEN4, memory_bytes=1 << 20))


def test_another_thread_class_is_refused_and_slow_choices_only_get_advice() -> None:
    assert any("threads = 1, but this session" in answer for answer in refused(schedule(), threads="all"))
    single = replace(ZEN4, cores=(0,))
    objections = check(schedule(threads="all"), single, SUITE)
    assert not refusals(objections)
    assert any(o.severity is Severity.ADVICE and "1 core" in str(o) for o in objections)
    slow = check(schedule(kc=16), ZEN4, SUITE)
    assert not refusals(slow)
    assert any("KC=16 reads and writes C 64 times at k = 1024" in str(o) for o in slow)


def test_blocks_that_exceed_a_cache_are_reported_in_kib() -> None:
    advice = [str(o) for o in check(schedule(kc=2048, resident="b", mc=504), ZEN4, [Shape(4096, 4096, 4096)])]
    assert any(
        "KC=2048 makes the panel of 32 columns of B that must stay in L1 256 KiB" in text for text in advice
    )
    little = replace(ZEN4, l2_bytes=256 << 10)
    assert refused(schedule(kc=2048, resident="b"), little, shapes=[Shape(4096, 4096, 4096)])
    wide = schedule(HASWELL, kc=1024, nc=4096, resident="a", pack_b="panel")
    assert any(
        "16384 KiB" in text and "8192 KiB" in text
        for text in refused(wide, HASWELL, shapes=[Shape(4096, 4096, 4096)])
    )
    # A schedule that measures well on a real machine gets no advice about its blocks.
    assert not [o for o in check(first(ZEN4), ZEN4, SUITE) if o.about in ("kc", "nc", "mc")]
    # kc is larger than k in a suite of small shapes, so it does no harm there.
    assert not check(schedule(kc=2048, resident="b"), ZEN4, [Shape(64, 64, 64)])


@pytest.mark.parametrize(
    ("loops", "message"),
    [
        (
            [("n", 32, "drop"), ("m", 14, "clip"), ("k", 1, "clip")],
            "column 0 is computed never instead of once",
        ),
        (
            [("n", 512, "clip"), ("m", 14, "clip")],
            "the innermost step over n is 512, but the tile takes at most 32",
        ),
        ([("n", 32, "clip")], "no loop runs over m, but the tile takes at most 14"),
        (
            [("m", 14, "clip"), ("n", 100, "clip"), ("n", 32, "clip_matrix")],
            "is computed 2 times instead of once",
        ),
    ],
)
def test_a_wrong_loop_nest_of_a_proposal_is_refused(loops: list[tuple[str, int, str]], message: str) -> None:
    nest = [{"axis": axis, "step": step, "edge": edge} for axis, step, edge in loops]
    answer = read(proposal(schedule(mr=14, nr=32).model_dump(), loops=nest))
    assert isinstance(answer, Proposal)
    assert any(message in text for text in refused(answer)), refused(answer)


def test_a_right_loop_nest_of_a_proposal_passes() -> None:
    nest = [{"axis": "n", "step": 512}, {"axis": "k", "step": 256, "edge": "balanced"}]
    nest += [{"axis": "m", "step": 14, "edge": "balanced"}, {"axis": "n", "step": 32}]
    answer = read(proposal(schedule(mr=14, nr=32).model_dump(), loops=nest))
    assert isinstance(answer, Proposal)
    assert refused(answer) == []


def test_facts_state_the_proof_of_the_scheme() -> None:
    proved = facts(fast(), ZEN4, SUITE)
    assert any(
        "strassen ⟨2,2,2;7⟩: all 64 Brent equations hold exactly; 18 block additions" in fact
        for fact in proved
    )
    with pytest.raises(UserError, match="must contribute 1"):
        facts(fast(program="c11 = a11 b11 - a12 b21"), ZEN4, SUITE)
