"""Kernels of family bilinear: a proved scheme as Rust recursion, with its sums fused into a packed kernel.

The schemes themselves are in `harness.schedule.bilinear`, which knows neither schedules nor templates.
"""

from __future__ import annotations

import textwrap
from fractions import Fraction
from typing import Any

from harness.errors import UserError
from harness.schedule.bilinear import schemes, symbolic
from harness.schedule.bilinear.scheme import CoefficientRow, Refutation, Scheme, prove
from harness.schedule.bilinear.scheme_cost import growth, rms_growth, traffic_blocks
from harness.schedule.model import Bilinear, Schedule
from harness.schedule.rust_source import context, fill, render_classical
from harness.shapes import Shape

# f32 holds every integer up to 2^24 exactly, and such an integer over a power of two.
_LARGEST_EXACT_INTEGER = 1 << 24
# Schemes worth trying: blocks per side, products in proportion to the classical ones, error growth of one level.
_MOST_BLOCKS = 4
_WORTH = 0.9
_LARGEST_GROWTH = 8.0


def scheme_of(bilinear: Bilinear) -> Scheme:
    """The scheme of a schedule, from its `program` if it has one, else by name; not yet proved. Raises UserError."""
    if bilinear.program.strip():
        return symbolic.parse(bilinear.program, bilinear.scheme)
    return schemes.named(bilinear.scheme)


def inner_schedule(schedule: Schedule) -> Schedule:
    """The schedule of the packed kernel that multiplies the blocks."""
    if schedule.bilinear is None:
        return schedule
    values = schedule.model_dump() | {"family": schedule.bilinear.inner, "bilinear": None}
    return Schedule.model_validate(values)


def inexact(scheme: Scheme) -> Fraction | None:
    """The first coefficient that is not exact in f32, or None."""
    for factor in (scheme.u, scheme.v, scheme.w):
        for row in factor:
            for x in row:
                if x.denominator & (x.denominator - 1) or abs(x.numerator) > _LARGEST_EXACT_INTEGER:
                    return x
    return None


def worthwhile() -> tuple[str, ...]:
    """The names of the schemes that a tuner should try, the one with the most promise first.

    Those of at most four blocks per side that save a tenth of the products, and for one level of which the judge allows
    the growth of errors; in the order of the saving per unit of memory traffic. Schemes that were searched for few
    additions are left out: for kernels, few coefficients matter.
    """
    gains = {
        name: (1 - scheme.rank / (scheme.m * scheme.k * scheme.n)) / traffic_blocks(scheme)
        for name in (*schemes.available(), *schemes.discovered())
        if not name.endswith(schemes.CHEAP)
        for scheme in (schemes.named(name),)
        if max(scheme.m, scheme.k, scheme.n) <= _MOST_BLOCKS
        and scheme.rank <= _WORTH * scheme.m * scheme.k * scheme.n
        and rms_growth(scheme) / scheme.k <= _LARGEST_GROWTH
        and inexact(scheme) is None
    }
    shipped = schemes.available()
    return tuple(sorted(gains, key=lambda name: (-gains[name], name not in shipped, name)))


def levels_at(scheme: Scheme, bilinear: Bilinear, shape: Shape) -> int:
    """Levels of recursion that the kernel uses at `shape`; mirrors the Rust function `levels`."""
    (m, k, n), levels = shape, 0
    while levels < bilinear.levels and min(m, k, n) >= bilinear.cutoff:
        m, k, n = -(-m // scheme.m), -(-k // scheme.k), -(-n // scheme.n)
        levels += 1
    return levels


def workspace_floats(schedule: Schedule, scheme: Scheme, levels: int, shape: Shape) -> int:
    """Floats of workspace at `shape`: a packed block of sums of A and one of B, and NC columns of one block product."""
    if levels == 0:
        return 0
    rows, depth, columns = (
        -(-extent // int(parts**levels))
        for extent, parts in zip(shape, (scheme.m, scheme.k, scheme.n), strict=True)
    )
    deep, wide = min(schedule.kc, depth), min(schedule.nc, columns + schedule.nr)
    return deep * (schedule.mc + wide) + rows * wide


def render_recursion(schedule: Schedule, title: str, notes: str = "") -> str:
    """The source of kernel.rs for a schedule of family bilinear.

    Raises UserError if the scheme is unknown, refuted, or has a coefficient that is not exact in f32.
    """
    if schedule.bilinear is None:
        raise UserError("family = bilinear is needed to render a recursion")
    scheme = scheme_of(schedule.bilinear)
    outcome = prove(scheme)
    if isinstance(outcome, Refutation):
        raise UserError(str(outcome))
    bad = inexact(scheme)
    if bad is not None:
        raise UserError(
            f"{scheme.label}: the coefficient {bad} is not exact in f32; only p/2^q with small p is"
        )
    inner = render_classical(
        inner_schedule(schedule).normalise(), f"The inner kernel of {title}", exports_tile=True
    )
    values = context(schedule, title, notes, _scheme_summary(scheme, schedule.bilinear))
    return fill(
        "bilinear.rs.j2",
        values | _tables(scheme) | {"b": schedule.bilinear, "inner": inner, "safe": schedule.tier == "safe"},
    )


def _scheme_summary(scheme: Scheme, bilinear: Bilinear) -> list[str]:
    saved = scheme.m * scheme.k * scheme.n - scheme.rank
    text = (
        f"{scheme.label}: {scheme.rank} products of blocks instead of {scheme.rank + saved}, "
        f"up to {bilinear.levels} level(s) while m, k and n are at least {bilinear.cutoff}. "
        "All Brent equations of the scheme were verified in exact arithmetic when this file was generated. "
        "The error is bounded normwise, not componentwise. Inputs with NaN, infinities or extreme magnitudes are "
        "multiplied classically."
    )
    return textwrap.wrap(text, 100)


def _tables(scheme: Scheme) -> dict[str, Any]:
    """The template's tables: the terms of every product, and which product is the first to write a block of C."""
    written: set[int] = set()
    products = []
    for t, (u, v, w) in enumerate(zip(scheme.u, scheme.v, scheme.w, strict=True)):
        fresh = [index for index, x in enumerate(w) if x and index not in written]
        written.update(fresh)
        if any(u) and any(v) and any(w):
            products.append(
                {
                    "formula": symbolic.product_line(scheme, t),
                    "a": _terms(u, scheme.k),
                    "b": _terms(v, scheme.n),
                    "c": _targets(w, scheme.n, fresh),
                }
            )
    return {
        "scheme": scheme,
        "products": products,
        "growth": float(growth(scheme)),
        "swell": float(max(sum(map(abs, row), Fraction(0)) for row in (*scheme.u, *scheme.v))),
    }


def _terms(row: CoefficientRow, columns: int) -> str:
    return ", ".join(_term(i, x, columns) for i, x in enumerate(row) if x)


def _term(index: int, times: Fraction, columns: int) -> str:
    """The block at this row-major index, with its coefficient."""
    return f"Term {{ row: {index // columns}, col: {index % columns}, times: {_f32(times)} }}"


def _targets(row: CoefficientRow, columns: int, fresh: list[int]) -> str:
    return ", ".join(
        f"Target {{ block: {_term(i, x, columns)}, first: {str(i in fresh).lower()} }}"
        for i, x in enumerate(row)
        if x
    )


def _f32(value: Fraction) -> str:
    return repr(float(value))
