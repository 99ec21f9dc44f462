"""Prompts: versioned files, and parts with priorities that are shortened in order until the prompt fits the context."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from harness.errors import HarnessFaultError, UserError

_HEADER = re.compile(r"\A<!-- (?P<name>[\w-]+), version (?P<version>\d+) -->\n")
# Shares of a part's lines to which it is shortened before it is dropped.
_SHARES = (0.5, 0.25)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a prompt. Priority 0 is never shortened; among the others, the highest number is shortened first.

    `whole` parts (code, a schema) are useless when cut, so they are kept or dropped. `shorter` are texts that may
    replace the full one, the longest first.
    """

    name: str
    text: str
    priority: int
    whole: bool = False
    shorter: tuple[str, ...] = ()

    @property
    def steps(self) -> list[tuple[str, str]]:
        """The stages in which the part is reduced: the remaining text, and a word that describes it."""
        cuts = (
            []
            if self.whole or self.shorter
            else [(_shorten(self.text, s), f"shortened to {s:.0%}") for s in _SHARES]
        )
        return [*((text, "in brief") for text in self.shorter), *cuts, ("", "dropped")]


class ContextTooSmallError(UserError):
    """Even the shortest prompt does not fit the model's context."""


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """The prompt that fits, and one note per part that was shortened or dropped."""

    text: str
    tokens: int
    dropped: list[str]


def fit(parts: Sequence[Part], count: Callable[[str], int], room: int) -> FittedPrompt:
    """Join the parts, shortening those with the highest priority number first until `count` is at most `room`.

    Raises ContextTooSmallError when the parts of priority 0 alone are too long.
    """
    kept = {part.name: part.text for part in parts if part.text.strip()}
    dropped: list[str] = []
    order = sorted((p for p in parts if p.priority and p.name in kept), key=lambda p: -p.priority)
    tokens = count(_join(parts, kept))
    for part, text, word in ((one, *step) for one in order for step in one.steps):
        if tokens <= room:
            break
        kept[part.name] = text
        dropped = [one for one in dropped if not one.startswith(f"{part.name}: ")] + [f"{part.name}: {word}"]
        tokens = count(_join(parts, kept))
    if tokens > room:
        raise ContextTooSmallError(
            f"the model's context is too small: the shortest prompt needs {tokens} tokens and {room} are free; "
            "use a model with a larger context, or raise --context"
        )
    return FittedPrompt(_join(parts, kept), tokens, dropped)


def _join(parts: Sequence[Part], kept: dict[str, str]) -> str:
    return "\n\n".join(kept[part.name] for part in parts if kept.get(part.name, "").strip())


def _shorten(text: str, share: float) -> str:
    lines = text.splitlines()
    keep = max(1, int(len(lines) * share))
    if len(lines) == 1:
        return text[: max(1, int(len(text) * share))] + " …"
    return "\n".join([*lines[:keep], f"… ({len(lines) - keep} more lines left out)"])


def quote(name: str, text: str, limit: int = 4000) -> str:
    """Untrusted text as data: enclosed in tags that it cannot close, without unprintable characters."""
    clean = "".join(ch if ch.isprintable() or ch in "\n\t" else "�" for ch in text)
    clean = re.sub(r"<(?=\s*/?\s*data\b)", "‹", clean, flags=re.IGNORECASE)
    if len(clean) > limit:
        clean = clean[: limit * 2 // 3] + "\n… (left out) …\n" + clean[-limit // 3 :]
    return f'<data name="{name}">\n{clean.strip()}\n</data>'


def load(name: str, **values: Any) -> str:
    """The prompt file `name` with its placeholders filled in; a placeholder without a value is an error."""
    import jinja2

    text, _ = _read(name)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True)
    return environment.from_string(text).render(**values).strip()


def version(name: str) -> str:
    """Name and version, for example "proposer v1", as recorded with the prompt's hash."""
    return f"{name} v{_read(name)[1]}"


@cache
def _read(name: str) -> tuple[str, int]:
    text = (files("harness.roundtable.agents") / "prompts" / f"{name}.md").read_text(encoding="utf-8")
    header = _HEADER.match(text)
    if header is None or header["name"] != name:
        raise HarnessFaultError(f"prompts/{name}.md: the first line must be <!-- {name}, version N -->")
    return text[header.end() :], int(header["version"])
