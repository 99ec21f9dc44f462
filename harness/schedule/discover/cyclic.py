"""The search with symmetry: schemes of square matrices that a cyclic change of A, B and the transposed C leaves alike.

The products of such a scheme are cubes a⊗a⊗a and orbits a⊗b⊗c + b⊗c⊗a + c⊗a⊗b. The walker keeps the cubes and flips
whole orbits (Moosbauer and Poole 2025), so that it has a third of the rows.
"""

from __future__ import annotations

import itertools

from harness.errors import UserError
from harness.schedule.bilinear.scheme import Scheme
from harness.schedule.discover.formats import Format
from harness.schedule.discover.lines import Masks, cyclic_scheme

# Orbits of a start: the walker's sets have 64, and a walk adds some. Its masks have 32 bits there, which is enough for
# 5x5x5, the largest format of any search.
MOST_ORBITS = 60


def require_square(wanted: Format) -> None:
    """Raise UserError unless schemes of the format can have the symmetry."""
    if len(set(wanted)) != 1:
        raise UserError(
            f"--symmetry cyclic: {wanted} is not square; A, B and C change places, so they need the same extents"
        )


def cube_counts(wanted: Format, target: int | None) -> list[int]:
    """The numbers of cubes that a search tries in turn: those with which the rank can be `target`, if there are any.

    The cubes stay, and every orbit has three products: the rank is the number of cubes plus a multiple of three.
    """
    n = wanted.m
    possible = [cubes for cubes in range(1, n + 1) if start(wanted, cubes).rank // 3 <= MOST_ORBITS]
    fitting = [cubes for cubes in possible if target is not None and (target - cubes) % 3 == 0]
    return fitting or possible


def start(wanted: Format, cubes: int) -> Scheme:
    """The classical algorithm of n x n x n, modulo 2, rewritten with `cubes` cubes; 1 <= cubes <= n.

    The diagonal is cut into that many groups, as equal as possible. The sum d of a group's diagonal blocks is a cube.
    Expanding d⊗d⊗d gives products of different blocks as well; they are added once more, which cancels them modulo 2.
    """
    n = wanted.m
    groups = [list(range(first, n, cubes)) for first in range(cubes)]

    def block(i: int, j: int) -> int:
        return 1 << (i * n + j)

    products: list[Masks] = []
    for group in groups:
        diagonal = sum(block(i, i) for i in group)
        products.append((diagonal, diagonal, diagonal))
        products += [(block(i, i), block(j, j), block(k, k)) for i, j, k in _unequal(group)]
    products += [(block(i, j), block(j, k), block(k, i)) for i, j, k in _unequal(range(n))]
    return cyclic_scheme(products, wanted, f"classical_{wanted}_with_{cubes}_cubes")


def _unequal(indices: range | list[int]) -> list[tuple[int, ...]]:
    """All triples of indices but those of three equal ones."""
    return [triple for triple in itertools.product(indices, repeat=3) if len(set(triple)) > 1]
