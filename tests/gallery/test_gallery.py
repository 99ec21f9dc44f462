"""The gallery: every known trick is rejected by the gate that is meant to catch it; honest kernels pass.

The head of each kernel states the expected verdict, `expect: Wrong shapes`, with alternatives separated by `|`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.candidate import Candidate, Manifest
from harness.pipeline import GatePassed, Inspection, SharedTools
from harness.settings import Profile
from harness.verdict import Gate, describe, name
from tests.conftest import SEED, shared_tools_in

GALLERY = Path(__file__).parent
KERNELS = sorted(GALLERY.glob("*.rs"))


@dataclass(frozen=True)
class Expected:
    """The allowed verdicts and gates; no gates for an accepted kernel."""

    verdicts: frozenset[str]
    gates: frozenset[str]


def read(path: Path) -> tuple[Candidate, Expected]:
    source = path.read_text(encoding="utf-8")
    said = dict(re.findall(r"^//! (expect|threads|tier|operation): (.+)$", source, re.MULTILINE))
    verdicts, _, gates = said["expect"].partition(" ")
    manifest = Manifest.model_validate(
        {
            "threads": "all" if said["threads"] == "all" else 1,
            "tier": said["tier"],
            "operation": said.get("operation", "matmul"),
            "title": path.stem,
        }
    )
    split = Expected(frozenset(verdicts.split("|")), frozenset(gates.split("|")) - {""})
    return Candidate(path.stem, path.parent, source, manifest), split


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> SharedTools:
    """With the quick profile, at which most tricks must be caught, too."""
    return shared_tools_in(
        tmp_path_factory.mktemp("gallery"),
        suite="64x64x64,256x256x256",
        profile=Profile.QUICK,
        clock_budget_s=1.0,
        seed=SEED,
    )


@pytest.fixture(scope="session")
def large(patient: SharedTools) -> SharedTools:
    """With a large timed shape as well, for what happens only there."""
    return SharedTools(replace(patient.settings, suite="64x64x64,1024x1024x1024"), say=lambda line: None)


@pytest.fixture(scope="session")
def patient(shared: SharedTools) -> SharedTools:
    """With the default profile, for what the quick one may miss."""
    return SharedTools(replace(shared.settings, profile=Profile.DEFAULT), say=lambda line: None)


# Wrong at values only where a shape beyond 900 is timed.
LARGE_SUITE = {"fast_scheme_of_seventeen_bits_beyond_900"}


def judged_before_the_clock(path: Path, shared: SharedTools) -> tuple[Inspection, Expected]:
    candidate, expected = read(path)
    inspection = Inspection(candidate, shared)
    inspection.through(Gate.CONDUCT)
    return inspection, expected


HOSTILE = [path for path in KERNELS if not path.stem.startswith("honest_")]
# Wrong at so few sizes that the quick profile, with fewer shapes, may miss them.
RARE = {
    "bf16_where_all_exceed_1024",
    "bf16_where_c_is_wide_and_k_is_one_block",
    "counts_products_in_32_bits",
    "eighteen_bits_where_k_exceeds_2400",
    "flushes_results_where_k_is_long_and_c_small",
    "leaks_at_calls_of_420_to_880",
    "mistakes_one_slice_for_a_square_beyond_400",
    "mistakes_one_slice_for_a_square_beyond_600",
    "scratch_found_by_number_of_products_when_large",
    "skips_zeros_between_72_and_124",
    "skips_zeros_where_all_exceed_900",
    "static_scratch_without_a_lock_beyond_700",
    "twenty_two_bits_between_346_and_504",
    "wrong_at_multiples_of_96",
    "wrong_at_one_extent",
    "wrong_where_k_is_2048_to_4096",
    "wrong_with_three_workers_beyond_580",
    "wrong_where_only_n_is_long",
}
# Only many large calls in one process show these; on a slow machine the quick profile has too few.
MANY_LARGE_CALLS = {
    "leaks_at_large_calls",
    "one_more_thread_at_every_large_call",
    "wrong_from_the_tenth_large_call_on",
}
# Two cores that compute at once, or calls that take longer than others, show only while nothing else uses the cores.
WITHOUT_LOAD = {
    "leaves_a_spinning_thread",
    "slow_on_untimed_data",
    "starts_threads_where_two_cores_are_in_sight",
}
EARLY = {Gate.POLICY, Gate.COMPILE, Gate.AUDIT, Gate.SHAPES}
# Rejected early, but only after seconds: at a limit of time or memory, or by one of the last oracles for shapes.
LATE_AT_AN_EARLY_GATE = {
    "allocates_without_end",
    "endless_loop_at_odd_shapes",
    "leaks_at_every_call",
    "macro_bomb",
    "sgemm_returns_early_at_alpha_0",
    "sgemm_wrong_where_both_are_transposed_and_k_is_deep",
}


def marks(path: Path) -> list[pytest.MarkDecorator]:
    """Kernels that the later gates reject take seconds; those that the clock rejects take timings."""
    _, expected = read(path)
    late = path.stem in LATE_AT_AN_EARLY_GATE or not {Gate(gate) for gate in expected.gates} <= EARLY
    return [pytest.mark.slow] * late + [pytest.mark.alone] * (
        "clock" in expected.gates or path.stem in WITHOUT_LOAD
    )


HONEST = [path for path in KERNELS if path.stem.startswith("honest_")]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem, marks=marks(path)) for path in HOSTILE])
def test_a_known_trick_is_caught_by_its_gate(
    path: Path, shared: SharedTools, patient: SharedTools, large: SharedTools
) -> None:
    _, expected = read(path)
    in_full = path.stem in RARE | MANY_LARGE_CALLS
    tools = large if path.stem in LARGE_SUITE else patient if in_full else shared
    inspection, _ = judged_before_the_clock(path, tools)
    if inspection.rejection is None and "clock" in expected.gates:
        inspection.through(Gate.CLOCK)
    assert inspection.rejection is not None, "accepted"
    line = describe(inspection.rejection)
    assert name(inspection.rejection) in expected.verdicts, line
    assert inspection.rejection.at.gate in expected.gates, line


@pytest.mark.slow
@pytest.mark.parametrize("path", HONEST, ids=lambda p: p.stem)
def test_an_honest_kernel_of_the_gallery_is_accepted(path: Path, shared: SharedTools) -> None:
    inspection, expected = judged_before_the_clock(path, shared)
    assert expected.verdicts == {"Accepted"}
    assert inspection.rejection is None, describe(inspection.rejection)
    assert all(isinstance(inspection.passed[gate], GatePassed) for gate in Gate if gate is not Gate.CLOCK)
