"""The shape of one product, C (m×n) = A (m×k) · B (k×n), and the form in which sgemm is timed there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


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
        """The extents alone, without the layout of a TimedForm."""
        return self

    def like(self, m: int, k: int, n: int) -> Shape:
        """Other extents, timed in the same way."""
        return Shape(m, k, n)

    def __str__(self) -> str:
        return f"{self.m}x{self.k}x{self.n}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """In JSON a shape is its three extents, a timed form its text."""
        return _core_schema()


# Exponents of alpha as a power of two: other values would make products of integers inexact, by which every element is
# checked.
LEAST_ALPHA, LARGEST_ALPHA = -10, 10
_FORM = re.compile(
    r"(?P<letters>[nt]{2})(?P<beta>\+?)(\*(?P<alpha>[0-9.]{1,12}))?(/(?P<lda>\d{1,7})/(?P<ldb>\d{1,7})/(?P<ldc>\d{1,7}))?"
)
SYNTAX = (
    "nn, nt, tn or tt (t: transposed), then + to add to C, then *ALPHA, then /LDA/LDB/LDC; for example "
    "256x768x2304:nt, 2304x256x768:tn+ or 64x64x64:nt*0.125/2304/2304/64"
)


class TimedForm(Shape):
    """A shape of a suite, timed with these strides, alpha and beta. C is row-major.

    letters: two of n and t, for A and B; t means that the transposed matrix is row-major. adds: beta is 1, else 0.
    alpha: a power of two. leading: elements from one row to the next of A, B and C as they lie in memory; None without
    gaps. Two forms are equal if all of that is equal.
    """

    letters: str
    adds: bool
    alpha: float
    leading: tuple[int, int, int] | None

    def __new__(
        cls,
        m: int,
        k: int,
        n: int,
        letters: str = "nn",
        adds: bool = False,
        alpha: float = 1.0,
        leading: tuple[int, int, int] | None = None,
    ) -> Self:
        """Raises ValueError for letters other than n and t, an alpha that is no power of two, and rows that overlap."""
        form = super().__new__(cls, m, k, n)
        form.letters, form.adds, form.alpha, form.leading = letters, adds, alpha, leading
        if form.leading == form._least:
            form.leading = None
        form._check()
        return form

    @classmethod
    def parse(cls, shape: Shape, text: str) -> TimedForm:
        """The form that is written after the extents, as in SYNTAX. Raises ValueError with the reason."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"a layout is {SYNTAX}")
        try:
            alpha = float(found["alpha"] or 1)
        except ValueError:
            raise ValueError(f"alpha is {found['alpha']!r}, which is no number") from None
        leading = None if found["lda"] is None else (int(found["lda"]), int(found["ldb"]), int(found["ldc"]))
        return cls(*shape, found["letters"], bool(found["beta"]), alpha, leading)

    @property
    def plain(self) -> Shape:
        """The extents alone."""
        return Shape(self.m, self.k, self.n)

    def like(self, m: int, k: int, n: int) -> TimedForm:
        """The same form at other extents, with as many unused elements after each row."""
        found = TimedForm(m, k, n, self.letters, self.adds, self.alpha)
        if self.leading is None:
            return found
        a, b, c = (least + gap for least, gap in zip(found._least, self.gaps, strict=True))
        return TimedForm(m, k, n, self.letters, self.adds, self.alpha, (a, b, c))

    @property
    def gaps(self) -> tuple[int, int, int]:
        """Unused elements after each row of A, B and C as they lie in memory."""
        if self.leading is None:
            return 0, 0, 0
        a, b, c = (given - least for given, least in zip(self.leading, self._least, strict=True))
        return a, b, c

    @property
    def _least(self) -> tuple[int, int, int]:
        """The leading dimensions without gaps."""
        return (
            self.k if self.letters[0] == "n" else self.m,
            self.n if self.letters[1] == "n" else self.k,
            self.n,
        )

    def _check(self) -> None:
        allowed = [2.0**exponent for exponent in range(LEAST_ALPHA, LARGEST_ALPHA + 1)]
        if self.alpha not in allowed:
            raise ValueError(
                f"alpha is {self.alpha:g}; a timed form has a power of two, {allowed[0]:g} to {allowed[-1]:g}"
            )
        if min(self.gaps) < 0:
            least = "/".join(map(str, self._least))
            raise ValueError(f"leading dimensions are at least {least} for {self.plain}:{self.letters}")

    def __str__(self) -> str:
        alpha = f"*{self.alpha:.17g}" if self.alpha != 1 else ""
        leading = "".join(f"/{one}" for one in self.leading or ())
        return f"{self.plain}:{self.letters}{'+' if self.adds else ''}{alpha}{leading}"

    def __repr__(self) -> str:
        return f"TimedForm({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TimedForm) and str(self) == str(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(str(self))


def read(text: str) -> Shape:
    """A shape or timed form from its text, as `str` gives it. Raises ValueError for other texts."""
    extents, colon, form = text.partition(":")
    found = re.fullmatch(r"(\d{1,9})x(\d{1,9})x(\d{1,9})", extents, re.ASCII)
    if found is None:
        raise ValueError(f"{text!r} is no shape MxKxN")
    shape = Shape(*(int(extent) for extent in found.groups()))
    return TimedForm.parse(shape, form) if colon else shape


def _core_schema() -> CoreSchema:
    """Pydantic's schema of a Shape: three extents, or the text of a timed form."""
    from pydantic_core import core_schema as schemas

    def validated(value: Any) -> Shape:
        if isinstance(value, Shape):
            return value
        if isinstance(value, str):
            return read(value)
        if isinstance(value, list | tuple) and len(value) == 3 and all(type(one) is int for one in value):
            return Shape(*value)
        raise ValueError("a shape is three integers, or the text of a timed form")

    def plain(shape: Shape) -> Any:
        return str(shape) if isinstance(shape, TimedForm) else tuple(shape)

    return schemas.no_info_plain_validator_function(
        validated, serialization=schemas.plain_serializer_function_ser_schema(plain)
    )
