"""rustc's JSON messages as text for people and prompts: rendered, trimmed, without paths of this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.verdict import one_line
from harness.visible import visible

# Characters of rendered errors: enough for a model to repair from, small enough for its context.
TEXT_BUDGET = 6000
WARNINGS_KEPT = 50
# Hints for kernels that were written as a crate of their own, by a pattern in rustc's first error.
_HINTS = (
    (
        r"(crate|module) `alloc`|`alloc` in the crate root|import `alloc\b|`extern crate` loading macros",
        "kernel.rs is one module: use std:: for alloc::, no extern crate",
    ),
    (
        r"^(?!.*imported crates).*(`\$?crate\b|in the crate root|in the root)",
        "kernel.rs is one module: use super:: or self::, not crate::",
    ),
    (r"Rust 20[2-9]\d", "kernel.rs is compiled in edition 2021"),
)


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """rustc's output: the first error in one line ("" if none), all errors rendered, and each warning in one line.

    `loose` is the output that is not JSON: a crash, an allocation failure. `placeless` is that and every error without
    a place in the source: of the linker, of a full disk. `denied` names the lints that are errors only because the
    source denies them; it is empty when there is any other error.
    """

    summary: str
    rendered: str
    warnings: tuple[str, ...]
    loose: str
    placeless: str = ""
    denied: tuple[str, ...] = ()


def parse(stderr: str, scrub: Mapping[str, str], contract: str = "") -> Diagnostics:
    """Parse `--error-format=json` output; every key of `scrub` (a path) is replaced by its value.

    `contract` is the signature that kernel.rs must define, for an error about it.

    rustc quotes the candidate, so unprintable characters are escaped: no text moves the cursor or reads backwards.
    """
    errors: list[dict[str, Any]] = []
    warnings: list[str] = []
    loose: list[str] = []
    # splitlines() would also split at Unicode separators, which JSON and the candidate's source may contain.
    for line in stderr.split("\n"):
        message = _message(line)
        if message is None:
            loose.append(line.rstrip("\r"))
        elif message["level"].startswith("error") and not message["message"].startswith("aborting due to"):
            errors.append(message)
        elif message["level"] == "warning" and message.get("spans"):
            warnings.append(_scrubbed(_summary(message), scrub))
    rendered = "".join(message.get("rendered") or message["message"] for message in errors)
    summary = _scrubbed(_summary(errors[0]), scrub) if errors else ""
    hint = (_signature_hint(errors[0], contract) or _hint(errors[0])) if errors else None
    without_place = [message for message in errors if not message.get("spans")]
    placeless = ["\n".join([message["message"], *_notes(message)]) for message in without_place]
    return Diagnostics(
        summary=f"{summary}; {hint}" if hint else summary,
        rendered=trim(_scrubbed(rendered, scrub), TEXT_BUDGET) + (f"\nhint: {hint}\n" if hint else ""),
        warnings=tuple(warnings[:WARNINGS_KEPT]),
        loose=trim(_scrubbed("\n".join(loose).rstrip("\n"), scrub), TEXT_BUDGET),
        placeless=trim(_scrubbed("\n".join([*placeless, *loose]), scrub), TEXT_BUDGET),
        denied=_denied(errors),
    )


def trim(text: str, budget: int) -> str:
    """At most `budget` characters, cut at a line end; the beginning is kept because the first error is the cause."""
    if len(text) <= budget:
        return text
    kept = text[:budget].rpartition("\n")[0] or text[:budget]
    return f"{kept}\n… ({len(text) - len(kept)} more characters)"


def _message(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        message = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return None
    return (
        message if isinstance(message.get("message"), str) and isinstance(message.get("level"), str) else None
    )


def _summary(message: dict[str, Any]) -> str:
    """One line, for example "E0308 mismatched types (kernel.rs:12:5)"."""
    code = (message.get("code") or {}).get("code")
    primary: Iterable[dict[str, Any]] = (span for span in message.get("spans", ()) if span.get("is_primary"))
    first = next(iter(primary), None)
    where = f" ({first['file_name']}:{first['line_start']}:{first['column_start']})" if first else ""
    prefix = f"{code} " if code and re.fullmatch(r"E\d{4}", code) else ""
    return f"{prefix}{one_line(message['message'])}{where}"


def _hint(message: dict[str, Any]) -> str | None:
    """Advice for an error that the kernel would not have as a crate of its own."""
    labels = [span.get("label") or "" for span in message.get("spans", ()) if span.get("is_primary")]
    said = " ".join(" ".join([message["message"], *labels]).split())
    code = (message.get("code") or {}).get("code")
    about_paths = code in ("E0425", "E0432", "E0433", "E0468")
    found = (hint for pattern, hint in _HINTS if re.search(pattern, said))
    return next(found, None) if about_paths or code is None else None


def _lint(message: dict[str, Any]) -> str:
    """The lint of a message, "" for an error of the language."""
    code = (message.get("code") or {}).get("code") or ""
    return code if re.fullmatch(r"[a-z][a-z0-9_]*", code) else ""


def _denied(errors: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """The lints that are errors because the source says deny(warnings) or the like, if there is no other error.

    Others are errors by rustc's own default, or are the harness's: unsafe code in the safe tier, an endless constant.
    """
    lints = {_lint(message) for message in errors}
    notes = [note for message in errors for note in _notes(message)]
    others = {"", "unsafe_code", "long_running_const_eval"} | {
        lint for lint in lints if any(f"({lint})]` on by default" in note for note in notes)
    }
    return () if lints & others else tuple(sorted(lints))


# What contract.rs expects of kernel.rs, and how rustc tells that it finds something else.
_LIFETIMES = r"for<[^>]*> |'\w+ "
_FOUND = re.compile(r"found fn item `([^`]+?)(?: \{[^`]*)?`")


def _signature_hint(message: dict[str, Any], contract: str) -> str | None:
    """What the contract asks for and what kernel.rs has, for an error in contract.rs, which only names a function."""
    spans = [span for span in message.get("spans", ()) if span.get("is_primary")]
    if not any(span["file_name"].endswith("contract.rs") for span in spans):
        return None
    found = _FOUND.search(" ".join([message.get("rendered") or "", *_notes(message)]))
    has = f"; kernel.rs has {re.sub(_LIFETIMES, '', found[1])}" if found else ""
    return f"the contract is {contract}{has}"


def _notes(message: dict[str, Any]) -> list[str]:
    return [child.get("message", "") for child in message.get("children", ())]


def _scrubbed(text: str, scrub: Mapping[str, str]) -> str:
    for path in sorted(scrub, key=len, reverse=True):
        text = text.replace(path, scrub[path])
    return visible(re.sub(r"/rustc/[0-9a-f]{40}/", "<rust>/", text), keep="\n\t")
