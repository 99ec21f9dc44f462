"""Texts of strangers on a terminal: nothing in them moves the cursor, reorders a line or breaks an encoder."""

from __future__ import annotations

import unicodedata

# CVE-2021-42574: embeddings, overrides and isolates, and the marks that act like them.
BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control characters, half of a pair (a byte of a file name that is not UTF-8), separators of lines and paragraphs.
_MISLEADING = frozenset({"Cc", "Cs", "Zl", "Zp"})


def misleads(text: str) -> bool:
    """Whether a name holds a character that a line of a report cannot show as what it is."""
    return any(letter in BIDIRECTIONAL or unicodedata.category(letter) in _MISLEADING for letter in text)


def visible(text: str, keep: str = "") -> str:
    """`text` with every character that cannot be printed written as its escape, but for those in `keep`."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in keep else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
