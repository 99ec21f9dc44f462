"""Makes untrusted text safe to print: nothing in it moves the cursor, reorders a line or breaks an encoder."""

from __future__ import annotations

import unicodedata
from pathlib import Path

# The characters of CVE-2021-42574: embeddings, overrides and isolates, and marks with the same effect.
BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Control characters, lone surrogates (bytes of a file name that are not UTF-8), line and paragraph separators.
_MISLEADING = frozenset({"Cc", "Cs", "Zl", "Zp"})


def readable(path: str) -> str:
    """A path as text: under a locale such as C, Python keeps the bytes of "ö" as two lone surrogates (PEP 383).

    Bytes that are not UTF-8 stay surrogates.
    """
    try:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return path


def shown_in(root: Path, path: Path) -> str:
    """A path for people: from `root` on when it is inside, else whole."""
    return readable(str(path.relative_to(root) if path.is_relative_to(root) else path))


def encodable(text: str) -> str:
    """The text with "?" for each half of a surrogate pair that has lost the other half: UTF-8 cannot express it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def misleads(text: str) -> bool:
    """Whether a name holds a character that a line of a report cannot show faithfully."""
    return any(letter in BIDIRECTIONAL or unicodedata.category(letter) in _MISLEADING for letter in text)


def visible(text: str, keep: str = "") -> str:
    """`text` with every unprintable character replaced by its escape, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in keep else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
