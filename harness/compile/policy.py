"""The policy gate: the names that kernel.rs may use. It is defence in depth in front of the sandbox, not a substitute.

The inspector reads the source with Rust's own lexer and parser; its table of rules (inspector/src/rules.rs) gives a
reason and a source for every rule.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from harness.candidate import Tier
from harness.compile import inspector_client as asking
from harness.compile.inspector_client import Unreadable
from harness.verdict import At, Gate, PolicyViolation, one_line
from harness.visible import BIDIRECTIONAL


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """A source that passed the policy: how much of it is unsafe, and notes for a reader.

    `unsafe_blocks` counts every use of the keyword: blocks, functions, impls, and uses inside macros.
    """

    unsafe_blocks: int
    notes: tuple[str, ...]


def check(source: str, tier: Tier, inspector: Path) -> PolicyReport | PolicyViolation:
    """Check the text of kernel.rs for its tier.

    A source that Rust's lexer cannot read is left to rustc to reject, unless it contains a word that the policy
    forbids. Raises HarnessFaultError when the inspector itself fails.
    """
    try:
        source.encode()
    except UnicodeEncodeError as error:
        line = source.count("\n", 0, error.start) + 1
        return _violation(inspector, "unreadable", line, "a lone surrogate, which no UTF-8 file can hold")
    deceptive = _deceptive(source)
    if deceptive is not None:
        return _violation(inspector, *deceptive)
    answer = asking.ask_source(inspector, source)
    if isinstance(answer, Unreadable):
        return _violation(inspector, "unreadable", None, f"cannot be read by a Rust parser: {answer.reason}")
    if answer["findings"]:
        first = answer["findings"][0]
        more = len(answer["findings"]) - 1
        detail = first["detail"] + (f", and {more} more" if more else "")
        return _violation(inspector, first["rule"], first["line"], detail)
    if tier == "safe" and answer["unsafe_tokens"]:
        return _violation(inspector, "safe-tier", answer["first_unsafe_line"], "unsafe code")
    return PolicyReport(
        unsafe_blocks=answer["unsafe_tokens"], notes=_notes(answer["lexed"], answer["parsed"])
    )


def _notes(lexed: bool, parsed: bool) -> tuple[str, ...]:
    if not lexed:
        return ("not readable as Rust tokens; rustc will say why",)
    return () if parsed else ("judged by its tokens alone: the parser does not know its syntax",)


def _violation(inspector: Path, rule: str, line: int | None, detail: str) -> PolicyViolation:
    reason = asking.rules(inspector)[rule].reason
    return PolicyViolation(rule, f"{one_line(detail, 160)}: {reason}", line, At(Gate.POLICY))


def _deceptive(source: str) -> tuple[str, int, str] | None:
    """Rule, line and detail of the first character that makes the text look different from what is compiled."""
    if source.isascii():
        return None
    for number, line in enumerate(source.split("\n"), 1):
        for letter in line:
            if letter in BIDIRECTIONAL:
                return "bidirectional-text", number, f"the character U+{ord(letter):04X}"
            # Rust compares identifiers in NFC, where the Kelvin sign equals the letter K.
            if letter > "\x7f" and unicodedata.normalize("NFC", letter).isascii():
                return "look-alike", number, f"the character U+{ord(letter):04X}"
    return None
