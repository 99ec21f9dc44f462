"""From a scheme modulo 2 to one over the integers or the rationals: signs first, then Hensel lifting.

Signs: with every coefficient 1 written as 1 - 2x, a product of three is 1 - 2(x + y + z) modulo 4, so the Brent
equations modulo 4 are linear in the signs modulo 2. Hensel: a solution modulo 2^s becomes one modulo 2^(s+1) by solving
a linear system modulo 2, whose matrix is the same for every s (Kauers and Moosbauer 2023). What comes out is a claim:
only `prove` shows that it holds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness.schedule.bilinear.scheme import Factor, Proof, Scheme, prove, target

Integers: TypeAlias = npt.NDArray[np.int64]
Bits: TypeAlias = npt.NDArray[np.bool_]

# Random choices of the free signs before Hensel lifting is tried; its most steps.
TRIES, STEPS = 12, 12


def lift(scheme: Scheme, rng: random.Random, signs_only: bool = False) -> Scheme | None:
    """A scheme over the integers or rationals that is `scheme` modulo 2, proved; None when none was found.

    Coefficients are -1, 0 and 1 where signs alone suffice; with `signs_only` nothing else is tried.
    """
    u, v, w = (np.array([[int(x) & 1 for x in row] for row in f], np.int64) for f in _factors(scheme))
    wanted = target(scheme).reshape(u.shape[1], v.shape[1], w.shape[1])
    signed = _by_signs(scheme, (u, v, w), wanted, rng)
    return signed if signed is not None or signs_only else _by_hensel(scheme, (u, v, w), wanted)


def _factors(scheme: Scheme) -> tuple[Factor, Factor, Factor]:
    return scheme.u, scheme.v, scheme.w


def _sum(factors: Sequence[Integers]) -> Integers:
    total: Integers = np.einsum("ta,tb,tc->abc", *factors, optimize=True)
    return total


def _jacobian(factors: Sequence[Integers]) -> Bits:
    """The Jacobian modulo 2: a row for each equation, a column for each coefficient (u's first, then v's and w's)."""
    u, v, w = (factor.astype(np.bool_) for factor in factors)
    rank, sizes = len(u), (u.shape[1], v.shape[1], w.shape[1])
    parts = []
    for axis, (x, y) in enumerate(((v, w), (u, w), (u, v))):
        outer = x[:, :, None] & y[:, None, :]
        block = np.zeros((rank, sizes[axis], sizes[axis], *outer.shape[1:]), np.bool_)
        index = np.arange(sizes[axis])
        block[:, index, index] = outer[:, None]
        # Axes: product, coefficient, then the equation's indices with `axis` first; that one moves to its place.
        parts.append(np.moveaxis(block, 2, 2 + axis).reshape(rank * sizes[axis], -1))
    return np.concatenate(parts).T


@dataclass(frozen=True, slots=True)
class _Cycles:
    """What is equal in a scheme that stays the same when A, B and the transposed C change places in a circle.

    If such a scheme can be lifted, then also so that it stays cyclic (the sum of a correction in all three orders is
    one, too), with a third of the unknowns and of the equations. `variables` gives the three columns of the Jacobian
    that share an unknown, shape (unknowns, 3), and `equations` one equation of each three.
    """

    variables: Integers
    equations: Integers


def _cycles(factors: Sequence[Integers]) -> _Cycles | None:
    """The cycles of a cyclic scheme; None for any other scheme."""
    u, v, w = factors
    n = math.isqrt(u.shape[1])
    if not u.shape[1] == v.shape[1] == w.shape[1] == n * n:
        return None
    turned = np.arange(n * n).reshape(n, n).T.reshape(-1)
    products = [(a.tobytes(), b.tobytes(), c.tobytes()) for a, b, c in zip(u, v, w[:, turned], strict=True)]
    place = {product: at for at, product in enumerate(products)}
    after = [place.get((b, c, a), -1) for a, b, c in products]
    if len(place) < len(products) or min(after) < 0:
        return None
    # Coefficient (factor, product, block) as a column of the Jacobian, and the equal one in the next product.
    columns = np.arange(3 * u.size).reshape(3, len(products), n * n)
    u_next, v_next, w_next = (numbers[after] for numbers in columns)
    following = np.stack([w_next[:, turned], u_next, v_next[:, turned]]).reshape(-1)
    first = np.arange(3 * u.size)
    cycles = np.stack([first, following, following[following]], axis=1)
    x, y, z = np.meshgrid(np.arange(n * n), np.arange(n * n), turned, indexing="ij")
    orders = [(p * n**2 + q) * n**2 + r for p, q, r in ((x, y, z), (y, z, x), (z, x, y))]
    equations = np.flatnonzero(orders[0] == np.minimum.reduce(orders))
    return _Cycles(cycles[cycles.min(axis=1) == first], equations)


class _Corrections:
    """The linear equations modulo 2 of corrections of a scheme's coefficients, for several right-hand sides."""

    def __init__(self, factors: Sequence[Integers], only_nonzero: bool) -> None:
        self._shapes = [factor.shape for factor in factors]
        matrix, cycles = _jacobian(factors), _cycles(factors)
        # A row for each unknown: the coefficients that it corrects.
        self._unknowns = np.arange(matrix.shape[1])[:, None] if cycles is None else cycles.variables
        self._equations = np.arange(matrix.shape[0]) if cycles is None else cycles.equations
        if only_nonzero:
            nonzero = np.concatenate([factor.reshape(-1) != 0 for factor in factors])
            self._unknowns = self._unknowns[nonzero[self._unknowns[:, 0]]]
        if cycles is not None:
            matrix = matrix[self._equations]
        self._system = _LinearSystem(
            np.logical_xor.reduce([matrix[:, columns] for columns in self._unknowns.T])
        )

    def solution(self, right: Integers, rng: random.Random | None) -> list[Integers] | None:
        """Corrections 0 or 1 in the shapes of the factors, or None; free ones are random, or 0 without `rng`."""
        found = self._system.solution(right.reshape(-1)[self._equations], rng)
        if found is None:
            return None
        flat = np.zeros(sum(rows * size for rows, size in self._shapes), np.int64)
        flat[self._unknowns] = found[:, None]
        ends = np.cumsum([rows * size for rows, size in self._shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), self._shapes, strict=True)]


