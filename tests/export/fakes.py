"""Accepted kernels without a judge: for tests of what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.candidate import Candidate, Manifest
from harness.export.assembly import CratePlan
from harness.export.judging import TakenKernel
from harness.export.source_text import cpu_needs
from harness.export.variants import variant_source
from harness.operation.operations import OperationName
from harness.shapes import Shape
from harness.verdict import Accepted, Elsewhere, Score, ShapeTiming
from tests.conftest import NAIVE

AVX2 = ("avx", "avx2", "fma")


def accepted(ratio: float = 1.0, numerics: str = "componentwise") -> Accepted:
    shape = Shape(64, 64, 64)
    timing = ShapeTiming(shape, 5e3, 5e3, 5e3, 5e3, ratio, ratio, ratio, 100.0, 90.0, 9)
    elsewhere = Elsewhere(ratio, ratio, ratio, (shape,))
    score = Score(ratio, ratio, ratio, (timing,), 1, "OpenBLAS", 0.99, 1.01, elsewhere)
    return Accepted(score, "unsafe", numerics)


def taken(
    name: str,
    source: str = NAIVE,
    *,
    ratio: float = 1.0,
    numerics: str = "componentwise",
    manifest: Manifest | None = None,
    foreign: tuple[str, ...] = (),
    units: tuple[str, ...] = ("avx2",),
) -> TakenKernel:
    """A kernel as if an AVX2 machine had accepted it; `units` are those for which portable code was compiled."""
    chosen = manifest or Manifest()
    if "fn sgemm(" in source:
        chosen = chosen.model_copy(update={"operation": OperationName.SGEMM})
    needs = cpu_needs(source, {"x86_64": AVX2})
    variants = {} if needs.features else {unit: variant_source(source, unit) for unit in units}
    record: dict[str, Any] = {"machine": {"arch": "x86_64"}, "path": f"candidates/{name}"}
    candidate = Candidate(name, Path("candidates") / name, source, chosen)
    verdict = accepted(ratio, numerics)
    judged = frozenset(variants) & {"avx2"}
    return TakenKernel(candidate, verdict, record, str(chosen.threads), needs, foreign, variants, judged)


def plan(*kernels: TakenKernel, name: str = "evolved-matmul") -> CratePlan:
    return CratePlan(name, kernels, "2026-01-31", "a machine", "rustc 1.95.0", sandboxed=True)
