"""What the product should be: f64 and exact references, rounding bounds, NaN-safe comparisons.

Every comparison here is written so that a NaN fails it: BLIS once printed PASS for a residual of -nan (BLIS issue
279), and the MAX of netlib's sblat3 drops NaN.
"""

from __future__ import annotations

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
# Up to here every integer is an f32.
EXACT_LIMIT = 1 << 24


def product_f64(a: F32, b: F32) -> F64:
    """A·B in f64: (m×k)·(k×n). Exact when all partial sums are integers (times one power of two) below 2^53."""
    with np.errstate(all="ignore"):
        return a.astype(np.float64) @ b.astype(np.float64)


def exact_f32(a: F32, b: F32) -> F32:
    """A·B for integer data whose partial sums stay at or under 2^24, so that f32 is exact in every order.

    Raises ValueError when the data does not promise that; it is the caller's data, so that is a fault of ours.
    """
    bound = a.shape[1] * float(np.abs(a).max(initial=0)) * float(np.abs(b).max(initial=0))
    if not bound <= EXACT_LIMIT:
        bound = float(product_f64(np.abs(a), np.abs(b)).max(initial=0))
    if not bound <= EXACT_LIMIT:
        raise ValueError(f"not exact in f32: a partial sum may reach {bound:.0f} > 2^24")
    return product_f64(a, b).astype(np.float32)


def gamma(k: int, unit: float = U32) -> float:
    """γ_k = k·u / (1 − k·u) (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., lemma 3.1)."""
    return k * unit / (1 - k * unit)


def componentwise_bound(a: F32, b: F32) -> F64:
    """|Ĉ − C|_ij may be at most this for any order of summation, with or without FMA (Higham, eq. 3.13).

    γ_k·(|A|·|B|)_ij, plus half the smallest subnormal for each of k products and k sums that may underflow, plus
    what the f64 reference itself may be off.
    """
    k = a.shape[1]
    size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    bound: F64 = (gamma(k) + gamma(k, U64)) * size * (1 + 4 * k * U64) + k * TINY32
    return bound


def rms_unit(a: F32, b: F32, product: F64) -> F64:
    """u·sqrt(k·(Σt² + (Σt)²)) for each element of C, t its k products: what partial sums in f32 may add up to.

    Each of the k partial sums s of an element is rounded by less than u·|s|, and in the mean over all orders of
    summation s² is at most Σt² + (Σt)²: for random signs the first counts, for one sign the second. `product` is
    product_f64(a, b).
    """
    squares = np.square(a, dtype=np.float64) @ np.square(b, dtype=np.float64)
    unit: F64 = U32 * np.sqrt(a.shape[1] * (squares + product**2))
    return unit


def normwise_bound(a: F32, b: F32) -> float:
    """What a bilinear fast algorithm (Strassen and kin) is allowed: 32·(k+16)·u·max|A|·max|B|.

    The proven constant of Strassen's method, 12^levels·(n0²+5·n0)·u·‖A‖‖B‖ (Higham, theorem 23.2), is so large
    that bf16 would pass; in practice four levels of Winograd's
    variant stay below 16·(k+16)·u, and that with a factor of two is demanded here.
    """
    if not a.size or not b.size:
        return 0.0
    return float(32 * (a.shape[1] + 16) * U32 * np.abs(a).max() * np.abs(b).max())


def render(value: np.float32) -> str:
    """A value as text that tells apart what prints alike: −0, NaN payloads, neighbours."""
    if np.isnan(value):
        return f"nan (0x{int(value.view(np.uint32)):08x})"
    return repr(float(value))


def first_wrong(got: F32, ok: Mask, expected: F32 | F64, detail: str) -> Counterexample | None:
    """The first element, in row-major order, that is not ok; None when all are. The caller knows the oracle's name."""
    if bool(ok.all()):
        return None
    row, col = (int(index) for index in np.unravel_index(int(np.argmin(ok)), ok.shape))
    wrong = int(ok.size - np.count_nonzero(ok))
    return Counterexample(
        oracle="",
        detail=f"{detail}, {wrong} of {ok.size} elements",
        row=row,
        col=col,
        got=render(got[row, col]),
        expected=repr(float(expected[row, col])),
    )


def unequal(got: F32, want: F32, detail: str) -> Counterexample | None:
    """None when got equals want element by element; +0 and −0 are equal, NaN equals nothing."""
    return first_wrong(got, got == want, want, detail)


def shape_of(a: F32, b: F32) -> Shape:
    """The shape of the product A·B."""
    return Shape(a.shape[0], a.shape[1], b.shape[1])
