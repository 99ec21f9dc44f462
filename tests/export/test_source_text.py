"""The CPU features of a source, and the copies of portable code for a vector unit."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.export.source_text import cpu_needs, masked
from harness.export.variants import as_candidate, variant_source
from harness.operation.operations import OperationName
from tests.conftest import NAIVE, ROOT
from tests.export.sgemm_sources import NAIVE_SGEMM, SAFE_SGEMM

HERE = {"x86_64": ("avx2", "fma")}


def of_candidate(name: str) -> str:
    return (ROOT / "candidates" / name / "kernel.rs").read_text(encoding="utf-8")


def test_comments_and_strings_are_told_apart() -> None:
    source = 'a /* b /* c */ d */ "e // f" // g\nr#"h"i"# \'"\' \'x: &\'y str'
    uncommented, bare = masked(source)
    assert len(uncommented) == len(bare) == len(source)
    assert uncommented.split() == ["a", '"e', "//", 'f"', 'r#"h"i"#', "'\"'", "'x:", "&'y", "str"]
    assert bare.split() == ["a", "'x:", "&'y", "str"]


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("run1", {}),
        ("run3", {"x86_64": ("avx", "fma"), "aarch64": ("neon",)}),
        ("run4", {"x86_64": ("avx512f", "fma")}),
        ("run5", {}),
        ("run6", {"x86_64": ("avx", "avx2", "fma")}),
    ],
)
def test_the_features_of_our_candidates(name: str, features: Mapping[str, tuple[str, ...]]) -> None:
    assert cpu_needs(of_candidate(name), HERE).features == features


def test_vector_code_that_asks_for_nothing_needs_what_judged_it() -> None:
    found = cpu_needs("use core::arch::x86_64::*; fn f() { unsafe { _mm_add_ps(x, y) } }", HERE)
    assert found.features == HERE


def test_features_in_comments_do_not_count() -> None:
    assert not cpu_needs('// target_feature(enable = "avx512f")\n/* _mm512_add_ps */', HERE).features


def test_code_that_is_chosen_while_compiling_is_noticed() -> None:
    assert cpu_needs(of_candidate("run5"), HERE).at_compile_time
    assert not cpu_needs(of_candidate("run6"), HERE).at_compile_time


def test_a_variant_marks_functions_only() -> None:
    source = """
        // fn comment() {}
        const TEXT: &str = "fn text() {}";
        const fn constant() -> usize { 1 }
        type Call = fn(usize) -> usize;
        #[inline(always)] pub(crate) fn a() { if cfg!(target_feature = "fma") {} }
        unsafe fn b() { if cfg!(any(target_feature = "avx512f", target_arch = "aarch64")) {} }
    """
    found = variant_source(source, "avx2")
    assert found.count('#[target_feature(enable = "avx2,fma")]') == 2
    assert '#[inline] #[target_feature(enable = "avx2,fma")] pub(crate) fn a()' in found
    assert '#[target_feature(enable = "avx2,fma")] unsafe fn b()' in found
    assert "cfg!(all())" in found
    assert 'cfg!(any(target_feature = "avx512f", target_arch = "aarch64"))' in found


def test_a_variant_of_sgemm_is_judged_as_an_unsafe_kernel_of_sgemm() -> None:
    strided = as_candidate(variant_source(NAIVE_SGEMM, "avx2"), OperationName.SGEMM)
    assert "unsafe { variant::sgemm(m, k, n, alpha, a, rsa," in strided
    on_slices = as_candidate(variant_source(SAFE_SGEMM, "avx2"), OperationName.SGEMM, "safe")
    assert "variant::sgemm(m, k, n, alpha, &a, k, 1, &b, n, 1, beta, &mut whole, n, 1)" in on_slices
    assert on_slices.count("pub unsafe fn sgemm(") == 1


def test_a_variant_is_judged_as_a_kernel() -> None:
    text = as_candidate(variant_source(NAIVE, "avx2"))
    assert text.count("pub fn matmul(") == 2
    assert "unsafe { variant::matmul(m, k, n, a, b, c) }" in text
