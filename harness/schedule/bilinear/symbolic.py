"""Bilinear schemes in symbolic notation: "M1 = (a11 + a22)(b11 + b22); …; c11 = M1 + M4 - M5 + M7".

Each line, or part between semicolons, assigns an expression to a name. It may use only names defined before:

    expression = ["+"|"-"] term { ("+"|"-") term }
    term       = factor { ["*"|"/"] factor }
    factor     = number | block | name | "(" expression ")"

Blocks are written a11, A_{1,2}, a[1,2], a₁₂ or b1_12, with indices from 1, or all from 0. Intermediate sums may have
names. Blocks do not commute: a product is a sum of blocks of A times a sum of blocks of B, in this order. An optional
first line such as ⟨2,2,2;7⟩ is checked. Comments start with # or //.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, NoReturn, TypeAlias

from harness.errors import UserError
from harness.schedule.bilinear.scheme import MAX_DIMENSION, MAX_RANK, CoefficientRow, Factor, Scheme, symbol

BlockName: TypeAlias = tuple[str, int, int]
Kind: TypeAlias = Literal["number", "a", "b", "product"]
MAX_CHARS = 1 << 18  # of a scheme in symbolic notation
_MAX_DEPTH = 32  # of nested parentheses
_CONSTANT_TERM = 0  # key of the value of a Form of kind "number"

_HEADER = re.compile(r"\W*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?:[;:]\s*(\d+)\s*)?\W*")
_TOKEN = re.compile(
    r"\s*(?:(?P<block>[abcABC]_?(?:\d+[_,]\d+|\d\d(?!\d)|\[\s*\d+\s*,\s*\d+\s*\]|\[\d+\]\[\d+\]|\{\s*\d+\s*,?\s*\d+\s*\}))"
    r"|(?P<name>[A-Za-z]\w*(?:\{\w+\}|\[\d+\])?)|(?P<number>\d{1,9}(?!\d))|(?P<sign>[-+*/()]))"
)
# Typographic variants of an operator, and markup characters that are dropped.
_ASCII_SIGNS = str.maketrans("−–·×⋅∗⁄`$", "--****/  ")
_KIND_NAMES = {
    "number": "a number",
    "a": "a sum of blocks of A",
    "b": "a sum of blocks of B",
    "product": "a block product",
}


@dataclass(frozen=True, slots=True)
class Form:
    """A linear form. terms maps blocks of A or B, indices of products, or 0 (for a number) to coefficients."""

    kind: Kind
    terms: Mapping[BlockName | int, Fraction]

    @property
    def value(self) -> Fraction:
        """The number, for a form of kind "number"."""
        return self.terms.get(_CONSTANT_TERM, Fraction(0))

    def scaled(self, by: Fraction) -> Form:
        """The form times `by`, without zero terms."""
        return Form(self.kind, {key: x * by for key, x in self.terms.items() if x * by})


def parse(text: str, name: str = "inline", source: str = "") -> Scheme:
    """The scheme that `text` describes; not yet proved.

    Raises UserError, which names the line and the mistake.
    """
    if len(text) > MAX_CHARS:
        raise UserError(
            f"{name}: the text of a scheme may have at most {MAX_CHARS} characters; this one has {len(text)}"
        )
    reader = _Reader(name)
    for number, line in _statements(text):
        reader.read(number, line)
    return reader.scheme(source)


def write(scheme: Scheme) -> str:
    """A scheme in symbolic notation, one product or block of C per line; `parse` reads it back."""
    m, k, n = scheme.m, scheme.k, scheme.n
    lines = [f"⟨{m},{k},{n};{scheme.rank}⟩"]
    lines += [product_line(scheme, t) for t in range(scheme.rank)]
    for index, column in enumerate(zip(*scheme.w, strict=True)):
        c = symbol(scheme, "c", (index // n + 1, index % n + 1))
        lines.append(f"{c} = {linear([(x, f'M{t}') for t, x in enumerate(column, start=1)])}")
    return "\n".join(lines) + "\n"


def product_line(scheme: Scheme, t: int) -> str:
    """Product t (counted from 0) in symbols: "M1 = (a11 + a22) (b11 + b22)"."""
    left, right = _sum(scheme, "a", scheme.u[t], scheme.k), _sum(scheme, "b", scheme.v[t], scheme.n)
    return f"M{t + 1} = ({left}) ({right})"


def _sum(scheme: Scheme, letter: str, row: CoefficientRow, columns: int) -> str:
    names = (symbol(scheme, letter, (i // columns + 1, i % columns + 1)) for i in range(len(row)))
    return linear(list(zip(row, names, strict=True)))


def linear(terms: Sequence[tuple[Fraction, str]]) -> str:
    """A sum in symbolic notation: "a11 - 1/2 a12"."""
    text = ""
    for x, name in terms:
        if x:
            text += f" {'-' if x < 0 else '+'} {'' if abs(x) == 1 else f'{abs(x)} '}{name}"
    return text[3:] if text.startswith(" + ") else text[1:].replace("- ", "-", 1) or "0"


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line number, statement) pairs, without comments, code fences and bullets; continuation lines are joined."""
    pending: tuple[int, str] | None = None
    for number, raw in enumerate(_without_markup(text).splitlines(), start=1):
        for part in raw.split(";") if "=" in raw else [raw]:
            statement = re.sub(r"^\s*(?:[*•-]|\d+[.)])\s+(?=[A-Za-z][^=]*=)", "", part).strip()
            if not statement or statement.endswith(":"):
                continue
            if pending and "=" not in statement and statement[0] in "+-*(":
                pending = (pending[0], f"{pending[1]} {statement}")
                continue
            if pending:
                yield pending
            pending = (number, statement)
    if pending:
        yield pending


