"""References and bounds: exact and f64 products, rounding error bounds, comparisons that fail on NaN.

Every comparison is written so that a NaN fails it: BLIS once printed PASS for a residual of -nan (BLIS issue 279), and
the MAX of netlib's sblat3 drops NaN.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.judge.worker.calls import F32
from harness.shapes import Shape
from harness.verdict import Counterexample

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Unit roundoff of f32 and of f64, and the smallest positive subnormal f32.
U32 = 2.0**-24
U64 = 2.0**-53
TINY32 = 2.0**-149
# All integers up to this magnitude are exact in f32.
EXACT_LIMIT = 1 << 24


def product_f64(a: F32, b: F32) -> F64:
    """A·B in f64, (m×k)·(k×n). Exact when all partial sums are integers (times one power of two) below 2^53."""
    with np.errstate(all="ignore"):
        return a.astype(np.float64) @ b.astype(np.float64)


def exact_f32(a: F32, b: F32) -> F32:
    """A·B for integers whose partial sums stay at or below 2^24, so that f32 is exact in any order of summation.

    Raises ValueError when the data does not guarantee that, which would be a bug of the caller.
    """
    bound = a.shape[1] * float(np.abs(a).max(initial=0)) * float(np.abs(b).max(initial=0))
    if not bound <= EXACT_LIMIT:
        bound = float(product_f64(np.abs(a), np.abs(b)).max(initial=0))
    if not bound <= EXACT_LIMIT:
        raise ValueError(f"not exact in f32: a partial sum may reach {bound:.0f} > 2^24")
    # The product in f32, which takes half the time, has the same bits.
    product: F32 = a @ b
    return product


def gamma(k: int, unit: float = U32) -> float:
    """γ_k = k·u / (1 − k·u) (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., lemma 3.1)."""
    return k * unit / (1 - k * unit)


def componentwise_bound(a: F32, b: F32) -> F64:
    """Upper bound of |Ĉ − C|_ij for any order of summation, with or without FMA (Higham, eq. 3.13).

    γ_k·(|A|·|B|)_ij, plus half the smallest subnormal for each of k products and k sums that may underflow, plus the
    error of the f64 reference itself.
    """
    k = a.shape[1]
    size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    bound: F64 = (gamma(k) + gamma(k, U64)) * size * (1 + 4 * k * U64) + k * TINY32
    return bound


def is_clearly_within(error: F64, a: F32, b: F32) -> bool:
    """Whether each |error| is at most slightly less than its `componentwise_bound`; takes half the time of that.

    Computed in f32. When it is true, every element is within the bound; when it is false, the bound must be asked.
    The sums are at most 1 + γ_k times too large, and the least by which underflow makes them larger is smaller than
    the term for underflow in the bound, which is left out here.
    """
    unit = gamma(a.shape[1])
    with np.errstate(all="ignore"):
        size = np.abs(a) @ np.abs(b)
        size *= np.float32(unit * (1 - 4 * unit))
    return bool(size.max(initial=0) < np.inf and (np.abs(error) <= size).all())


def rms_unit(a: F32, b: F32, product: F64) -> F64:
    """u·sqrt(k·(Σt² + (Σt)²)) per element of C, where t are its k products: the scale of an f32 sum's typical error.

    Each of the k partial sums s of an element is rounded by less than u·|s|. Averaged over all orders of summation, s²
    is at most Σt² + (Σt)²: the first term dominates for random signs, the second for equal signs. `product` is
    product_f64(a, b).
    """
    squares = np.square(a, dtype=np.float64) @ np.square(b, dtype=np.float64)
    unit: F64 = U32 * np.sqrt(a.shape[1] * (squares + product**2))
    return unit


# Least sum of squares, of operands scaled to at most 1, beside which those lost to underflow do not count.
LEAST_SQUARES = np.float32(2.0**-100)


def quick_rms_unit(a: F32, b: F32, product: F64) -> F64 | None:
    """`rms_unit` with a relative error of at most γ_(k+4), in half the time; None where that is not certain.

    The squares are multiplied in f32, of A and B scaled by powers of two so that the largest element is at most 1.
    """
    k = a.shape[1]
    scales = [2.0 ** -int(np.frexp(np.abs(x).max(initial=0))[1]) for x in (a, b)]
    with np.errstate(all="ignore"):
        x, y = (np.square(matrix * np.float32(scale)) for matrix, scale in zip((a, b), scales, strict=True))
        squares = x @ y
        if not squares.min(initial=1) >= LEAST_SQUARES:
            return None
        unit: F64 = squares.astype(np.float64)
        unit /= (scales[0] * scales[1]) ** 2
        unit += np.square(product)
        unit *= k
        np.sqrt(unit, out=unit)
        unit *= U32
    return unit


# Levels of recursion that the constant of the normwise bound covers.
USUAL_LEVELS = 4
# Levels shown from which a scheme may be deep.
DEEP = 3
# Binary logarithm of the smallest block (8) on which a deep scheme recurses.
SMALLEST_BLOCK = 3


def normwise_bound(a: F32, b: F32, levels: int = 0) -> float:
    """The error allowed to a fast bilinear scheme (Strassen and kin): 32·(k+16)·u·max|A|·max|B|, for A (m×k), B (k×n).

    The proven constant of Strassen's method, 12^levels·(n0²+5·n0)·u·‖A‖‖B‖ (Higham, theorem 23.2), is so large that
    bf16 would pass. In practice, four levels of Winograd's variant stay below 16·(k+16)·u; this bound is twice that.

    A kernel that shows three `levels` or more may recurse down to blocks of 8, and each level beyond four doubles the
    bound. The depth is estimated from the shape, not from `levels`: at 509x30x515 a seven-level scheme padded to 1024
    shows only three, because the other rows are padding. Measured there and at 1024^3: 1.8 and 2.1 of the bound without
    that factor, 0.2 and 0.3 with it. A kernel that spreads a row to more rows than blocks of 8 allow uses a common
    scale; it gets no such factor. For the mean error only the levels shown count.
    """
    if not a.size or not b.size:
        return 0.0
    fitting = (max(*a.shape, b.shape[1]) - 1).bit_length() - SMALLEST_BLOCK
    growth = 2.0 ** max(fitting - USUAL_LEVELS, 0) if DEEP <= levels <= fitting else 1.0
    return float(32 * growth * (a.shape[1] + 16) * U32 * np.abs(a).max() * np.abs(b).max())


def value_text(value: np.float32) -> str:
    """A value as text that distinguishes −0, NaN payloads and neighbouring floats."""
    if np.isnan(value):
        return f"nan (0x{int(value.view(np.uint32)):08x})"
    return repr(float(value))


def first_wrong(got: F32, ok: Mask, expected: F32 | F64, detail: str) -> Counterexample | None:
    """The first element in row-major order where `ok` is false; None when all are ok.

    The counterexample's oracle is empty; the caller fills it in.
    """
    if bool(ok.all()):
        return None
    wrong = int(ok.size - np.count_nonzero(ok))
    found = _element(
        got, expected, int(np.argmin(ok)), f"{detail}: {wrong} of {ok.size} elements differ; first"
    )
    return replace(found, blocks=wrong_blocks(ok))


# Blocks of C in a counterexample's picture, at most; a kernel's tiles are seen at this size.
BLOCK_ROWS, BLOCK_COLUMNS = 16, 32


def wrong_blocks(ok: Mask) -> tuple[str, ...]:
    """C (m×n) as at most 16 × 32 blocks of equal size (the last ones may be smaller): "." where every element is right,
    "#" where every one is wrong, "+" where some are.
    """
    tall, wide = (
        -(-extent // most) for extent, most in zip(ok.shape, (BLOCK_ROWS, BLOCK_COLUMNS), strict=True)
    )
    blocks = [
        [ok[row : row + tall, col : col + wide] for col in range(0, ok.shape[1], wide)]
        for row in range(0, ok.shape[0], tall)
    ]
    return tuple("".join("." if b.all() else "+" if b.any() else "#" for b in row) for row in blocks)


def worst_element(got: F32, error: F64, expected: F64, detail: str) -> Counterexample:
    """The element with the largest absolute error."""
    return _element(got, expected, int(np.argmax(np.abs(error))), f"{detail}; worst")


def _element(got: F32, expected: F32 | F64, index: int, detail: str) -> Counterexample:
    row, col = (int(axis) for axis in np.unravel_index(index, got.shape))
    return Counterexample(
        oracle="",
        detail=detail,
        row=row,
        col=col,
        got=value_text(got[row, col]),
        expected=repr(float(expected[row, col])),
    )


def unequal(got: F32, want: F32, detail: str) -> Counterexample | None:
    """None when `got` equals `want` element by element. +0 equals −0; NaN equals nothing."""
    return first_wrong(got, got == want, want, detail)


def freivalds(got: F32, a: F32, b: F32, rng: np.random.Generator, detail: str) -> Counterexample | None:
    """None when C·x = A·(B·x) for two random integer vectors (Freivalds 1979), else the first wrong element of `got`.

    A and B hold small integers, so that all sums are integers below 2^53 and exact in f64. A wrong row escapes with
    probability 2^-20.
    """
    x = rng.integers(-512, 512, (b.shape[1], 2)).astype(np.float64)
    with np.errstate(all="ignore"):
        same = got.astype(np.float64) @ x == a.astype(np.float64) @ (b.astype(np.float64) @ x)
    return None if same.all() else unequal(got, exact_f32(a, b), detail)


def shape_of(a: F32, b: F32) -> Shape:
    """The shape of the product A·B."""
    return Shape(a.shape[0], a.shape[1], b.shape[1])
