"""New bilinear schemes from given ones: rotation, transpose, Kronecker product, direct sum, change of basis.

Every construction turns valid schemes into a valid one, but its result still has to pass `prove` like any other scheme.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, TypeAlias

from harness.errors import UserError
from harness.schedule.bilinear.scheme import CoefficientRow, Factor, Scheme, require_size

TensorAxis: TypeAlias = Literal["m", "k", "n"]
Matrix: TypeAlias = tuple[CoefficientRow, ...]


def classical(m: int, k: int, n: int) -> Scheme:
    """The classical algorithm ⟨m,k,n;m·k·n⟩: one product a_ip·b_pj for each (i, p, j)."""
    require_size("classical", m, k, n)
    triples = [(i, p, j) for i in range(m) for p in range(k) for j in range(n)]
    return Scheme(
        f"classical_{m}x{k}x{n}",
        m,
        k,
        n,
        u=tuple(_unit(m * k, i * k + p) for i, p, _ in triples),
        v=tuple(_unit(k * n, p * n + j) for _, p, j in triples),
        w=tuple(_unit(m * n, i * n + j) for i, _, j in triples),
        source="the definition of the product",
    )


def rotate(scheme: Scheme, name: str | None = None) -> Scheme:
    """⟨k,n,m;r⟩ from ⟨m,k,n;r⟩, by the cyclic symmetry of trace(A·B·C)."""
    m, k, n = scheme.m, scheme.k, scheme.n
    v, w = _transposed(scheme.w, m, n), _transposed(scheme.u, m, k)
    return Scheme(name or f"{scheme.name}_rotated", k, n, m, scheme.v, v, w, scheme.source)


def transpose(scheme: Scheme, name: str | None = None) -> Scheme:
    """⟨n,k,m;r⟩ from ⟨m,k,n;r⟩, by Cᵀ = Bᵀ·Aᵀ."""
    m, k, n = scheme.m, scheme.k, scheme.n
    u, v, w = _transposed(scheme.v, k, n), _transposed(scheme.u, m, k), _transposed(scheme.w, m, n)
    return Scheme(name or f"{scheme.name}_transposed", n, k, m, u, v, w, scheme.source)


def kronecker(outer: Scheme, inner: Scheme, name: str | None = None) -> Scheme:
    """⟨m₁m₂,k₁k₂,n₁n₂;r₁r₂⟩: two levels of recursion, `outer` first, as one scheme."""
    m, k, n = outer.m * inner.m, outer.k * inner.k, outer.n * inner.n
    require_size(name or f"{outer.name}*{inner.name}", m, k, n)
    pairs = (("m", "k"), ("k", "n"), ("m", "n"))
    shapes = [tuple(getattr(s, axis) for s in (outer, inner) for axis in pair) for pair in pairs]
    factors = ((outer.u, inner.u), (outer.v, inner.v), (outer.w, inner.w))
    u, v, w = (
        tuple(_product_row(x, y, shape) for x in left for y in right)
        for (left, right), shape in zip(factors, shapes, strict=True)
    )
    return Scheme(name or f"{outer.name}*{inner.name}", m, k, n, u, v, w, "Kronecker product")


def direct_sum(axis: TensorAxis, parts: Sequence[Scheme], name: str | None = None) -> Scheme:
    """Schemes joined along one axis: along m or n each computes its own part of C, along k their results are added.

    Raises UserError if the parts differ in another axis.
    """
    first = parts[0]
    for part in parts[1:]:
        for other in ("m", "k", "n"):
            if other != axis and getattr(part, other) != getattr(first, other):
                both = f"{first.label} and {part.label}"
                raise UserError(f"a sum along {axis} needs parts with the same {other}; {both} differ")
    size = {letter: getattr(first, letter) for letter in ("m", "k", "n")}
    size[axis] = sum(getattr(part, axis) for part in parts)
    m, k, n = size["m"], size["k"], size["n"]
    joined = name or f"sum_{axis}({', '.join(part.name for part in parts[:4])})"
    require_size(joined, m, k, n)
    u: list[CoefficientRow] = []
    v: list[CoefficientRow] = []
    w: list[CoefficientRow] = []
    offset = {"m": 0, "k": 0, "n": 0}
    for part in parts:
        u += [_placed(row, part.k, k, offset["m"], offset["k"], m) for row in part.u]
        v += [_placed(row, part.n, n, offset["k"], offset["n"], k) for row in part.v]
        w += [_placed(row, part.n, n, offset["m"], offset["n"], m) for row in part.w]
        offset[axis] += getattr(part, axis)
    return Scheme(joined, m, k, n, tuple(u), tuple(v), tuple(w), "direct sum")


def change_basis(scheme: Scheme, p: Matrix, q: Matrix, r: Matrix, name: str | None = None) -> Scheme:
    """The scheme in other bases (de Groote, 1978): applied to P·A·Q⁻¹ and Q·B·R⁻¹, its result C' gives C = P⁻¹·C'·R.

    p is m×m, q is k×k, r is n×n. Raises UserError if one of them is singular.
    """
    p_inverse, q_inverse, r_inverse = inverse(p), inverse(q), inverse(r)
    u = tuple(_sandwich(_transpose(p), row, _transpose(q_inverse), scheme.k) for row in scheme.u)
    v = tuple(_sandwich(_transpose(q), row, _transpose(r_inverse), scheme.n) for row in scheme.v)
    w = tuple(_sandwich(p_inverse, row, r, scheme.n) for row in scheme.w)
    renamed = name or f"{scheme.name}_rebased"
    return Scheme(renamed, scheme.m, scheme.k, scheme.n, u, v, w, scheme.source)


def inverse(matrix: Matrix) -> Matrix:
    """The exact inverse by Gauss-Jordan elimination. UserError if the matrix is singular."""
    size = len(matrix)
    rows = [[*row, *_unit(size, i)] for i, row in enumerate(matrix)]
    for column in range(size):
        pivot = next((i for i in range(column, size) if rows[i][column]), None)
        if pivot is None:
            raise UserError("a change of basis needs invertible matrices, but one is singular")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = [x / rows[column][column] for x in rows[column]]
        rows[column] = head
        for i in range(size):
            if i != column and rows[i][column]:
                factor = rows[i][column]
                rows[i] = [x - factor * y for x, y in zip(rows[i], head, strict=True)]
    return tuple(tuple(row[size:]) for row in rows)


def _sandwich(left: Matrix, row: CoefficientRow, right: Matrix, columns: int) -> CoefficientRow:
    """Row-major coefficients of left·X·right, where `row` holds X row-major with `columns` columns."""
    x = tuple(row[i : i + columns] for i in range(0, len(row), columns))
    return tuple(value for line in _times(_times(left, x), right) for value in line)


def _times(left: Matrix, right: Matrix) -> Matrix:
    return tuple(tuple(_dot(row, column) for column in _transpose(right)) for row in left)


def _dot(left: CoefficientRow, right: CoefficientRow) -> Fraction:
    return sum((x * y for x, y in zip(left, right, strict=True)), Fraction(0))


def _transpose(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


def _transposed(factor: Factor, rows: int, columns: int) -> Factor:
    return tuple(tuple(row[i * columns + j] for j in range(columns) for i in range(rows)) for row in factor)


def _product_row(x: CoefficientRow, y: CoefficientRow, shape: Sequence[int]) -> CoefficientRow:
    """The Kronecker product of coefficient matrices, row-major. shape: rows and columns of x, then those of y."""
    rows, columns, inner_rows, inner_columns = shape
    return tuple(
        x[i * columns + j] * y[a * inner_columns + b]
        for i in range(rows)
        for a in range(inner_rows)
        for j in range(columns)
        for b in range(inner_columns)
    )


def _placed(
    row: CoefficientRow, columns: int, width: int, top: int, left: int, height: int
) -> CoefficientRow:
    """A zero matrix of height × width with the coefficient matrix `row` (`columns` wide) placed at (top, left)."""
    wide = [Fraction(0)] * (height * width)
    for index, value in enumerate(row):
        i, j = divmod(index, columns)
        wide[(top + i) * width + left + j] = value
    return tuple(wide)


def _unit(size: int, at: int) -> CoefficientRow:
    return tuple(Fraction(int(i == at)) for i in range(size))
