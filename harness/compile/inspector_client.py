"""Calls the inspector (harness/compile/inspector), a separate process with limits that answers in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.compile import limited_process
from harness.errors import HarnessFaultError

LIMIT_S = 20.0
OUTPUT_LIMIT_BYTES = 64 << 20
# One GiB of stack for the parser, plus the tree of one megabyte of tokens.
MEMORY_LIMIT_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The inspector crashed on its input; `reason` says how it ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the policy: its id, its reason, and the source of that reason."""

    id: str
    reason: str
    source: str


def ask_source(inspector: Path, source: str) -> dict[str, Any] | Unreadable:
    """The findings about the text of kernel.rs."""
    return _ask([str(inspector), "source"], source.encode())


def ask_binary(inspector: Path, library: Path) -> dict[str, Any] | Unreadable:
    """The findings about a compiled library."""
    return _ask([str(inspector), "binary", str(library.resolve())])


@lru_cache(maxsize=4)
def rules(inspector: Path) -> dict[str, Rule]:
    """The policy's rules by id."""
    answer = _ask([str(inspector), "rules"])
    if isinstance(answer, Unreadable):
        raise HarnessFaultError(f"the inspector cannot tell its rules: {answer.reason}")
    return {rule["id"]: Rule(**rule) for rule in answer["rules"]}


def _ask(command: list[str], stdin: bytes = b"") -> dict[str, Any] | Unreadable:
    outcome = limited_process.run(
        command, Path("/"), {}, LIMIT_S, OUTPUT_LIMIT_BYTES, stdin, MEMORY_LIMIT_BYTES
    )
    if outcome.timed_out:
        return Unreadable(f"not read within {LIMIT_S:.0f} s")
    if outcome.flooded or outcome.code < 0:
        return Unreadable("too deeply nested" if outcome.code < 0 else "more findings than can be read")
    if outcome.code != 0:
        raise HarnessFaultError(
            f"the inspector failed: {outcome.log.strip()[:500] or f'status {outcome.code}'}"
        )
    try:
        answer = json.loads(outcome.out)
    except json.JSONDecodeError as error:
        raise HarnessFaultError(f"the inspector's answer is not JSON: {error}") from error
    return {"rules": answer} if isinstance(answer, list) else dict(answer)
