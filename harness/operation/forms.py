"""The form of one call: how A, B and C lie in memory, and the scalars of C = alpha·A·B + beta·C."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from harness.shapes import Shape, TimedForm


class Strides(NamedTuple):
    """Distance in elements from one row to the next, and from one column to the next; may be 0 or negative."""

    row: int
    col: int

    def span(self, rows: int, cols: int) -> int:
        """Elements of memory from the lowest to the highest element of a matrix (rows×cols); 0 when it is empty."""
        if not rows or not cols:
            return 0
        return (rows - 1) * abs(self.row) + (cols - 1) * abs(self.col) + 1

    def first(self, rows: int, cols: int) -> int:
        """Elements of memory below the element [0, 0]: more than 0 only with negative strides."""
        if not rows or not cols:
            return 0
        return (rows - 1) * max(-self.row, 0) + (cols - 1) * max(-self.col, 0)

    def is_known_to_blas(self, rows: int, cols: int) -> bool:
        """Whether BLAS can express it: consecutive elements along one axis, and a leading dimension along the other."""
        rowwise = (self.col == 1 or cols <= 1) and (self.row >= cols or rows <= 1)
        columnwise = (self.row == 1 or rows <= 1) and (self.col >= rows or cols <= 1)
        return not rows or not cols or rowwise or columnwise


def by_rows(cols: int, padding: int = 0) -> Strides:
    """Row-major, with `padding` unused elements after each row of `cols` elements."""
    return Strides(cols + padding, 1)


def by_columns(rows: int, padding: int = 0) -> Strides:
    """Column-major, with `padding` unused elements after each column of `rows` elements."""
    return Strides(1, rows + padding)


@dataclass(frozen=True, slots=True)
class CallForm:
    """Strides of A (m×k), B (k×n) and C (m×n) in elements, and alpha and beta, which the call gets as f32.

    The host calls BLAS with flags and leading dimensions that it takes from the strides.
    """

    a: Strides
    b: Strides
    c: Strides
    alpha: float = 1.0
    beta: float = 0.0

    @classmethod
    def contiguous(cls, shape: Shape) -> CallForm:
        """Row-major without gaps, alpha 1, beta 0: every call of a matmul kernel."""
        return _contiguous(shape.k, shape.n)

    @classmethod
    def of(cls, shape: Shape) -> CallForm | None:
        """The form in which a shape of a suite is timed; None for a shape without a layout."""
        if not isinstance(shape, TimedForm):
            return None
        beta = 1.0 if shape.adds else 0.0
        letters, padding = shape.letters.upper(), shape.gaps
        return cls.transposed(shape.plain, letters, padding=padding, alpha=shape.alpha, beta=beta)

    @classmethod
    def transposed(
        cls,
        shape: Shape,
        letters: str,
        *,
        padding: tuple[int, int, int] = (0, 0, 0),
        alpha: float = 1.0,
        beta: float = 0.0,
    ) -> CallForm:
        """One of NN, NT, TN, TT as in BLAS with a row-major C: T means that A or B lies column by column.

        `padding` is the number of unused elements after each row (T: each column) of A and B, and each row of C.
        Raises ValueError for other letters.
        """
        if len(letters) != 2 or set(letters) - {"N", "T"}:
            raise ValueError(f"{letters!r}: write NN, NT, TN or TT")
        m, k, n = shape
        a = by_rows(k, padding[0]) if letters[0] == "N" else by_columns(m, padding[0])
        b = by_rows(n, padding[1]) if letters[1] == "N" else by_columns(k, padding[1])
        return cls(a, b, by_rows(n, padding[2]), alpha, beta)

    def spans(self, shape: Shape) -> tuple[int, int, int]:
        """Elements of memory that A, B and C take, gaps included."""
        m, k, n = shape
        return self.a.span(m, k), self.b.span(k, n), self.c.span(m, n)

    def is_known_to_blas(self, shape: Shape) -> bool:
        """Whether cblas_sgemm can be called in this form."""
        m, k, n = shape
        operands = self.a.is_known_to_blas(m, k) and self.b.is_known_to_blas(k, n)
        return operands and self.c.is_known_to_blas(m, n)

    def strides_text(self) -> str:
        """The strides of rows and columns as text."""
        named = (("A", self.a), ("B", self.b), ("C", self.c))
        return "strides " + ", ".join(f"{name} {s.row}/{s.col}" for name, s in named)

    def has_slices(self) -> bool:
        """Whether the safe tier can be called in this form: no stride is negative."""
        return min(*self.a, *self.b, *self.c) >= 0


# One for each product of a batch, of which the judge runs thousands.
@lru_cache(maxsize=1024)
def _contiguous(k: int, n: int) -> CallForm:
    return CallForm(by_rows(k), by_rows(n), by_rows(n))
