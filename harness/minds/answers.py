"""Extracts JSON from a language model's answer: removes reasoning, fences and prose, and corrects small mistakes."""

from __future__ import annotations

import json
import re
from typing import Any

from harness.visible import encodable

MAX_CHARACTERS = 200_000
# Brackets that may open nothing, as in prose, before the search for an object ends.
MOST_TORN = 30

# What begins and what ends the reasoning in an answer, by the models that write it. A server that separates the
# reasoning itself (reasoning_content) has removed it before.
_REASONING = (
    # DeepSeek, Qwen, GLM, Phi, Nemotron, ERNIE; EXAONE and others with another word.
    *((rf"<{word}>", rf"</{word}>") for word in ("think", "thinking", "thought", "reasoning")),
    (r"\[THINK\]", r"\[/THINK\]"),  # Mistral's Magistral
    (r"<seed:think>", r"</seed:think>"),  # Seed-OSS
    (r"◁think▷", r"◁/think▷"),  # Moonshot Kimi
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),  # Cohere Command
    (r"<\|channel>thought", r"<channel\|>"),  # Google Gemma
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),  # Apertus
)
_BLOCKS = tuple(
    (re.compile(f"{begin}.*?({end}|\\Z)", re.DOTALL | re.IGNORECASE), re.compile(end, re.IGNORECASE))
    for begin, end in _REASONING
)
# OpenAI's Harmony: messages in channels, of which only the final one is the answer. A server that does not print
# special tokens leaves the words.
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>", re.IGNORECASE)
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start)\|>")
_BARE_CHANNELS = re.compile(r"\Aanalysis.*?assistantfinal", re.DOTALL)
# Tokens around an answer that say nothing: Cohere's, and ends of turns that a server printed.
_FRAME = re.compile(r"<\|(?:START|END)_RESPONSE\|>|<\|im_end\|>|<\|end_of_text\|>|<\|eot_id\|>|</s>\s*\Z")


class NotJsonError(Exception):
    """No JSON object could be read; the text says why, as feedback for the model."""


def without_thoughts(answer: str) -> str:
    """The answer without its reasoning, in any of the formats of _REASONING and Harmony.

    Reasoning that does not end takes the rest of the answer. Where only its end is there, because the chat template
    wrote its beginning into the prompt, everything before that end is removed.
    """
    text = _final_channel(answer)
    for block, end in _BLOCKS:
        text = block.sub("", text)
        text = end.split(text)[-1]
    return _FRAME.sub("", text)


def _final_channel(answer: str) -> str:
    """The text of Harmony's last final channel; empty when there are only other channels."""
    channels = list(_CHANNEL.finditer(answer))
    if not channels:
        return _BARE_CHANNELS.sub("", answer)
    final = [channel for channel in channels if channel[1].lower() == "final"]
    return _CHANNEL_END.split(answer[final[-1].end() :], maxsplit=1)[0] if final else ""


def find_object(answer: str) -> dict[str, Any]:
    """The last complete JSON object of the answer that is not inside another one, with small mistakes corrected.

    Raises NotJsonError when there is none, or when it was cut off.
    """
    text = without_thoughts(answer)[:MAX_CHARACTERS]
    found: dict[str, Any] | None = None
    torn, cut_off, start = 0, False, text.find("{")
    if start < 0:
        raise NotJsonError(
            "the answer holds no JSON object: answer with one object of the schema and nothing else"
        )
    while start >= 0 and torn < MOST_TORN:
        end = _end(text, start)
        value = None if end is None else _parse(text[start:end])
        if end is None:
            torn += 1
            cut_off = cut_off or _opens_an_object(text, start)
        found = value if isinstance(value, dict) else found
        start = text.find("{", end if end is not None and isinstance(value, dict) else start + 1)
    if found is not None:
        return found
    raise NotJsonError(
        "the JSON object was cut off: answer more briefly" if cut_off else "the JSON object is malformed"
    )


def _opens_an_object(text: str, start: int) -> bool:
    """Whether the bracket at `start` is followed by a key, as in JSON, and not by prose."""
    return re.match(r"\{\s*[\"'{]", text[start : start + 40]) is not None


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
    """The value of JSON text; an object with comments, trailing commas, Python constants or quotes is repaired."""
    try:
        value = json.loads(text, strict=False)
    except (json.JSONDecodeError, RecursionError):
        value = _repaired(text) if _opens_an_object(text, 0) else None
    return _encodable(value)


def _repaired(text: str) -> Any:
    import json_repair

    try:
        return json_repair.loads(text, skip_json_loads=True)
    except (ValueError, RecursionError):
        return None


def _encodable(value: Any) -> Any:
    """The value without lone halves of surrogate pairs, which JSON can express with \\u and UTF-8 cannot."""
    match value:
        case str():
            return encodable(value)
        case list():
            return [_encodable(item) for item in value]
        case dict():
            return {_encodable(key): _encodable(item) for key, item in value.items()}
    return value
