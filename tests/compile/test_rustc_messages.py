"""What is told when a kernel does not compile: the source's fault, the machine's, or only a lint that it denies itself."""

# Rust text keeps its own lines.
# ruff: noqa: E501

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from harness.compile import rustc
from harness.compile.rustc import CompiledKernel, Tools
from harness.errors import HarnessFaultError
from harness.operation.operations import MATMUL, SGEMM
from harness.verdict import CompileError
from tests.compile.plain_kernel import PLAIN, SIGNATURE
from tests.compile.support import tools
from tests.operation.kernels import UNSAFE

linux = pytest.mark.skipif(sys.platform != "linux", reason="a linker in a shell script")


@pytest.fixture
def fresh(tmp_path: Path) -> Tools:
    """The tools with an empty kernel cache."""
    return dataclasses.replace(tools(), kernels=tmp_path / "kernels")


@pytest.mark.parametrize(
    "head", ["#![deny(warnings)]", "#![deny(unused)]", "#![forbid(dead_code, unused_variables)]"]
)
def test_a_lint_that_the_source_denies_is_a_warning(head: str, fresh: Tools) -> None:
    source = f"{head}\nconst SPARE: usize = 3;\n{PLAIN}"
    for tier in ("unsafe", "safe"):
        result = rustc.compile_kernel(source, tier, fresh)  # type: ignore[arg-type]
        assert isinstance(result, CompiledKernel), result
        assert any("SPARE" in warning for warning in result.warnings)


def test_denied_warnings_do_not_lift_the_lints_of_the_harness(fresh: Tools) -> None:
    spare = "#![deny(warnings)]\nconst SPARE: usize = 3;\n"
    hidden = f"{spare}{SIGNATURE} {{ let _ = (m, k, n, a, b, c); unsafe {{ core::hint::unreachable_unchecked() }} }}"
    refused = rustc.compile_kernel(hidden, "safe", fresh)
    assert isinstance(refused, CompileError)
    assert "unsafe" in refused.diagnostics


@pytest.mark.parametrize(
    ("signature", "found"),
    [
        (
            "pub fn matmul(m: usize, n: usize, a: &[f32]) -> Vec<f32> { vec![] }",
            "fn(usize, usize, &[f32]) -> Vec<f32>",
        ),
        ("fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {}", "private"),
        ("pub fn matrix_product() {}", "cannot find"),
    ],
)
def test_a_wrong_signature_is_told_beside_the_contracts(signature: str, found: str, fresh: Tools) -> None:
    refused = rustc.compile_kernel(signature, "unsafe", fresh)
    assert isinstance(refused, CompileError)
    assert MATMUL.contract(safe=False) in refused.summary
    assert found in refused.summary


def test_a_kernel_of_another_operation_is_told_where_to_say_so(fresh: Tools) -> None:
    refused = rustc.compile_kernel(UNSAFE, "unsafe", fresh)
    assert isinstance(refused, CompileError)
    assert 'kernel.rs defines sgemm: write operation = "sgemm" into candidate.toml' in refused.summary
    wrong_tier = rustc.compile_kernel(UNSAFE, "safe", fresh, SGEMM)
    assert isinstance(wrong_tier, CompileError)


@linux
def test_a_full_disk_is_no_fault_of_the_source_and_is_not_remembered(tmp_path: Path, fresh: Tools) -> None:
    """The linker says what a linker says when the disk is full; afterwards there is room again."""
    real = fresh.toolchain.linker
    full = tmp_path / "bin" / "cc"
    full.parent.mkdir()
    full.write_text("#!/bin/sh\necho '/usr/bin/ld: final link failed: No space left on device' >&2\nexit 1\n")
    full.chmod(0o755)
    broken = dataclasses.replace(fresh, sandboxed=False)
    broken = dataclasses.replace(broken, toolchain=dataclasses.replace(fresh.toolchain, linker=full))
    with pytest.raises(HarnessFaultError, match="No space left"):
        rustc.compile_kernel(PLAIN, "unsafe", broken)
    full.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
    assert isinstance(rustc.compile_kernel(PLAIN, "unsafe", broken), CompiledKernel)


def test_a_source_that_speaks_of_a_full_disk_is_at_fault_itself(fresh: Tools) -> None:
    refused = rustc.compile_kernel(f'compile_error!("No space left on device");\n{PLAIN}', "unsafe", fresh)
    assert isinstance(refused, CompileError)
