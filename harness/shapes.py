"""The shape of one product, C (m×n) = A (m×k) · B (k×n)."""

from __future__ import annotations

from typing import Any, NamedTuple


class Shape(NamedTuple):
    """Rows of A and C (m), columns of A and rows of B (k), columns of B and C (n); each may be 0."""

    m: int
    k: int
    n: int

    @property
    def flops(self) -> int:
        """Floating-point operations of the classical product: one multiply and one add per (i, p, j)."""
        return 2 * self.m * self.k * self.n

    @property
    def input_bytes(self) -> int:
        """Bytes of A and B in f32."""
        return 4 * (self.m * self.k + self.k * self.n)

    @property
    def output_bytes(self) -> int:
        """Bytes of C in f32."""
        return 4 * self.m * self.n

    @property
    def plain(self) -> Shape:
        """The extents alone; see `harness.operation.timed_form.TimedForm`, which is more."""
        return self

    def like(self, m: int, k: int, n: int) -> Shape:
        """Other extents, timed in the same way."""
        return Shape(m, k, n)

    def __str__(self) -> str:
        return f"{self.m}x{self.k}x{self.n}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """In JSON a shape is its three extents, a timed form its text."""
        from harness.operation import timed_form

        return timed_form.core_schema()
