"""Kernels that a former judge accepted: what was added rejects each, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.judge import examine
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles import named
from harness.pipeline import Inspection, SharedTools
from harness.settings import Profile
from harness.verdict import Gate, Rejection, describe
from tests.gallery.test_gallery import GALLERY, read

pytestmark = pytest.mark.slow

# Wrong where every extent exceeds 900, so that a larger shape must be timed.
BEYOND_900 = ("skips_zeros_where_all_exceed_900", "fast_scheme_of_seventeen_bits_beyond_900")


def objection(kernel: str, oracle: str, shared: SharedTools, *disabled: str) -> Rejection | None:
    """What a single oracle says of a kernel of the gallery, at the default profile and suite."""
    candidate, _ = read(Path(GALLERY, f"{kernel}.rs"))
    suite = "64x64x64,512x512x512" + ",1024x1024x1024" * (kernel in BEYOND_900)
    settings = replace(shared.settings, profile=Profile.DEFAULT, suite=suite)
    inspection = Inspection(candidate, SharedTools(settings, say=lambda line: None))
    inspection.through(Gate.AUDIT)
    assert inspection.rejection is None
    check = named(oracle)
    with KernelRunner(replace(inspection.examination, disabled=frozenset(disabled)), check.gate) as runner:
        found = examine._first_failure(runner, check)
    return None if found is None else found.rejection


@pytest.mark.parametrize(
    ("kernel", "oracle", "part"),
    [
        ("results_of_twenty_bits_on_ragged_large", "reals-everywhere", "last-bits"),
        ("reuses_results_by_a_commutative_sum", "fresh-values", "exchanged"),
        ("wrong_from_the_900th_call_of_a_medium_size", "call-count", "medium-calls"),
        ("needs_four_mib_of_stack_when_large", "large-calls", "first-large"),
        ("bf16_where_all_exceed_1024", "large-calls", "first-large"),
        ("leaks_at_calls_of_420_to_880", "large-calls", "middle-large"),
        ("one_lock_for_each_shape", "at-once", "mixed-shapes"),
    ],
)
def test_the_added_part_of_an_oracle_rejects_what_the_rest_of_it_accepts(
    kernel: str, oracle: str, part: str, shared: SharedTools
) -> None:
    assert objection(kernel, oracle, shared) is not None
    allowed = objection(kernel, oracle, shared, part)
    assert allowed is None, describe(allowed)


@pytest.mark.parametrize(
    ("kernel", "oracle", "others"),
    [
        ("twenty_two_bits_on_ragged_large", "resolution", ("rounding", "wide-mantissa")),
        (
            "twenty_two_bits_between_346_and_504",
            "special-mixture",
            ("graded", "rounding", "reals-everywhere"),
        ),
        ("bf16_where_c_is_wide_and_k_is_one_block", "reals-everywhere", ("graded", "rounding", "resolution")),
        ("eighteen_bits_where_k_exceeds_2400", "graded", ("reals-everywhere", "rounding", "resolution")),
        ("wrong_with_few_rows_and_moderate_columns", "regions", ("medium", "near-timed", "elongated")),
        ("skips_zeros_where_all_exceed_900", "special-mixture", ("nonfinite", "subnormal", "signed-zero")),
        ("skips_zeros_between_72_and_124", "special-mixture", ("nonfinite", "subnormal", "pattern-mixture")),
        ("replaces_nan_by_zero_in_few_rows", "nonfinite", ("special-mixture", "subnormal")),
        ("symmetric_by_samples_beyond_300", "relatives", ("patterns", "pattern-mixture")),
        ("triangle_by_samples_beyond_300", "relatives", ("patterns", "pattern-mixture")),
        ("rows_alike_by_samples_beyond_300", "pattern-mixture", ("patterns",)),
        (
            "scratch_found_by_number_of_products_when_large",
            "permutations",
            ("dirty-scratch", "large-calls", "other-outputs"),
        ),
        (
            "fast_scheme_of_seventeen_bits_beyond_900",
            "resolution-mixed",
            ("mean-square", "normwise", "resolution"),
        ),
        ("mistakes_one_slice_for_a_square_beyond_400", "same-slice", ("relatives", "large-calls")),
        ("mistakes_one_slice_for_a_square_beyond_600", "same-slice", ("relatives", "large-calls")),
        (
            "wrong_with_three_workers_beyond_580",
            "other-cores-large",
            ("other-cores", "large-calls", "at-once"),
        ),
        (
            "keeps_packed_b_until_a_pair_comes_again",
            "crossed-operands",
            ("other-outputs", "fresh-values", "call-count", "determinism"),
        ),
        ("leaks_at_products_with_a_row", "elongated-growth", ("medium-growth", "call-count")),
        ("leaks_where_k_is_long", "elongated-growth", ("medium-growth", "call-count")),
        ("leaks_at_medium_calls", "medium-growth", ("large-calls", "call-count", "other-outputs")),
        ("leaks_a_little_at_small_calls", "call-count", ("large-calls", "medium-growth", "determinism")),
        (
            "wrong_from_the_500th_call_beyond_100_cubed",
            "long-history",
            ("call-count", "large-calls", "medium-growth", "determinism"),
        ),
        ("counts_products_in_32_bits", "beyond-32-bits", ("large-calls", "long-history", "small-stack")),
        ("recurses_once_per_row", "long-stack", ("small-stack", "elongated", "large-calls")),
        ("leaks_scratch_of_every_thread", "thread-growth", ("call-count", "medium-growth", "large-calls")),
        ("keeps_scratch_of_every_shape", "shape-growth", ("call-count", "medium-growth", "large-calls")),
        ("bf16_on_reals_far_from_zero", "practical", ("distributions", "componentwise", "rounding")),
        ("bf16_of_b_where_a_is_whole", "practical", ("distributions", "componentwise", "rounding")),
    ],
)
def test_an_added_oracle_rejects_what_its_neighbours_accept(
    kernel: str, oracle: str, others: tuple[str, ...], shared: SharedTools
) -> None:
    assert objection(kernel, oracle, shared) is not None
    for other in others:
        allowed = objection(kernel, other, shared)
        assert allowed is None, describe(allowed)
