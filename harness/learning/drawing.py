"""Fifty draws from a model by the protocol letters: how many are different, and how many copy a training answer."""

from __future__ import annotations

import random
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from harness.learning.samples import LetterQuestion
from harness.minds import llama_model
from harness.minds.letters import LetterLogits, probabilities

DRAWS = 50
_MARGIN_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Drawn:
    """What draws are worth: how many were made, how many picks are different, and how many copy a training answer."""

    asked: int
    distinct: int
    copies: int


def draw_fifty(
    model: Path,
    adapter: Path | None,
    question: LetterQuestion,
    keys: Set[str],
    seed: int,
) -> Drawn:
    """Draw the answers of one question fifty times at temperature 1, without leaving out known schedules.

    `keys` are those of the training answers. Raises UserError when the model or the adapter cannot be loaded.
    """
    from harness.learning.tokens import encoder_of

    encode = encoder_of(model)
    lead = question.answers[0].lead
    tokens = [*encode.prompt(question.system, question.user), *encode.tokens_of(lead)]
    loaded = llama_model.load(model, len(tokens) + _MARGIN_TOKENS, 0, adapter)
    try:
        llama_model.thread_choice(loaded, model, 0)
        logits = LetterLogits(loaded, tokens, encode.letters)
        rng = random.Random(seed)
        drawn = [_draw(logits, question.choices, rng) for _ in range(DRAWS)]
    finally:
        loaded.close()
    copies = sum(question.is_answer(picks, keys) for picks in drawn)
    return Drawn(DRAWS, len(set(drawn)), copies)


def _draw(logits: LetterLogits, choices: tuple[int, ...], rng: random.Random) -> tuple[int, ...]:
    picks: tuple[int, ...] = ()
    for count in choices:
        weights = probabilities(logits(picks)[:count], 1.0)
        picks = (*picks, rng.choices(range(count), weights)[0])
    return picks
