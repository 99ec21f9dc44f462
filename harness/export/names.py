"""Names in the crate: what Cargo accepts for a package, modules for candidates, text as Rust and Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.errors import UserError
from harness.visible import visible

# crates.io accepts no longer names.
LONGEST = 64
_KEYWORD_TEXT = (
    "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if "
    "impl in let loop macro match mod move mut override priv pub ref return self static struct super trait true try "
    "type typeof unsafe unsized use virtual where while yield"
)
_KEYWORDS = frozenset(_KEYWORD_TEXT.split())
# Names of Rust's own libraries, of the crate's dependency, of Cargo's build folders, and of devices under Windows.
_TAKEN_TEXT = (
    "alloc core proc-macro proc_macro std test rayon deps examples build incremental con prn aux nul"
)
_TAKEN = frozenset(_TAKEN_TEXT.split()) | {
    f"{port}{number}" for port in ("com", "lpt") for number in range(10)
}


def require_name(name: str) -> None:
    """Raise UserError unless Cargo and crates.io accept `name` for a package."""
    rule = f"use at most {LONGEST} ASCII letters, digits, '-' and '_', beginning with a letter"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or len(name) > LONGEST:
        raise UserError(f"'{visible(name)}' cannot name a crate: {rule} (--name NAME)")
    if name in _KEYWORDS or name.lower() in _TAKEN:
        raise UserError(f"'{name}' cannot name a crate: Rust or Cargo uses this name (--name NAME)")


def rust_identifier(name: str) -> str:
    """The name by which Rust code uses the package."""
    return name.replace("-", "_")


def module_names(candidates: Sequence[str]) -> list[str]:
    """A module name for each candidate: lower-case ASCII, unique, and no keyword."""
    found: list[str] = []
    for candidate in candidates:
        plain = re.sub(r"[^a-z0-9]+", "_", candidate.lower()).strip("_") or "kernel"
        if not plain[0].isalpha() or plain in _KEYWORDS:
            plain = f"kernel_{plain}"
        # A digit at the end of both could make two names equal again, so the underscore is doubled.
        same = sum(other == plain or other.startswith(f"{plain}__") for other in found)
        found.append(plain if not same else f"{plain}__{same + 1}")
    return found


def rust_text(text: str) -> str:
    """`text` as a string literal of Rust, in ASCII."""
    plain = (
        letter if letter.isascii() and (letter.isalnum() or letter in " -_.") else f"\\u{{{ord(letter):x}}}"
        for letter in text
    )
    return f'"{"".join(plain)}"'


def markdown(text: str) -> str:
    """Untrusted text in which Markdown sees no markup: a backslash before what can begin some, also web addresses."""
    return re.sub(r"([\\`*_{}\[\]<>#!|~&@:$^]|(?<=www)\.)", r"\\\1", visible(text), flags=re.IGNORECASE)
