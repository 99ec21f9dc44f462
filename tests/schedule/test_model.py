"""Schedule: what it refuses and with which message, when two schedules are the same kernel, and the search spaces."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.machine import Machine
from harness.schedule import analytical
from harness.schedule.families import FAMILIES
from harness.schedule.model import Bilinear, Proposal, Schedule
from harness.schedule.space import space
from harness.schedule.vector_units import UNITS, tile_registers

KIB, MIB = 1 << 10, 1 << 20


def machine(cpu: str, arch: str, isa: tuple[str, ...], l1: int, l2: int, l3: int, cores: int = 2) -> Machine:
    """A Machine with sizes in bytes."""
    return Machine(cpu, arch, "Linux", isa, l1, l2, l3, tuple(range(cores)))


_AVX2 = ("avx", "avx2", "fma")
_AVX512 = (*_AVX2, "avx512f", "avx512vl")
MACHINES = {
    "Haswell": machine("Haswell", "x86_64", _AVX2, 32 * KIB, 256 * KIB, 8 * MIB),
    "Zen 3": machine("Zen 3", "x86_64", _AVX2, 32 * KIB, 512 * KIB, 32 * MIB),
    "Zen 4": machine("Zen 4 (family 25 model 17)", "x86_64", _AVX512, 32 * KIB, MIB, 32 * MIB),
    "SKX": machine("SKX", "x86_64", _AVX512, 32 * KIB, MIB, 24 * MIB, 16),
    "SPR": machine("SPR", "x86_64", _AVX512, 48 * KIB, 2 * MIB, 105 * MIB, 8),
    "M1": machine("M1", "aarch64", ("neon",), 128 * KIB, 12 * MIB, 8 * MIB, 8),
    "old": machine("old", "x86_64", ("sse4_2",), 32 * KIB, 256 * KIB, 4 * MIB),
}


@st.composite
def drawn(draw: st.DrawFn) -> Schedule:
    """A random point of the search space of a random machine."""
    where = MACHINES[draw(st.sampled_from(sorted(MACHINES)))]
    families = ["packed"] + (
        ["packed_intrinsics", "strided_intrinsics"] if where.vector != "portable" else []
    )
    chosen = space(where, draw(st.sampled_from([1, "all"])), family=draw(st.sampled_from(families)))
    return chosen.build({knob.name: draw(st.sampled_from(knob.choices)) for knob in chosen.knobs})


def refusal_message(**knobs: object) -> str:
    """The message with which Schedule refuses these knobs."""
    with pytest.raises(ValidationError) as caught:
        Schedule.model_validate(knobs)
    return str(caught.value.errors()[0]["msg"])


def test_a_tile_width_that_is_no_multiple_of_the_lanes_is_refused_and_valid_widths_are_named() -> None:
    said = refusal_message(family="packed", isa="avx512", nr=20)
    assert "nr = 20" in said
    assert "16, 32, 48" in said


def test_a_tile_that_needs_too_many_registers_is_refused_and_the_largest_mr_is_named() -> None:
    said = refusal_message(family="packed_intrinsics", isa="avx512", mr=16, nr=32)
    assert "35 vector registers" in said
    assert "mr <= 14" in said
    assert Schedule(family="packed_intrinsics", isa="avx512", mr=14, nr=32).tile == "14x32"


def test_a_tile_too_wide_for_any_mr_is_refused_without_suggesting_an_mr() -> None:
    said = refusal_message(family="packed_intrinsics", isa="avx2", mr=1, nr=128)
    assert "too wide" in said
    assert "mr <=" not in said


def test_intrinsics_need_a_vector_unit() -> None:
    assert "avx2, avx512 or neon" in refusal_message(family="packed_intrinsics")


def test_packing_buffers_above_the_limit_are_refused() -> None:
    assert "lower kc, mc or nc" in refusal_message(family="packed", isa="avx2", nr=16, kc=4096, nc=16384)


@pytest.mark.parametrize("family", ["naive", "packed_intrinsics"])
def test_the_key_bilinear_and_the_family_bilinear_need_each_other(family: str) -> None:
    assert "bilinear" in refusal_message(family=family, isa="avx2", bilinear={"scheme": "strassen"})
    assert "bilinear" in refusal_message(family="bilinear", isa="avx2", nr=16)


def test_the_inner_kernel_decides_the_tier_of_a_bilinear_schedule() -> None:
    safe = Schedule(
        family="bilinear", isa="avx2", nr=16, bilinear=Bilinear(scheme="strassen", inner="packed")
    )
    assert (safe.kernel, safe.tier) == ("packed", "safe")
    fast = safe.model_copy(update={"bilinear": Bilinear(scheme="strassen")})
    assert (fast.kernel, fast.tier) == ("packed_intrinsics", "unsafe")


def test_unknown_knobs_and_out_of_range_values_are_refused() -> None:
    assert "Extra" in refusal_message(family="naive", tile="6x16")
    assert "4096" in refusal_message(family="blocked", kc=5000)


@given(drawn())
def test_normalise_is_idempotent_and_keeps_the_key(schedule: Schedule) -> None:
    once = schedule.normalise()
    assert once.normalise() == once
    assert once.key() == schedule.key()
    assert schedule.distance(once) == 0
    assert schedule.differences(once) == {}


@given(drawn(), drawn())
def test_distance_and_differences_are_zero_exactly_for_equal_keys(one: Schedule, other: Schedule) -> None:
    same = one.key() == other.key()
    assert (one.distance(other) == 0) == same
    assert (one.differences(other) == {}) == same
    assert one.distance(other) == pytest.approx(other.distance(one))


def test_knobs_that_a_family_ignores_do_not_change_the_key() -> None:
    plain = Schedule(family="naive")
    assert Schedule(family="naive", kc=512, mr=2, isa="avx2", split="cols").key() == plain.key()
    one = Schedule(family="packed", isa="avx2", nr=16, mr=6, mc=100)
    assert one.model_copy(update={"mc": 96, "unroll": 4, "tasks_per_thread": 3}).key() == one.key()
    assert one.model_copy(update={"kc": 128}).key() != one.key()
    assert one.model_copy(update={"threads": "all"}).key() != one.key()


@given(drawn())
def test_schedules_round_trip_through_json(schedule: Schedule) -> None:
    assert Schedule.model_validate_json(schedule.model_dump_json()) == schedule


@pytest.mark.parametrize("name", sorted(MACHINES))
@pytest.mark.parametrize("threads", [1, "all"])
def test_the_first_schedule_fits_registers_and_caches(name: str, threads: object) -> None:
    where = MACHINES[name]
    first = analytical.first(where, 1 if threads == 1 else "all")
    assert first.isa == where.vector
    assert tile_registers(first.mr, first.vectors) <= UNITS[first.isa].registers
    micro_panel_of_a = 4 * first.mr * first.kc
    assert micro_panel_of_a <= where.l1d_bytes * 3 // 4
    block_of_b = 4 * first.kc * first.nc
    assert block_of_b <= max(where.l2_bytes, where.l3_bytes // 8)
    assert first.kc >= 128  # a smaller kc reads and writes C too often
    assert first.threads == threads
    assert first.tier == ("safe" if first.isa == "portable" else "unsafe")
    assert first == first.normalise()


def test_only_cores_with_one_fma_per_cycle_stream_a_block_of_b_larger_than_l2() -> None:
    """Where the strip of B stays in L1, its block is not streamed, and the block of A fits L2 instead."""
    for name, where in MACHINES.items():
        first = analytical.first(where)
        if first.resident == "b":
            assert 4 * first.mc * (first.kc + 16) < where.l2_bytes // 2, name
            assert 4 * first.kc * first.nr <= where.l1d_bytes, name
        else:
            assert (4 * first.kc * first.nc > where.l2_bytes) == (name == "Zen 4"), name
    assert {analytical.first(where).resident for where in MACHINES.values()} == {"a", "b"}


def test_larger_caches_never_lead_to_smaller_blocks() -> None:
    zen4 = MACHINES["Zen 4"]
    larger = replace(zen4, l1d_bytes=48 * KIB, l2_bytes=2 * MIB)
    for unit in ("avx512", "avx2"):
        assert analytical.kc_for(larger, unit, 12, 32) >= analytical.kc_for(zen4, unit, 12, 32)
        assert analytical.nc_for(larger, unit, 32, 512) >= analytical.nc_for(zen4, unit, 32, 512)
    assert analytical.direct_edge(larger, "avx2") >= analytical.direct_edge(zen4, "avx2")


# Independent FMA chains that saturate the widest common core of each unit: latency in cycles times FMAs per cycle.
FMA_CHAINS = {"avx512": 4 * 2, "avx2": 5 * 2, "neon": 4 * 4, "portable": 4 * 2}


@dataclass(frozen=True, slots=True)
class RegisterTile:
    """A register tile, the vector registers it needs, and its vector loads per FMA."""

    mr: int
    nr: int
    registers: int
    loads_per_fma: float


def register_tiles(isa: str) -> list[RegisterTile]:
    """Every tile that fits the registers of `isa` and has enough FMA chains, fewest loads per FMA first.

    ValueError for an unknown isa.
    """
    if isa not in UNITS:
        raise ValueError(f"unknown isa '{isa}'; known: {', '.join(UNITS)}")
    unit, tiles = UNITS[isa], []
    for vectors in range(1, 7):
        for mr in range(1, 31):
            needed = tile_registers(mr, vectors)
            enough = mr * vectors >= min(FMA_CHAINS[isa], unit.registers - vectors - 1)
            if needed <= unit.registers and enough:
                loads_per_fma = (mr + vectors) / (mr * vectors)
                tiles.append(RegisterTile(mr, vectors * unit.lanes, needed, loads_per_fma))
    return sorted(tiles, key=lambda tile: (tile.loads_per_fma, tile.nr))


@pytest.mark.parametrize("isa", sorted(UNITS))
def test_register_tiles_fit_the_registers_and_are_sorted_by_loads_per_fma(isa: str) -> None:
    tiles = register_tiles(isa)
    loads = [tile.loads_per_fma for tile in tiles]
    assert loads == sorted(loads)
    assert all(tile.registers <= UNITS[isa].registers and tile.nr % UNITS[isa].lanes == 0 for tile in tiles)
    shown = {f"{tile.mr}x{tile.nr}" for tile in tiles}
    assert {"avx512": "14x32", "avx2": "6x16", "neon": "8x12", "portable": "4x8"}[isa] in shown


def test_register_tiles_for_an_unknown_unit_raise_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="avx2"):
        register_tiles("altivec")


@pytest.mark.parametrize("isa", sorted(UNITS))
def test_every_tile_of_a_family_makes_a_valid_schedule(isa: str) -> None:
    for family in ("packed_intrinsics", "packed"):
        for tile in FAMILIES[family].tiles[isa] if isa != "portable" or family == "packed" else ():
            mr, nr = map(int, tile.split("x"))
            assert Schedule.model_validate({"family": family, "isa": isa, "mr": mr, "nr": nr}).tile == tile


@given(drawn())
def test_choices_of_finds_a_point_of_the_space_at_least_as_near_as_the_base(schedule: Schedule) -> None:
    where = next(m for m in MACHINES.values() if m.vector == schedule.isa)
    chosen = space(where, schedule.threads, family=schedule.family)
    assert chosen.build(chosen.choices_of(schedule)).distance(schedule) <= chosen.base.distance(schedule)


def test_a_space_without_choices_builds_its_base_and_refuses_unknown_knobs() -> None:
    chosen = space(MACHINES["Zen 4"])
    assert chosen.build({}) == chosen.base
    with pytest.raises(ValueError, match="this space has tile, kc"):
        chosen.build({"colour": "red"})


def test_the_json_schema_is_small_and_not_recursive_so_that_it_can_become_a_grammar() -> None:
    schema = Proposal.model_json_schema()
    assert len(json.dumps(schema)) < 8000
    assert {"Bilinear", "Schedule"} <= set(schema["$defs"])
    assert "#/$defs/Schedule" not in json.dumps(schema["$defs"])  # no recursion
    for knob in schema["$defs"]["Schedule"]["properties"].values():
        bounded = {"enum", "const", "anyOf", "default"} & set(knob) or {"minimum", "maximum"} <= set(knob)
        assert bounded, knob
