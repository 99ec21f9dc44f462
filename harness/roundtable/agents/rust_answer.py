"""Extracts Rust from a language model's answer: fenced code among prose, reasoning, partial and several blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.minds.answers import without_thoughts
from harness.operation.operations import MATMUL, Operation

_FENCE = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[`~]*[ \t]*$|\Z)",
    re.DOTALL | re.MULTILINE,
)
_OTHER_LANGUAGES = frozenset(
    {"python", "py", "c", "cpp", "c++", "toml", "json", "text", "bash", "sh", "console", "diff"}
)


class NoKernelError(Exception):
    """The answer contains no usable Rust; the text says what is missing, as feedback for the model."""


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One fenced block: its code, and whether the closing fence was there."""

    code: str
    closed: bool


def blocks(answer: str) -> list[CodeBlock]:
    """The fenced blocks that may be Rust, in order; an unclosed fence extends to the end of the answer."""
    found = []
    for match in _FENCE.finditer(without_thoughts(answer)):
        if match[2].lower() not in _OTHER_LANGUAGES:
            closed = match[0].rstrip().endswith(match[1])
            found.append(CodeBlock(match[3].strip("\n") + "\n", closed))
    return found


def whole_file(answer: str, operation: Operation = MATMUL) -> str:
    """kernel.rs from an answer: the last complete block that defines the operation's function, joined with helper
    blocks if needed.

    Models explain and correct themselves, so the last version counts. Raises NoKernelError that says what is missing.
    """
    signature = re.compile(rf"\bfn\s+{operation.function}\b")
    found = blocks(answer)
    closed = [block.code for block in found if block.closed]
    complete = [code for code in closed if signature.search(code)]
    if complete:
        return _completed(complete[-1], closed, operation)
    if any(signature.search(block.code) for block in found):
        raise NoKernelError(
            "the answer stopped in the middle of the code: write less around it, or a shorter kernel"
        )
    bare = without_thoughts(answer).strip()
    if not found and bare.startswith(("//", "use ", "pub fn", "fn ", "#![", "#[")) and signature.search(bare):
        return bare + "\n"
    if found:
        raise NoKernelError(f"no code block defines the function `{operation.function}` of the contract")
    raise NoKernelError("no fenced Rust block: put the code between ```rust and ```")


def _completed(main: str, closed: list[str], operation: Operation) -> str:
    """`main` plus the helpers that it calls and that only other blocks define."""
    parts = [main]
    for code in closed:
        defined = set(re.findall(r"\bfn\s+(\w+)", code))
        missing = {name for name in defined if not re.search(rf"\bfn\s+{name}\b", "\n".join(parts))}
        if (
            code is not main
            and operation.function not in defined
            and any(re.search(rf"\b{name}\b", main) for name in missing)
        ):
            parts.append(code)
    return "\n".join(parts)
