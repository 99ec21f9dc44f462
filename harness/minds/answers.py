"""Extracts JSON from a language model's answer: removes reasoning, fences and prose, and corrects small mistakes."""

from __future__ import annotations

import json
import re
from typing import Any

_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_CLOSED_ONLY = re.compile(r"\A.*?</(think|thinking|thought|reasoning)>", re.DOTALL | re.IGNORECASE)
# A string, or a comma directly before a closing bracket.
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', re.DOTALL)
_LINE_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*', re.DOTALL)
_CONSTANTS = {"None": "null", "True": "true", "False": "false"}
_PYTHON = re.compile(r'("(?:\\.|[^"\\])*")|\b(None|True|False)\b', re.DOTALL)
MAX_CHARACTERS = 200_000


class NotJsonError(Exception):
    """No JSON object could be read; the text says why, as feedback for the model."""


def without_thoughts(answer: str) -> str:
    """The answer without <think> blocks; if only the closing tag exists, everything before it is removed."""
    return _CLOSED_ONLY.sub("", _THOUGHT.sub("", answer))


def find_object(answer: str) -> dict[str, Any]:
    """The last complete JSON object of the answer that is not inside another one, with small mistakes corrected.

    Raises NotJsonError when there is none, or when it was cut off.
    """
    text = without_thoughts(answer)[:MAX_CHARACTERS]
    found: list[dict[str, Any]] = []
    start = text.find("{")
    if start < 0:
        raise NotJsonError(
            "the answer holds no JSON object: answer with one object of the schema and nothing else"
        )
    torn = False
    while start >= 0:
        end = _end(text, start)
        if end is None:
            torn = True
            break
        value = _parse(text[start:end])
        if isinstance(value, dict):
            found.append(value)
            start = text.find("{", end)
        else:
            start = text.find("{", start + 1)
    if found:
        return found[-1]
    raise NotJsonError(
        "the JSON object was cut off: answer more briefly" if torn else "the JSON object is malformed"
    )


def _end(text: str, start: int) -> int | None:
    """The position after the bracket that closes the one at `start`; brackets in strings are ignored."""
    depth, inside, index = 0, False, start
    while index < len(text):
        ch = text[index]
        if inside:
            if ch == "\\":
                index += 1
            elif ch == '"':
                inside = False
        elif ch == '"':
            inside = True
        elif ch in "{[":
            depth += 1
        elif ch in "}]":
            depth -= 1
            if depth == 0:
                return index + 1
        index += 1
    return None


def _parse(text: str) -> Any:
    """Parse JSON, if necessary without comments, trailing commas and Python constants."""
    for candidate in (text, _mended(text)):
        try:
            return json.loads(candidate, strict=False)
        except (json.JSONDecodeError, RecursionError):
            continue
    return None


def _mended(text: str) -> str:
    text = _LINE_COMMENT.sub(lambda m: m[1] or "", text)
    text = _TRAILING_COMMA.sub(lambda m: m[1] or "", text)
    return _PYTHON.sub(lambda m: m[1] or _CONSTANTS[m[2]], text)
