"""The lightest scheme in an orbit: the same algorithm in other bases of A, B and C (de Groote 1978).

A change of basis keeps the rank and the proof, but not the number of nonzero coefficients, which is what the sums of a
fused kernel cost, nor the growth of errors. The search walks through elementary changes (a row or column of blocks plus
or minus another) with simulated annealing.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from harness.schedule.bilinear.scheme import Factor, Scheme

Blocks: TypeAlias = npt.NDArray[np.int64]

# Elementary changes of one walk, walks from the best scheme so far, and the temperature at which a walk starts, in
# nonzero coefficients.
STEPS, WALKS, HOT = 6000, 4, 3.0
# Larger coefficients are never useful, and products of them could leave int64.
_LARGEST = 64


@dataclass(frozen=True, slots=True)
class _Bases:
    """The factors as matrices of coefficients, one per product: u is r x m x k, v is r x k x n, w is r x m x n."""

    u: Blocks
    v: Blocks
    w: Blocks

    @property
    def nonzero(self) -> int:
        return sum(int(np.count_nonzero(factor)) for factor in (self.u, self.v, self.w))

    @property
    def error_growth(self) -> int:
        """E of `scheme_cost`."""
        weight = np.abs(self.u).sum((1, 2)) * np.abs(self.v).sum((1, 2))
        return int((np.abs(self.w) * weight[:, None, None]).sum(0).max())

    @property
    def largest(self) -> int:
        return max(int(np.abs(factor).max()) for factor in (self.u, self.v, self.w))

    def changed(self, axis: int, i: int, j: int, sign: int) -> _Bases:
        """The scheme for P·A·Q⁻¹, Q·B·R⁻¹ and P⁻¹·C'·R, where one of P (axis 0), Q (1) and R (2) is I + sign·E_ij."""
        u, v, w = self.u.copy(), self.v.copy(), self.w.copy()
        if axis == 0:
            u[:, j, :] += sign * u[:, i, :]
            w[:, i, :] -= sign * w[:, j, :]
        elif axis == 1:
            u[:, :, i] -= sign * u[:, :, j]
            v[:, j, :] += sign * v[:, i, :]
        else:
            v[:, :, i] -= sign * v[:, :, j]
            w[:, :, j] += sign * w[:, :, i]
        return _Bases(u, v, w)


def lightest(scheme: Scheme, rng: random.Random) -> Scheme:
    """A scheme of the same orbit with the fewest nonzero coefficients that were found, then the smallest growth.

    Never a worse one than `scheme`; it is still to be proved. A scheme with fractions is returned as it is. Takes about
    a second.
    """
    if any(x.denominator != 1 for factor in (scheme.u, scheme.v, scheme.w) for row in factor for x in row):
        return scheme
    m, k, n = scheme.m, scheme.k, scheme.n
    changes = [
        (axis, i, j, sign)
        for axis, extent in enumerate((m, k, n))
        for i in range(extent)
        for j in range(extent)
        for sign in (1, -1)
        if i != j
    ]
    start = _Bases(_blocks(scheme.u, m, k), _blocks(scheme.v, k, n), _blocks(scheme.w, m, n))
    if not changes or start.largest > _LARGEST:
        return scheme
    best = start
    for _ in range(WALKS):
        best = _walk(best, changes, rng)
    if _cost(best) >= _cost(start):
        return scheme
    u, v, w = (_factor(factor) for factor in (best.u, best.v, best.w))
    return Scheme(scheme.name, m, k, n, u, v, w, scheme.source)


def _walk(best: _Bases, changes: list[tuple[int, int, int, int]], rng: random.Random) -> _Bases:
    here, weight = best, best.nonzero
    for step in range(STEPS):
        there = here.changed(*rng.choice(changes))
        heavier = there.nonzero - weight
        heat = HOT * (1 - step / STEPS)
        if heavier > 0 and rng.random() >= math.exp(-heavier / max(heat, 1e-9)):
            continue
        if there.largest > _LARGEST:
            continue
        here, weight = there, weight + heavier
        if weight <= best.nonzero and _cost(here) < _cost(best):
            best = here
    return best


def _cost(bases: _Bases) -> tuple[int, int]:
    return bases.nonzero, bases.error_growth


def _blocks(factor: Factor, rows: int, columns: int) -> Blocks:
    return np.array([[int(x) for x in row] for row in factor], np.int64).reshape(-1, rows, columns)


def _factor(blocks: Blocks) -> Factor:
    return tuple(tuple(Fraction(int(x)) for x in product.reshape(-1)) for product in blocks)
