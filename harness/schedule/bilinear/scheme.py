"""Bilinear algorithms ⟨m,k,n;r⟩ as exact rational tensors, and their proof with Brent's equations.

A scheme multiplies an m×k by a k×n block matrix with r block products:

    M_t  = (Σ U[t,(i,p)]·a_ip) · (Σ V[t,(q,j)]·b_qj)        t = 1 … r
    c_xy = Σ_t W[t,(x,y)]·M_t

It is valid for blocks over any ring that contains its coefficients if and only if, for all indices (Brent, 1970),

    Σ_t U[t,(i,p)]·V[t,(q,j)]·W[t,(x,y)] = [p=q]·[i=x]·[j=y].

All arithmetic here is exact. A Scheme is a claim; only a Proof from `prove` shows that it is valid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.errors import UserError

CoefficientRow: TypeAlias = tuple[Fraction, ...]
Factor: TypeAlias = tuple[CoefficientRow, ...]
# An array of exact integers: int64 where no sum can overflow, else Python integers (dtype object).
ExactIntegers: TypeAlias = npt.NDArray[Any]

# These limits keep a proof of any untrusted scheme within 1 second and 100 MB; ⟨8,8,8;343⟩ is allowed.
MAX_DIMENSION = 12  # of m, k and n each
MAX_RANK = 1024  # of the number of products, and of m·k·n
MAX_BITS = 32  # of a numerator or denominator
_MAX_UNIT_BITS = 256  # of the product of the common denominators
_MAX_BIG_WORK = 1 << 25  # multiplications of Python integers
_INT64_SAFE = 1 << 62  # sums below this do not overflow int64


def require_size(label: str, m: int, k: int, n: int) -> None:
    """Raise UserError unless ⟨m,k,n⟩ is within the limits; call it before building anything of that size."""
    if not 1 <= min(m, k, n) <= max(m, k, n) <= MAX_DIMENSION or m * k * n > MAX_RANK:
        raise UserError(
            f"{label}: dimensions must be 1 to {MAX_DIMENSION} with m·k·n at most {MAX_RANK}; "
            "supply the factors of a larger product scheme instead"
        )


@dataclass(frozen=True, slots=True)
class Scheme:
    """The scheme ⟨m,k,n;r⟩. u, v and w have r rows of m·k, k·n and m·n coefficients, blocks in row-major order.

    Raises UserError if the shapes do not match or exceed the limits.
    """

    name: str
    m: int
    k: int
    n: int
    u: Factor
    v: Factor
    w: Factor
    source: str = ""

    def __post_init__(self) -> None:
        m, k, n = self.m, self.k, self.n
        require_size(self.label, m, k, n)
        if not 1 <= self.rank <= MAX_RANK:
            raise UserError(f"{self.label}: a scheme has 1 to {MAX_RANK} products")
        for (letter, factor), width in zip(self._factors(), (m * k, k * n, m * n), strict=True):
            self._check(letter, factor, width)

    def _check(self, letter: str, factor: Factor, width: int) -> None:
        if len(factor) != self.rank:
            raise UserError(
                f"{self.label}: {letter} has {len(factor)} rows and u has {self.rank}; each needs one per product"
            )
        for t, row in enumerate(factor, start=1):
            if len(row) != width:
                raise UserError(f"{self.label}: row {t} of {letter} has {len(row)} coefficients, not {width}")
            if any(max(x.numerator.bit_length(), x.denominator.bit_length()) > MAX_BITS for x in row):
                raise UserError(
                    f"{self.label}: row {t} of {letter} has a number of over {MAX_BITS} bits; use smaller ones"
                )

    @property
    def rank(self) -> int:
        """The number of block products, r."""
        return len(self.u)

    @property
    def label(self) -> str:
        """Name and size, for messages: "strassen ⟨2,2,2;7⟩"."""
        return f"{self.name} ⟨{self.m},{self.k},{self.n};{self.rank}⟩"

    def as_data(self) -> dict[str, Any]:
        """Plain types for JSON and TOML, coefficients as integers or "p/q"; `schemes.from_data` reads it back."""
        head: dict[str, Any] = {"name": self.name, "m": self.m, "k": self.k, "n": self.n}
        if self.source:
            head["source"] = self.source
        return head | {key: [[_number(x) for x in row] for row in factor] for key, factor in self._factors()}

    def _factors(self) -> tuple[tuple[str, Factor], ...]:
        return (("u", self.u), ("v", self.v), ("w", self.w))


@dataclass(frozen=True, slots=True)
class Proof:
    """The scheme is valid: all of its `equations` Brent equations hold exactly."""

    scheme: Scheme
    equations: int

    def __str__(self) -> str:
        return f"{self.scheme.label}: all {self.equations} Brent equations hold exactly"


@dataclass(frozen=True, slots=True)
class Refutation:
    """The scheme is wrong: the first Brent equation that fails, and the number that fail.

    a, b, c: 1-based (row, column) of the three blocks in the equation, which are also its order, row-major.
    """

    scheme: Scheme
    a: tuple[int, int]
    b: tuple[int, int]
    c: tuple[int, int]
    expected: int
    got: Fraction
    failing: int
    equations: int

    @property
    def equation(self) -> str:
        """The equation in symbols: "a12·b21 must contribute 1 to c11, but the scheme gives -1"."""
        a, b, c = (symbol(self.scheme, *pair) for pair in (("a", self.a), ("b", self.b), ("c", self.c)))
        return f"{a}·{b} must contribute {self.expected} to {c}, but the scheme gives {self.got}"

    def __str__(self) -> str:
        fails = f"{self.failing} of {self.equations} equations fail"
        return f"{self.scheme.label} is not a matrix product: {self.equation} ({fails})"


def symbol(scheme: Scheme, letter: str, at: tuple[int, int]) -> str:
    """The name of a block, "a12", or "a1_12" if a dimension has two digits. `at` is a 1-based (row, column)."""
    joint = "" if max(scheme.m, scheme.k, scheme.n) < 10 else "_"
    return f"{letter}{at[0]}{joint}{at[1]}"


def prove(scheme: Scheme) -> Proof | Refutation:
    """Check all (m·k)·(k·n)·(m·n) Brent equations in exact integer arithmetic over the common denominators.

    Raises UserError if large coefficients would make that take minutes.
    """
    (u, du), (v, dv), (w, dw) = (_integers(factor) for factor in (scheme.u, scheme.v, scheme.w))
    # No partial sum exceeds r·max|u|·max|v|·max|w|. Below 2⁶² int64 is exact, else Python integers are needed.
    largest = scheme.rank * math.prod(max(1, max(abs(x) for row in f for x in row)) for f in (u, v, w))
    unit = du * dv * dw
    kind: Any = np.int64 if max(largest, unit) < _INT64_SAFE else object
    work = scheme.rank * (scheme.m * scheme.k * scheme.n) ** 2
    if kind is object and (work > _MAX_BIG_WORK or unit.bit_length() > _MAX_UNIT_BITS):
        raise UserError(
            f"{scheme.label}: coefficients too large for a scheme of this size; use small integers and fractions"
        )
    left, right, out = (np.array(f, dtype=kind) for f in (u, v, w))
    pairs = (left[:, :, None] * right[:, None, :]).reshape(scheme.rank, -1)
    got: ExactIntegers = pairs.T.dot(out)
    wanted = target(scheme).astype(kind) * unit
    wrong = np.flatnonzero((got != wanted).reshape(-1))
    if wrong.size == 0:
        return Proof(scheme, got.size)
    return _refutation(scheme, int(wrong[0]), got, unit, int(wrong.size))


def holds_modulo_2(scheme: Scheme) -> bool:
    """Whether all Brent equations hold modulo 2, for a scheme of integers; such a scheme is no proof over the reals."""
    (u, du), (v, dv), (w, dw) = (_integers(factor) for factor in (scheme.u, scheme.v, scheme.w))
    if (du, dv, dw) != (1, 1, 1):
        return False
    left, right, out = (np.array(f, dtype=np.int64) & 1 for f in (u, v, w))
    pairs = (left[:, :, None] * right[:, None, :]).reshape(scheme.rank, -1)
    return bool(((pairs.T.dot(out) - target(scheme)) % 2 == 0).all())


def _refutation(scheme: Scheme, first: int, got: ExactIntegers, unit: int, failing: int) -> Refutation:
    m, k, n = scheme.m, scheme.k, scheme.n
    i, p, q, j, x, y = (int(index) for index in np.unravel_index(first, (m, k, k, n, m, n)))
    return Refutation(
        scheme,
        a=(i + 1, p + 1),
        b=(q + 1, j + 1),
        c=(x + 1, y + 1),
        expected=int(p == q and i == x and j == y),
        got=Fraction(int(got.reshape(-1)[first]), unit),
        failing=failing,
        equations=got.size,
    )


def target(scheme: Scheme) -> npt.NDArray[np.int64]:
    """The matrix multiplication tensor, [p=q][i=x][j=y], as an (m·k·k·n) × (m·n) matrix."""
    m, k, n = scheme.m, scheme.k, scheme.n
    tensor = np.zeros((m, k, k, n, m, n), dtype=np.int64)
    i, p, j = np.ogrid[:m, :k, :n]
    tensor[i, p, p, j, i, j] = 1
    return tensor.reshape(m * k * k * n, m * n)


def _integers(factor: Factor) -> tuple[list[list[int]], int]:
    """The factor multiplied by its common denominator, and that denominator."""
    common = math.lcm(*(x.denominator for row in factor for x in row))
    return [[x.numerator * (common // x.denominator) for x in row] for row in factor], common


def exact(rows: Sequence[Sequence[int | str | Fraction]]) -> Factor:
    """Rows of exact coefficients from integers, strings "p/q" and Fractions.

    Raises UserError, which names row and coefficient, for anything else; floats are refused as inexact.
    """
    return tuple(tuple(_coefficient(x, t) for x in row) for t, row in enumerate(rows, start=1))


def _coefficient(value: object, row: int) -> Fraction:
    if isinstance(value, int | Fraction) and not isinstance(value, bool):
        return Fraction(value)
    # Strings like "1e999999999" would become integers of gigabytes: hence no exponents and a length limit.
    if isinstance(value, str) and len(value) <= 48 and "e" not in value.lower():
        try:
            return Fraction(value.strip())
        except (ValueError, ZeroDivisionError):
            pass
    raise UserError(f'row {row}: {str(value)[:40]!r} is not an exact coefficient; write an integer or "1/2"')


def _number(value: Fraction) -> int | str:
    return value.numerator if value.denominator == 1 else str(value)
