"""What candidate.toml may look like, before and after it is parsed.

The text is a stranger's. tomllib takes time with the square of a dotted key's length and recurses over brackets;
Python refuses to read or write integers of thousands of digits; further on, values become JSON.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any

MAX_MANIFEST_BYTES = 64 << 10
# A proposal's schedule is three deep.
MAX_DEPTH = 32
# TOML's own range for integers.
_LARGEST = 1 << 63

# One without an end reaches to the end of its line or of the text, where tomllib stops as well.
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
    """What about the text forbids to parse it; None when it may be."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_MANIFEST_BYTES:
        return f"larger than {MAX_MANIFEST_BYTES >> 10} KiB; keep to what describes the kernel"
    # Comments go, strings become a word: what is left holds dots and brackets of the syntax alone.
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
    """What in the parsed values no record could hold; None when all is well."""
    for depth, value in _every(values):
        if depth > MAX_DEPTH:
            return f"arrays and tables nested deeper than {MAX_DEPTH}; nest less"
        if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            return "an integer beyond 64 bits; TOML's integers have 64"
        if isinstance(value, datetime.date | datetime.time):
            return f"{value} is a date or a time; write it as text, in quotes"
    return None


def _every(values: dict[str, Any]) -> Iterator[tuple[int, Any]]:
    """Every value with its depth; without recursion, because the depth is the candidate's choice."""
    left: list[tuple[int, Any]] = [(0, values)]
    while left:
        depth, value = left.pop()
        yield depth, value
        if isinstance(value, dict):
            left += [(depth + 1, inner) for inner in value.values()]
        elif isinstance(value, list):
            left += [(depth + 1, inner) for inner in value]
