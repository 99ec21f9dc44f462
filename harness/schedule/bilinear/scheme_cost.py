"""The cost of a bilinear scheme (additions, memory traffic) and its growth of rounding errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from harness.schedule.bilinear.scheme import Scheme

UNIT_ROUNDOFF = 2.0**-24


@dataclass(frozen=True, slots=True)
class SchemeCost:
    """Figures of one level of recursion.

    additions: block additions if no sums are shared (see `fewest_additions`).

    growth: E, max over c_xy of Σ_t |W_t,xy|·‖U_t‖₁·‖V_t‖₁, the growth of the normwise error per level (Bini and
    Lotti 1980; Ballard, Benson, Druinsky, Lipshitz, Schwartz 2016): Strassen 12, Winograd's variant 18.
    depth: Q, roundings per level on the longest path through the linear forms.
    exponent: 3·log r / log(m·k·n), the exponent of the running time of the recursion.
    """

    additions: int
    growth: Fraction
    depth: int
    exponent: float


def scheme_cost(scheme: Scheme) -> SchemeCost:
    """The costs of `scheme`; rational figures are exact."""
    size = scheme.m * scheme.k * scheme.n
    return SchemeCost(
        additions=sum(
            max(0, _count(form) - 1) for form in (*scheme.u, *scheme.v, *zip(*scheme.w, strict=True))
        ),
        growth=growth(scheme),
        depth=_depth(scheme),
        exponent=3 * math.log(scheme.rank) / math.log(size) if size > 1 else 3.0,
    )


def growth(scheme: Scheme) -> Fraction:
    """The growth factor E per level of recursion in the maximum norm; see SchemeCost."""
    weight = [_norm(u) * _norm(v) for u, v in zip(scheme.u, scheme.v, strict=True)]
    return max(
        _norm(tuple(x * e for x, e in zip(c, weight, strict=True))) for c in zip(*scheme.w, strict=True)
    )


def rms_growth(scheme: Scheme) -> float:
    """Growth per level for independent rounding errors: max over c_xy of √(Σ_t W_t,xy²·‖U_t‖₂²·‖V_t‖₂²)."""
    weight = [_squares(u) * _squares(v) for u, v in zip(scheme.u, scheme.v, strict=True)]
    columns = zip(*scheme.w, strict=True)
    worst = max(sum((x * x * e for x, e in zip(c, weight, strict=True)), Fraction(0)) for c in columns)
    return math.sqrt(worst)


def traffic_blocks(scheme: Scheme) -> float:
    """Memory traffic of the additions of one level, in units of a whole square matrix.

    Sums are formed while packing, so each term is read once. Each product is added to the blocks of C it contributes
    to: the first contribution to a block writes it, later ones read and write it.
    """
    terms_u, terms_v, terms_w = (sum(_count(row) for row in f) for f in (scheme.u, scheme.v, scheme.w))
    blocks = scheme.m * scheme.n
    return terms_u / (scheme.m * scheme.k) + terms_v / (scheme.k * scheme.n) + (2 * terms_w - blocks) / blocks


def error_bound(scheme: Scheme, levels: int, depth_k: int) -> float:
    """First-order bound on max|C - exact| / (max|A|·max|B|) in f32, with classical products below `levels` levels.

    depth_k: the shared dimension k of the whole product. Let k₀ be the k of the scheme, κ = k/k₀^L the k of a
    classical product and Q the additive depth. Inputs grow by ‖U_t‖₁‖V_t‖₁ per level, a classical product has an
    error of κ·u·κ times that, and every level adds Q roundings. The bound is (κ + Q·L)·κ·E^L·u (after Ballard et
    al. 2016, in the maximum norm).
    """
    leaf = max(1.0, depth_k / scheme.k**levels)
    amplified = float(growth(scheme)) ** levels
    return float((leaf + _depth(scheme) * levels) * leaf * amplified * UNIT_ROUNDOFF)


def _depth(scheme: Scheme) -> int:
    """Roundings on the longest path: the terms of a c_xy plus the most terms of U_t and V_t among its products."""
    inputs = [_count(u) + _count(v) for u, v in zip(scheme.u, scheme.v, strict=True)]
    deepest = 0
    for column in zip(*scheme.w, strict=True):
        used = [inputs[t] for t, x in enumerate(column) if x]
        deepest = max(deepest, len(used) + max(used, default=0))
    return deepest


def _norm(row: tuple[Fraction, ...]) -> Fraction:
    return sum((abs(x) for x in row), Fraction(0))


def _squares(row: tuple[Fraction, ...]) -> Fraction:
    return sum((x * x for x in row), Fraction(0))


def _count(row: tuple[Fraction, ...]) -> int:
    return sum(1 for x in row if x)
