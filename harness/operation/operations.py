"""matmul and sgemm: the function that kernel.rs defines, the wrapper around it, and how the host calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_HERE = Path(__file__).parent
_SAFE_TIER, _FORBID = "// SAFE_TIER", "#[forbid(unsafe_code)]"


class OperationName(StrEnum):
    """The value of `operation` in candidate.toml."""

    MATMUL = "matmul"
    SGEMM = "sgemm"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    function: the name that kernel.rs defines. symbol: what the compiled library exports. abi: the host's word for the
    calling convention of the symbol (`harness.judge.worker.calls.Abi`). has_forms: whether a call has strides, alpha
    and beta; without them, matrices are row-major and contiguous, alpha is 1 and beta is 0.
    """

    name: OperationName
    symbol: str
    abi: str
    has_forms: bool
    _contracts: tuple[str, str]
    _wrappers: tuple[str, str]

    @property
    def function(self) -> str:
        """The name of the function in kernel.rs."""
        return self.name.value

    def contract(self, *, safe: bool) -> str:
        """The signature that kernel.rs must define in the safe or the unsafe tier, as one line of Rust."""
        return self._contracts[safe]

    def wrapper(self, *, safe: bool) -> str:
        """The text of the crate around kernel.rs; in the safe tier the module is under a forbid that it cannot lift."""
        text = (_HERE / self._wrappers[safe]).read_text(encoding="utf-8")
        return text.replace(_SAFE_TIER, _FORBID if safe else "")


MATMUL = Operation(
    name=OperationName.MATMUL,
    symbol="harness_matmul",
    abi="kernel",
    has_forms=False,
    _contracts=("pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32])",) * 2,
    _wrappers=("matmul.rs", "matmul.rs"),
)

SGEMM = Operation(
    name=OperationName.SGEMM,
    symbol="harness_sgemm",
    abi="sgemm",
    has_forms=True,
    _contracts=(
        "pub unsafe fn sgemm(m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize, "
        "b: *const f32, rsb: isize, csb: isize, beta: f32, c: *mut f32, rsc: isize, csc: isize)",
        "pub fn sgemm(m: usize, k: usize, n: usize, alpha: f32, a: &[f32], rsa: usize, csa: usize, "
        "b: &[f32], rsb: usize, csb: usize, beta: f32, c: &mut [f32], rsc: usize, csc: usize)",
    ),
    _wrappers=("sgemm_unsafe.rs", "sgemm_safe.rs"),
)

OPERATIONS: Mapping[OperationName, Operation] = {operation.name: operation for operation in (MATMUL, SGEMM)}
