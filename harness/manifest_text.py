"""Checks of candidate.toml's text and values that protect the parser and the records.

The text is untrusted. tomllib takes quadratic time in the length of a dotted key and recurses over brackets; Python
refuses to convert integers of thousands of digits; later, values become JSON.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

MAX_MANIFEST_BYTES = 64 << 10
# Deepest nesting allowed; a proposal's schedule needs three levels.
MAX_DEPTH = 32
# TOML's own limit for integers.
_LARGEST = 1 << 63

# An unterminated string ends at the end of its line or of the text, as in tomllib.
_STRING_OR_COMMENT = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"{3,5}|\Z)|'
    + r"'''.*?(?:'{3,5}|\Z)|"
    + r'"(?:[^"\\\n]|\\.)*+"?|'
    + r"'[^'\n]*+'?|"
    + r"#[^\n]*+",
    re.DOTALL,
)
_WORD = r"[\w-]++"
_DOTTED = re.compile(rf"(?<![\w-]){_WORD}(?:[ \t]*+\.[ \t]*+{_WORD}){{{MAX_DEPTH},}}")


def shape_problem(text: str) -> str | None:
    """Why the text must not be parsed; None when it may be."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_MANIFEST_BYTES:
        return f"larger than {MAX_MANIFEST_BYTES >> 10} KiB; keep to what describes the kernel"
    # Remove comments and replace strings by a word, so that the remaining dots and brackets belong to the
    # syntax.
    bare = _STRING_OR_COMMENT.sub(lambda found: "" if found[0][0] == "#" else "s", text)
    if _DOTTED.search(bare):
        return f"a dotted key of more than {MAX_DEPTH} parts; nest less"
    depth = 0
    for bracket in re.finditer(r"[][{}]", bare):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MAX_DEPTH:
            return f"arrays and tables nested deeper than {MAX_DEPTH}; nest less"
    return None


def value_problem(values: dict[str, Any]) -> str | None:
    """Why the parsed values cannot be recorded; None when they can."""
    for depth, value in _every(values):
        if depth > MAX_DEPTH:
            return f"arrays and tables nested deeper than {MAX_DEPTH}; nest less"
        if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            return "an integer beyond 64 bits; TOML's integers have 64"
        if isinstance(value, datetime.date | datetime.time):
            return f"{value} is a date or a time; write it as text, in quotes"
    return None


def _every(values: dict[str, Any]) -> Iterator[tuple[int, Any]]:
    """Every value with its depth, without recursion, because the candidate controls the depth."""
    left: list[tuple[int, Any]] = [(0, values)]
    while left:
        depth, value = left.pop()
        yield depth, value
        if isinstance(value, dict):
            left += [(depth + 1, inner) for inner in value.values()]
        elif isinstance(value, list):
            left += [(depth + 1, inner) for inner in value]