def _without_markup(text: str) -> str:
    """`text` without comments, LaTeX and bold marks; M_{1} and M_1 become M1."""
    text = unicodedata.normalize("NFKC", text).translate(_ASCII_SIGNS).replace("**", " ")
    text = re.sub(r"\\(?:cdot|times|ast)\b", "*", text)
    text = re.sub(r"\\(?:left|right|quad|begin\{\w+\*?\}|end\{\w+\*?\}|[\\,;!\[\]()])|&", " ", text)
    text = re.sub(r"\b([A-Za-z])_?(?:\{(\d+)\}|_(\d+))(?![\d_,])", r"\1\2\3", text)
    return re.sub(r"(?:#|//).*", "", text)


@dataclass(slots=True)
class _Reader:
    """State of the parser: defined names, blocks by line of first use, distinct products."""

    name: str
    line: int = 0
    header: tuple[int, int, int, int | None] | None = None
    names: dict[str | BlockName, Form] = field(default_factory=dict)
    blocks: dict[BlockName, int] = field(default_factory=dict)
    products: dict[tuple[frozenset[tuple[BlockName | int, Fraction]], ...], int] = field(default_factory=dict)

    def read(self, number: int, statement: str) -> None:
        """Process one header or one assignment."""
        self.line = number
        header = _HEADER.fullmatch(statement)
        if header and not self.names:
            m, k, n, rank = header.groups()
            self.header = (int(m), int(k), int(n), int(rank) if rank else None)
            return
        left, equals, right = statement.replace(":=", "=").partition("=")
        if not equals or "=" in right:
            self.fail(f'"{statement[:60]}" is not of the form name = expression')
        target = self._target(left.strip())
        if target in self.names:
            self.fail(f"{left.strip()} is defined a second time")
        form = _Expression(self, right).parse()
        if isinstance(target, tuple) and form.kind != "product":
            self.fail(f"{left.strip()} must be a sum of block products, not {_KIND_NAMES[form.kind]}")
        self.names[target] = form

    def _target(self, text: str) -> str | BlockName:
        match = _TOKEN.fullmatch(text)
        if not match or match.lastgroup not in ("block", "name"):
            self.fail(f'"{text[:40]}" cannot be assigned; use a name such as M1 or a block of C')
        if match.lastgroup == "name":
            return match["name"]
        block = self.block(match["block"])
        if block[0] != "c":
            self.fail(f"{text} is an input block and cannot be assigned")
        return block

    def block(self, text: str) -> BlockName:
        """The block that a token such as a12, A[1,2] or a_{12} names; its first use is recorded."""
        digits = re.findall(r"\d+", text)
        row, column = (int(x) for x in (digits if len(digits) == 2 else digits[0]))
        self.blocks.setdefault((text[0].lower(), row, column), self.line)
        return (text[0].lower(), row, column)

    def product(self, left: Form, right: Form) -> Form:
        """The product of two forms: a number times a form, or blocks of A times blocks of B. Else UserError."""
        if left.kind == "number":
            return right.scaled(left.value)
        if right.kind == "number":
            return left.scaled(right.value)
        if (left.kind, right.kind) == ("b", "a"):
            self.fail("blocks do not commute: write the blocks of A left of the blocks of B")
        if (left.kind, right.kind) != ("a", "b"):
            self.fail(
                f"{_KIND_NAMES[left.kind]} times {_KIND_NAMES[right.kind]} is not bilinear; "
                "multiply blocks of A by blocks of B"
            )
        if not left.terms or not right.terms:
            return Form("product", {})
        key = (frozenset(left.terms.items()), frozenset(right.terms.items()))
        index = self.products.setdefault(key, len(self.products))
        if index >= MAX_RANK:
            self.fail(f"more than {MAX_RANK} products, the limit")
        return Form("product", {index: Fraction(1)})

    def total(self, left: Form, right: Form) -> Form:
        """The sum of two forms of one kind."""
        for zero, other in ((left, right), (right, left)):
            if zero.kind == "number" and not zero.value:
                return other
        if left.kind != right.kind:
            self.fail(f"{_KIND_NAMES[left.kind]} and {_KIND_NAMES[right.kind]} cannot be added")
        terms = dict(left.terms)
        for key, x in right.terms.items():
            terms[key] = terms.get(key, Fraction(0)) + x
        return Form(left.kind, {key: x for key, x in terms.items() if x})

    def fail(self, what: str) -> NoReturn:
        """Raise a UserError for the current line."""
        raise UserError(f"{self.name}, line {self.line}: {what}")

    def scheme(self, source: str) -> Scheme:
        """The scheme, after all lines have been read."""
        m, k, n = self._dimensions()
        base = 0 if any(0 in block[1:] for block in self.blocks) else 1
        outputs = [("c", x + base, y + base) for x in range(m) for y in range(n)]
        for block in outputs:
            if block not in self.names:
                raise UserError(
                    f"{self.name}: c{block[1]}{block[2]} is never assigned; define every block of C"
                )
        if self.header and self.header[3] not in (None, len(self.products)):
            said = f"the header says {self.header[3]} products"
            raise UserError(f"{self.name}: {said}, but the text has {len(self.products)}")
        sides = [[dict(part) for part in pair] for pair in self.products]
        u = _rows(("a", m, k), base, [pair[0] for pair in sides])
        v = _rows(("b", k, n), base, [pair[1] for pair in sides])
        w = tuple(tuple(self.names[c].terms.get(t, Fraction(0)) for c in outputs) for t in range(len(sides)))
        return Scheme(self.name, m, k, n, u, v, w, source)

    def _dimensions(self) -> tuple[int, int, int]:
        shift = 1 if any(0 in block[1:] for block in self.blocks) else 0
        size = {"m": 0, "k": 0, "n": 0}
        if self.header:
            size = dict(zip("mkn", self.header[:3], strict=True))
        for (letter, *indices), line in self.blocks.items():
            for axis, index in zip({"a": "mk", "b": "kn", "c": "mn"}[letter], indices, strict=True):
                self.line = line
                if index + shift > (size[axis] if self.header else MAX_DIMENSION):
                    limit = f"{axis} = {size[axis]}" if self.header else f"the limit of {MAX_DIMENSION}"
                    self.fail(f"{letter}{indices[0]}{indices[1]} is outside {limit}")
                size[axis] = max(size[axis], index + shift)
        if not all(size.values()):
            raise UserError(f"{self.name}: found no products of blocks of A and B that add up to blocks of C")
        return size["m"], size["k"], size["n"]


