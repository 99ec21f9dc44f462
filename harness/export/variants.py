"""Copies of a kernel without intrinsics whose functions are compiled for a vector unit, although the crate is not."""

from __future__ import annotations

import re

from harness.candidate import Tier
from harness.export.source_text import masked
from harness.operation.operations import OperationName

# The features of each vector unit, as named in `#[target_feature]`, and those that they imply.
UNITS = {"avx512": ("avx512f", "avx512bw", "avx512dq", "avx512vl"), "avx2": ("avx2", "fma")}
IMPLIED = {
    "avx512": {"avx2", "fma", "f16c", "avx", "sse4.2", "sse4.1", "ssse3", "sse3"},
    "avx2": {"avx", "sse4.2", "sse4.1", "ssse3", "sse3"},
}
# A function that may have the attribute: not `const`, because constants cannot call functions that have it.
_FUNCTION = re.compile(r"(?<![\w#])(?:pub(?:\s*\([^)]*\))?\s+)?(?:unsafe\s+)?fn\s+\w")
_INLINE = re.compile(r"#\s*\[\s*inline\s*\(\s*always\s*\)\s*\]")
_FEATURE = re.compile(r'\btarget_feature\s*=\s*"([^"]*)"')


def variant_source(source: str, unit: str) -> str:
    """The source with `#[target_feature]` on its functions, whatever is compiled around it.

    rustc allows no `inline(always)` beside it, and `cfg` would tell the features of the crate: where one of the unit is
    asked for, `all()` stands, which always holds.
    """
    uncommented, bare = masked(source)
    attribute = f'#[target_feature(enable = "{",".join(UNITS[unit])}")] '
    present = {*UNITS[unit], *IMPLIED[unit]}
    edits = [
        (found.start(), found.start(), attribute)
        for found in _FUNCTION.finditer(bare)
        if _is_item(bare, found)
    ]
    edits += [(found.start(), found.end(), "#[inline]") for found in _INLINE.finditer(bare)]
    edits += [
        (found.start(), found.end(), "all()")
        for found in _FEATURE.finditer(uncommented)
        if found[1] in present and bare[found.start()] == "t"
    ]
    for start, end, text in sorted(edits, reverse=True):
        source = source[:start] + text + source[end:]
    return source


def _is_item(bare: str, found: re.Match[str]) -> bool:
    """Whether a function begins here that is not const, async or extern."""
    before = bare[: found.start()].rstrip()
    return not re.search(r"\b(?:const|extern|async)$", before)


# How a kernel.rs of the unsafe tier calls a variant. The crate hands a kernel that takes slices only matrices without
# gaps, and copies others; so does the last one.
_MATMUL = """pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    unsafe { variant::matmul(m, k, n, a, b, c) }
}
"""
_STRIDED = """    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize,
    b: *const f32, rsb: isize, csb: isize, beta: f32, c: *mut f32, rsc: isize, csc: isize,
"""
_SGEMM = f"""pub unsafe fn sgemm(
{_STRIDED}) {{
    unsafe {{ variant::sgemm(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc) }}
}}
"""
_SGEMM_ON_SLICES = f"""unsafe fn rows(rows: usize, cols: usize, at: *const f32, rs: isize, cs: isize) -> Vec<f32> {{
    (0..rows * cols).map(|x| unsafe {{ *at.offset((x / cols) as isize * rs + (x % cols) as isize * cs) }}).collect()
}}

pub unsafe fn sgemm(
{_STRIDED}) {{
    let k = if alpha == 0.0 {{ 0 }} else {{ k }};
    unsafe {{
        let (a, b) = (rows(m, k, a, rsa, csa), rows(k, n, b, rsb, csb));
        let mut whole = if beta == 0.0 {{ vec![0.0; m * n] }} else {{ rows(m, n, c, rsc, csc) }};
        variant::sgemm(m, k, n, alpha, &a, k, 1, &b, n, 1, beta, &mut whole, n, 1);
        for (x, value) in whole.into_iter().enumerate() {{
            *c.offset((x / n) as isize * rsc + (x % n) as isize * csc) = value;
        }}
    }}
}}
"""


def as_candidate(variant: str, operation: OperationName = OperationName.MATMUL, tier: Tier = "unsafe") -> str:
    """A kernel.rs of the unsafe tier that calls the variant of a kernel of `tier`; right on CPUs with the unit only."""
    sgemm = _SGEMM_ON_SLICES if tier == "safe" else _SGEMM
    return f"mod variant {{\n{variant}\n}}\n\n" + (sgemm if operation is OperationName.SGEMM else _MATMUL)