class _LinearSystem:
    """A matrix modulo 2 in echelon form, to be solved for several right-hand sides.

    A row is an integer: its lowest bits are the coefficients of the variables, the bits above say which equations were
    added up to it.
    """

    def __init__(self, matrix: Bits) -> None:
        self.variables = matrix.shape[1]
        self._coefficients = (1 << self.variables) - 1
        self.pivots: dict[int, int] = {}
        # Sums of equations in which no variable is left: their right-hand sides must add up to 0.
        self._dependent: list[int] = []
        packed = np.packbits(matrix, axis=1, bitorder="little")
        for number, bits in enumerate(packed):
            row = int.from_bytes(bits.tobytes(), "little")
            self._add(row | 1 << (self.variables + number))
        self._order = sorted(self.pivots, reverse=True)

    def _add(self, row: int) -> None:
        while row & self._coefficients:
            low = row & -row
            known = self.pivots.get(low)
            if known is None:
                self.pivots[low] = row
                return
            row ^= known
        self._dependent.append(row >> self.variables)

    def solution(self, right: Integers, rng: random.Random | None) -> Integers | None:
        """One solution for the right-hand sides modulo 2, or None; free variables are random, or 0 without `rng`."""
        packed = np.packbits(right.reshape(-1) & 1, bitorder="little")
        ones = int.from_bytes(packed.tobytes(), "little")
        if any((row & ones).bit_count() & 1 for row in self._dependent):
            return None
        values = rng.getrandbits(self.variables) if rng is not None else 0
        for low in self._order:
            row = self.pivots[low]
            odd = (row & self._coefficients & ~low & values).bit_count() + (
                row >> self.variables & ones
            ).bit_count()
            values = values | low if odd & 1 else values & ~low
        bits = values.to_bytes(self.variables // 8 + 1, "little")
        found = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")[: self.variables]
        return found.astype(np.int64)


def _by_signs(
    scheme: Scheme, factors: Sequence[Integers], wanted: Integers, rng: random.Random
) -> Scheme | None:
    half = (_sum(factors) - wanted) // 2
    corrections = _Corrections(factors, only_nonzero=True)
    for _ in range(TRIES):
        signs = corrections.solution(half, rng)
        if signs is None:
            return None
        signed = [factor * (1 - 2 * mine) for factor, mine in zip(factors, signs, strict=True)]
        if np.array_equal(_sum(signed), wanted):
            return _proved(scheme, [[[Fraction(int(x)) for x in row] for row in f] for f in signed])
    return None


def _by_hensel(scheme: Scheme, factors: Sequence[Integers], wanted: Integers) -> Scheme | None:
    corrections = _Corrections(factors, only_nonzero=False)
    now = [factor.copy() for factor in factors]
    for step in range(1, STEPS):
        modulus = 1 << step
        changes = corrections.solution((wanted - _sum(now)) // modulus, None)
        if changes is None:
            return None
        for factor, change in zip(now, changes, strict=True):
            factor += modulus * change
        for read in (_balanced, _rational):
            found = read(now, 2 * modulus)
            proved = _proved(scheme, found) if found is not None else None
            if proved is not None:
                return proved
    return None


def _balanced(factors: Sequence[Integers], modulus: int) -> list[list[list[Fraction]]]:
    """The residues nearest to 0."""
    half = modulus // 2
    return [[[Fraction((int(x) + half - 1) % modulus - half + 1) for x in row] for row in f] for f in factors]


def _rational(factors: Sequence[Integers], modulus: int) -> list[list[list[Fraction]]] | None:
    """Each residue as a fraction of small numerator and odd denominator; None when one has none."""
    found: list[list[list[Fraction]]] = []
    for factor in factors:
        rows: list[list[Fraction]] = []
        for row in factor:
            read = [_fraction(int(x) % modulus, modulus) for x in row]
            if any(x is None for x in read):
                return None
            rows.append([x for x in read if x is not None])
        found.append(rows)
    return found


def _fraction(residue: int, modulus: int) -> Fraction | None:
    """p/q with p ≡ residue·q and |p|, q at most √(modulus/2), by the extended Euclidean algorithm (Wang 1981)."""
    limit = math.isqrt(modulus // 2)
    (a, b), (s, t) = (modulus, residue), (0, 1)
    while b > limit:
        quotient = a // b
        (a, b), (s, t) = (b, a - quotient * b), (t, s - quotient * t)
    return Fraction(b, t) if t and abs(t) <= limit and t % 2 else None


def _proved(scheme: Scheme, factors: Sequence[Sequence[Sequence[Fraction]]]) -> Scheme | None:
    u, v, w = (tuple(tuple(row) for row in factor) for factor in factors)
    claim: Any = Scheme(scheme.name, scheme.m, scheme.k, scheme.n, u, v, w, scheme.source)
    return claim if isinstance(prove(claim), Proof) else None
