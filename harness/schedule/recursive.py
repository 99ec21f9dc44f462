"""From a proved bilinear scheme to kernel.rs: recursion around a packed kernel."""

from __future__ import annotations

import textwrap
from fractions import Fraction
from typing import Any

from harness.errors import UserError
from harness.schedule import template_context
from harness.schedule.bilinear import schemes, symbolic
from harness.schedule.bilinear.scheme import CoefficientRow, Scheme, prove
from harness.schedule.bilinear.scheme import Refutation as _Refutation
from harness.schedule.bilinear.scheme_cost import growth
from harness.schedule.model import Bilinear, Schedule
from harness.shapes import Shape

# A coefficient must be exact in f32: at most 24 bits over a power of two.
_MANTISSA = 1 << 24


def scheme_of(bilinear: Bilinear) -> Scheme:
    """The scheme that a schedule names or contains; raises UserError when there is none. It still has to be proved."""
    if bilinear.program.strip():
        return symbolic.parse(bilinear.program, bilinear.scheme)
    return schemes.named(bilinear.scheme)


def inner_schedule(schedule: Schedule) -> Schedule:
    """The packed schedule that multiplies the blocks."""
    if schedule.bilinear is None:
        return schedule
    values = schedule.model_dump() | {"family": schedule.bilinear.inner, "bilinear": None}
    return Schedule.model_validate(values)


def inexact(scheme: Scheme) -> Fraction | None:
    """The first coefficient that f32 cannot represent exactly, if any."""
    for factor in (scheme.u, scheme.v, scheme.w):
        for row in factor:
            for x in row:
                if x.denominator & (x.denominator - 1) or abs(x.numerator) > _MANTISSA:
                    return x
    return None


def levels_at(scheme: Scheme, bilinear: Bilinear, shape: Shape) -> int:
    """The number of levels that the kernel recurses at a shape."""
    (m, k, n), levels = shape, 0
    while levels < bilinear.levels and min(m, k, n) >= bilinear.cutoff:
        m, k, n = -(-m // scheme.m), -(-k // scheme.k), -(-n // scheme.n)
        levels += 1
    return levels


def workspace_floats(scheme: Scheme, levels: int, m: int, k: int, n: int) -> int:
    """Floats of workspace for `levels` of recursion: per level one sum of each input's blocks and one product."""
    total = 0
    for _ in range(levels):
        m, k, n = (-(-extent // parts) for extent, parts in ((m, scheme.m), (k, scheme.k), (n, scheme.n)))
        total += m * k + k * n + m * n
    return total


def render(schedule: Schedule, title: str, notes: str = "") -> str:
    """The source of kernel.rs for a schedule of family bilinear.

    Raises UserError when the scheme is refuted, has a coefficient that f32 cannot represent, or cannot be found.
    """
    if schedule.bilinear is None:
        raise UserError("a schedule of family bilinear is needed to render a recursion")
    scheme = scheme_of(schedule.bilinear)
    outcome = prove(scheme)
    if isinstance(outcome, _Refutation):
        raise UserError(str(outcome))
    bad = inexact(scheme)
    if bad is not None:
        raise UserError(
            f"{scheme.label}: the coefficient {bad} is not exact in f32; only p/2^q with small p is"
        )
    inner = template_context.render_template(
        inner_schedule(schedule).normalise(), f"The inner kernel of {title}"
    )
    context = template_context.context(schedule, title, notes)
    # The notes are untrusted text, already made harmless by `context`; they follow this template's own summary.
    context["story"] = [
        *_story(scheme, schedule.bilinear),
        *context["story"][len(template_context.story(schedule)) :],
    ]
    template = template_context.environment().get_template("bilinear.rs.j2")
    text = template.render(context | _tables(scheme) | {"b": schedule.bilinear, "inner": inner})
    return template_context.tidy(text)


def _story(scheme: Scheme, bilinear: Bilinear) -> list[str]:
    saved = scheme.m * scheme.k * scheme.n - scheme.rank
    text = (
        f"{scheme.label}: {scheme.rank} products of blocks instead of {scheme.rank + saved}, "
        f"{bilinear.levels} level(s) deep while m, k and n are at least {bilinear.cutoff}. "
        "All Brent equations of the scheme were proved in exact arithmetic when this file was written. "
        "Accurate normwise, not componentwise; inputs with NaN, infinities or extreme sizes take the classical way."
    )
    return textwrap.wrap(text, 100)


def _tables(scheme: Scheme) -> dict[str, Any]:
    """The products for the template: terms (block row, block column, coefficient), and which of them write C first."""
    written: set[int] = set()
    products = []
    for t, (u, v, w) in enumerate(zip(scheme.u, scheme.v, scheme.w, strict=True)):
        fresh = [index for index, x in enumerate(w) if x and index not in written]
        written.update(fresh)
        if any(u) and any(v) and any(w):
            context = symbolic.product_line(scheme, t)
            products.append(
                {
                    "formula": context,
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
    return ", ".join(
        f"Term {{ row: {i // columns}, col: {i % columns}, times: {_f32(x)} }}"
        for i, x in enumerate(row)
        if x
    )


def _targets(row: CoefficientRow, columns: int, fresh: list[int]) -> str:
    return ", ".join(
        f"Target {{ row: {i // columns}, col: {i % columns}, times: {_f32(x)}, first: {str(i in fresh).lower()} }}"
        for i, x in enumerate(row)
        if x
    )


def _f32(value: Fraction) -> str:
    return repr(float(value))
