"""One call of an sgemm kernel, C ← alpha·A·B + beta·C: its operands, its form, and what C must hold afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.judge.reference import EXACT_LIMIT, F64, TINY32, U64, gamma, normwise_bound, product_f64
from harness.judge.worker.calls import F32
from harness.operation.forms import CallForm


@dataclass(frozen=True, slots=True)
class GemmUpdate:
    """A (m×k), B (k×n), the former C (m×n), and the form of the call; None in place of C stands for poison."""

    a: F32
    b: F32
    c: F32 | None
    form: CallForm

    def scaled(self, alpha: float, beta: float, c: F32 | None) -> GemmUpdate:
        """The same operands and strides with other scalars, which the call rounds to f32, and another former C."""
        form = replace(self.form, alpha=float(np.float32(alpha)), beta=float(np.float32(beta)))
        return GemmUpdate(self.a, self.b, c, form)

    def wanted(self) -> F64:
        """What C must hold, in f64; with alpha = 0 neither A nor B counts, and with beta = 0 the former C does not."""
        alpha, beta = self.form.alpha, self.form.beta
        with np.errstate(all="ignore"):
            want = np.zeros((self.a.shape[0], self.b.shape[1]))
            if alpha != 0 and self.a.shape[1]:
                want += alpha * product_f64(self.a, self.b)
            if beta != 0:
                assert self.c is not None
                want += beta * self.c.astype(np.float64)
        return want

    def exact(self) -> F32:
        """`wanted` for integers times powers of two, where no order of f32 operations rounds.

        Raises ValueError when the data does not guarantee that, which would be a bug of the caller.
        """
        alpha, beta = abs(self.form.alpha), abs(self.form.beta)
        largest = [0.0 if x is None else float(np.abs(x).max(initial=0)) for x in (self.a, self.b, self.c)]
        size = alpha * self.a.shape[1] * largest[0] * largest[1] + (beta * largest[2] if beta else 0.0)
        limit = EXACT_LIMIT * min(alpha or 1.0, beta or 1.0, 1.0)
        if not size <= limit:
            size = float(self._size().max(initial=0))
        if not size <= limit:
            raise ValueError(f"not exact in f32: a partial sum may reach {size:.0f}")
        with np.errstate(all="ignore"):
            want = np.zeros((self.a.shape[0], self.b.shape[1]), np.float32)
            if alpha:
                want += np.float32(self.form.alpha) * (self.a @ self.b)
            if beta:
                assert self.c is not None
                want += np.float32(self.form.beta) * self.c
        return want

    def bound(self, levels: int = 0) -> F64:
        """The error allowed in each element: γ_(k+3)·(|alpha|·|A|·|B| + |beta|·|C|), and a term for underflow.

        Any honest order of operations has at most k + 2 roundings in each term: alpha may be multiplied to A, to B or
        to the sum, and beta·C be added before, between or after the products (Higham, lemma 3.1). A fast scheme that
        shows `levels` gets its normwise bound as well.
        """
        k = self.a.shape[1]
        tiny = (k + 2) * TINY32 * max(abs(self.form.alpha), 1.0)
        bound: F64 = (gamma(k + 3) + gamma(k + 3, U64)) * self._size() * (1 + 4 * k * U64) + tiny
        if levels:
            bound += abs(self.form.alpha) * normwise_bound(self.a, self.b, levels)
        return bound

    def _size(self) -> F64:
        """|alpha|·|A|·|B| + |beta|·|C|."""
        magnitudes = GemmUpdate(
            np.abs(self.a),
            np.abs(self.b),
            None if self.c is None else np.abs(self.c),
            replace(self.form, alpha=abs(self.form.alpha), beta=abs(self.form.beta)),
        )
        return magnitudes.wanted()

    def __str__(self) -> str:
        return f"alpha {self.form.alpha:g}, beta {self.form.beta:g}, {self.form.strides_text()}"