def _rows(shape: BlockName, base: int, forms: list[dict[BlockName | int, Fraction]]) -> Factor:
    letter, rows, columns = shape
    blocks = [(letter, i + base, j + base) for i in range(rows) for j in range(columns)]
    return tuple(tuple(form.get(block, Fraction(0)) for block in blocks) for form in forms)


class _Expression:
    """Recursive-descent parser of one right-hand side."""

    def __init__(self, reader: _Reader, text: str) -> None:
        self.reader, self.at, self.depth = reader, 0, 0
        self.tokens: list[tuple[str, str]] = []
        position, text = 0, text.rstrip().rstrip(".,")
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if not match:
                reader.fail(f'cannot read "{text[position:].strip()[:20]}"')
            kind = match.lastgroup or ""
            self.tokens.append((kind, match[kind]))
            position = match.end()

    def parse(self) -> Form:
        """The value of the whole expression."""
        form = self._sum()
        if self.at < len(self.tokens):
            self.reader.fail(f'unexpected "{self.tokens[self.at][1]}"')
        return form

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "the end of the line")

    def _sum(self) -> Form:
        total: Form | None = None
        while total is None or self._peek()[1] in ("+", "-"):
            sign = Fraction(1)
            while self._peek()[1] in ("+", "-"):
                sign = -sign if self._peek()[1] == "-" else sign
                self.at += 1
            term = self._term().scaled(sign)
            total = term if total is None else self.reader.total(total, term)
        return total

    def _term(self) -> Form:
        form = self._factor()
        while True:
            kind, text = self._peek()
            if text == "/":
                self.at += 1
                divisor = self._factor()
                if divisor.kind != "number" or not divisor.value:
                    self.reader.fail("only division by a number other than 0 is allowed")
                form = form.scaled(1 / divisor.value)
            elif text == "*" or text == "(" or kind in ("block", "name", "number"):
                self.at += text == "*"
                form = self.reader.product(form, self._factor())
            else:
                return form

    def _factor(self) -> Form:
        kind, text = self._peek()
        self.at += 1
        if kind == "number":
            return Form("number", {_CONSTANT_TERM: Fraction(int(text))})
        if kind == "block" and text[0] in "abAB":
            block = self.reader.block(text)
            return Form("a" if block[0] == "a" else "b", {block: Fraction(1)})
        if kind in ("block", "name"):
            key = self.reader.block(text) if kind == "block" else text
            if key not in self.reader.names:
                self.reader.fail(f"{text} is used before it is defined")
            return self.reader.names[key]
        if text != "(" or self.depth >= _MAX_DEPTH:
            self.reader.fail(f'a number, a block, a name or "(" is expected, found {text}')
        self.depth += 1
        form = self._sum()
        if self._peek()[1] != ")":
            self.reader.fail(f'")" is expected, found {self._peek()[1]}')
        self.at, self.depth = self.at + 1, self.depth - 1
        return form
