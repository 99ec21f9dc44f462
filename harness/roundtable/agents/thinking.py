"""One exchange with a language model: fitted prompt, seed, budget, transcript, replay. Used by Proposer and Coder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.durable import JsonObject
from harness.minds.knob_question import KnobQuestion
from harness.minds.protocol import LanguageMind, PromptTooLongError, Question
from harness.roundtable.agents import prompt
from harness.roundtable.agents.prompt import Part
from harness.roundtable.agents.table import Table

# An answer with fewer tokens than this is not requested.
LEAST_ANSWER_TOKENS = 64
_SHOWN_EVERY_TOKENS = 256
# Attempts to fit the prompt again, because some servers reveal their context size only when they refuse.
_REFITS = 3


@dataclass(frozen=True, slots=True)
class Exchange:
    """The model's answer, whether it was cut off, and the hash of its prompt."""

    text: str
    prompt: str
    cut_off: bool


@dataclass(frozen=True, slots=True)
class Knobs:
    """A question about knobs, whether it is answered by letters, and the temperature at which it is answered."""

    question: KnobQuestion
    lettered: bool
    temperature: float


async def ask(
    table: Table,
    mind: LanguageMind,
    where: str,
    system: str,
    parts: Sequence[Part],
    answer_tokens: int,
    schema: JsonObject | None = None,
    knobs: Knobs | None = None,
) -> Exchange:
    """Fit the prompt, query the model, charge the budget, and record the exchange.

    Raises UserError when even the shortest prompt does not fit the model's context or the model cannot be reached.
    """
    for attempt in range(_REFITS + 1):
        question, dropped = _question(table, mind, where, system, parts, answer_tokens, schema)
        if knobs is not None:
            question = replace(
                question, knobs=knobs.question, lettered=knobs.lettered, temperature=knobs.temperature
            )
        try:
            answer = await mind.ask(question, _progress(table, where, mind.name))
            break
        except PromptTooLongError:
            if attempt == _REFITS:
                raise
    table.spending.add_tokens(answer.prompt_tokens + answer.answer_tokens)
    table.transcript.record_answer(where, question, answer, mind.name, mind.model_hash, dropped)
    return Exchange(answer.text, question.user, answer.finish == "length")


def _question(
    table: Table,
    mind: LanguageMind,
    where: str,
    system: str,
    parts: Sequence[Part],
    answer_tokens: int,
    schema: JsonObject | None,
) -> tuple[Question, list[str]]:
    """The fitted question, and notes about what was left out."""
    least = min(answer_tokens, max(LEAST_ANSWER_TOKENS, mind.context_tokens // 4))
    fitted = prompt.fit(parts, lambda text: mind.count(system, text), mind.context_tokens - least)
    room = min(answer_tokens, mind.context_tokens - fitted.tokens)
    if table.spending.left_tokens is not None:
        room = max(1, min(room, table.spending.left_tokens - fitted.tokens))
    question = Question(
        system=system,
        user=fitted.text,
        seed=seed_of(table.seed, where),
        max_tokens=room,
        schema=None if schema is None else countable(compact(schema)),
        limit_s=table.spending.left_s,
    )
    return question, fitted.dropped


def seed_of(seed: int, where: str) -> int:
    """A seed for each question: repeatable, and different from question to question."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{where}".encode()).digest()[:4], "big") & 0x7FFF_FFFF


def _progress(table: Table, where: str, model: str) -> Any:
    role = where.split()[0]
    shown = 0

    def heard(tokens: int) -> None:
        nonlocal shown
        if tokens - shown >= _SHOWN_EVERY_TOKENS:
            shown = tokens
            table.say(f"{role}: {model} is writing, {tokens} tokens")

    return heard


# Most elements of a list and most characters of a text in an answer: in a text without a limit, small models talk until
# they are cut off. llama.cpp makes N nested rules of a text of at most N characters, and dies of a stack overflow at
# 1500. A text that may be a program (10,000 characters or more in the schema) gets more: Strassen's scheme has 330.
_LONGEST_LIST, _LONGEST_TEXT, _LONGEST_PROGRAM = 4, 200, 400
_PROGRAM = 10_000


def compact(schema: Any) -> Any:
    """The schema without titles and defaults, with an upper length of every list and every text.

    A text with a pattern is bounded by the pattern, and one with a choice of values by these.
    """
    if isinstance(schema, list):
        return [compact(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: compact(item) for name, item in value.items()}
        elif key not in ("title", "default", "minLength"):
            kept[key] = compact(value)
    if kept.get("type") == "string" and not {"pattern", "enum", "const"} & set(kept):
        wanted = kept.get("maxLength", _LONGEST_TEXT)
        kept["maxLength"] = min(wanted, _LONGEST_PROGRAM if wanted >= _PROGRAM else _LONGEST_TEXT)
    if kept.get("type") == "array":
        kept["maxItems"] = min(kept.get("maxItems", _LONGEST_LIST), _LONGEST_LIST)
    return kept


def without_descriptions(schema: Any) -> Any:
    """The schema without descriptions, for small contexts."""
    if isinstance(schema, list):
        return [without_descriptions(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: without_descriptions(item) for name, item in value.items()}
        elif key != "description":
            kept[key] = without_descriptions(value)
    return kept


_MOST_CHOICES = 130


def countable(schema: Any) -> Any:
    """The schema with every bounded integer as a list of choices, because llama.cpp's grammars have no bounds.

    Long ranges are thinned out to useful block sizes: each up to 32, then in steps of 16, 32 and 256.
    """
    if isinstance(schema, list):
        return [countable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "integer" and {"minimum", "maximum"} <= set(schema):
        low, high = schema["minimum"], schema["maximum"]
        steps = [*range(32), *range(32, 256, 16), *range(256, 1024, 32), *range(1024, high + 1, 256), high]
        values = (
            list(range(low, high + 1))
            if high - low < _MOST_CHOICES
            else [v for v in steps if low <= v <= high]
        )
        return {"enum": list(dict.fromkeys(values))}
    return {key: countable(value) for key, value in schema.items()}
