"""Schemes as lines of bit masks, as the walker reads and writes them: modulo 2, cyclic by orbits, and ternary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from harness.schedule.bilinear.scheme import Factor, Scheme
from harness.schedule.discover.formats import Format

# The factors of a product as bit masks, bit i for block i in row-major order.
Masks: TypeAlias = tuple[int, int, int]

_ZERO, _ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True)
class Notation:
    """How the walker is told schemes. `symmetry` is the number of products that one flip changes alike.

    `to_line` takes a scheme modulo 2 and raises ValueError for one that has not the symmetry. `from_line` gives the
    whole scheme of that format and name, with coefficients 0 and 1; it raises ValueError for anything that is no line.
    """

    symmetry: int
    to_line: Callable[[Scheme], str]
    from_line: Callable[[str, Format, str], Scheme]


def to_line(scheme: Scheme) -> str:
    """Every product as hexadecimal masks: "U,V,W;U,V,W;…"."""
    return _line([(_mask(u), _mask(v), _mask(w)) for u, v, w in _rows(scheme)])


def from_line(line: str, form: Format, name: str) -> Scheme:
    """The scheme of a line, with coefficients 0 and 1. Raises ValueError for anything that is no such line."""
    m, k, n = form
    u, v, w = zip(*_products(line), strict=True)
    return Scheme(name, m, k, n, _factor(u, m * k), _factor(v, k * n), _factor(w, m * n))


def cyclic_to_line(scheme: Scheme) -> str:
    """Each cube a⊗a⊗a and one product of each orbit a⊗b⊗c + b⊗c⊗a + c⊗a⊗b, W as that of the transposed C.

    Raises ValueError when the scheme is no such sum.
    """
    left = Counter((_mask(u), _mask(v), _transposed(_mask(w), scheme.n)) for u, v, w in _rows(scheme))
    kept: list[Masks] = []
    for product in list(left):
        while left[product] > 0:
            kept.append(product)
            for turned in orbit(product):
                left[turned] -= 1
                if left[turned] < 0:
                    raise ValueError(f"{scheme.label} is not cyclic")
    return _line(kept)


def cyclic_from_line(line: str, form: Format, name: str) -> Scheme:
    """The whole scheme of a line of cubes and orbits. Raises ValueError for anything that is no such line."""
    products = [turned for product in _products(line) for turned in orbit(product)]
    return cyclic_scheme(products, form, name)


def orbit(product: Masks) -> list[Masks]:
    """The product in its three cyclic orders; a cube is its only one."""
    a, b, c = product
    return list(dict.fromkeys(((a, b, c), (b, c, a), (c, a, b))))


def cyclic_scheme(products: Sequence[Masks], form: Format, name: str) -> Scheme:
    """The scheme of these products, whose third factors are those of the transposed C; all extents are equal."""
    n = form.n
    u, v, w = zip(*((a, b, _transposed(c, n)) for a, b, c in products), strict=True)
    return Scheme(name, n, n, n, _factor(u, n * n), _factor(v, n * n), _factor(w, n * n))


FREE = Notation(1, to_line, from_line)
CYCLIC = Notation(3, cyclic_to_line, cyclic_from_line)


def to_signed_line(scheme: Scheme) -> str:
    """A ternary scheme: per factor two hexadecimal masks, blocks with 1 and blocks with -1."""
    products = [[_mask_of(row, sign) for row in factors for sign in (1, -1)] for factors in _rows(scheme)]
    return ";".join(",".join(f"{mask:x}" for mask in masks) for masks in products)


def from_signed_line(line: str, like: Scheme) -> Scheme:
    """The scheme of a line, with name and format of `like`. Raises ValueError for anything that is no such line."""
    rows = [[int(mask, 16) for mask in row.split(",")] for row in line.split(";")]
    if any(len(row) != 6 for row in rows):
        raise ValueError("a product needs six masks")
    if any(row[at] & row[at + 1] for row in rows for at in (0, 2, 4)):
        raise ValueError("the masks of a sum overlap")
    sizes = like.m * like.k, like.k * like.n, like.m * like.n
    u, v, w = (
        _signed([_factor([row[2 * at + minus] for row in rows], size) for minus in (0, 1)])
        for at, size in enumerate(sizes)
    )
    return Scheme(like.name, like.m, like.k, like.n, u, v, w, like.source)


def _signed(plus_and_minus: Sequence[Factor]) -> Factor:
    plus, minus = plus_and_minus
    return tuple(
        tuple(x - y for x, y in zip(one, other, strict=True)) for one, other in zip(plus, minus, strict=True)
    )


def _mask_of(row: Sequence[Fraction], value: int) -> int:
    return sum(1 << index for index, x in enumerate(row) if x == value)


def _rows(scheme: Scheme) -> zip[tuple[tuple[Fraction, ...], ...]]:
    return zip(scheme.u, scheme.v, scheme.w, strict=True)


def _line(products: Sequence[Masks]) -> str:
    return ";".join(",".join(f"{mask:x}" for mask in product) for product in products)


def _products(line: str) -> list[Masks]:
    found: list[Masks] = []
    for row in line.split(";"):
        u, v, w = (int(mask, 16) for mask in row.split(","))
        found.append((u, v, w))
    return found


def _mask(row: Sequence[Fraction]) -> int:
    return sum(1 << index for index, x in enumerate(row) if x.numerator % 2)


def _factor(masks: Sequence[int], size: int) -> Factor:
    if any(mask >> size for mask in masks):
        raise ValueError("a mask has more bits than there are blocks")
    return tuple(tuple(_ONE if mask >> index & 1 else _ZERO for index in range(size)) for mask in masks)


def _transposed(mask: int, n: int) -> int:
    """The mask of a transposed n x n matrix."""
    cells = ((i, j) for i in range(n) for j in range(n))
    return sum(1 << (j * n + i) for i, j in cells if mask >> (i * n + j) & 1)
