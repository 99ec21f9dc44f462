"""The protocol "letters": a schedule drawn letter by letter from the probabilities that a model gives to the letters.

For models below a billion parameters: a grammar keeps their JSON well-formed, but not sensible, and takes seconds. Here
the model is evaluated once per knob and says nothing else, so that every answer is valid.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.minds.knob_question import LETTERS, KnobQuestion

Picks: TypeAlias = tuple[int, ...]
# Logits of the next knob's letters, one per choice or more, after these picks.
Logits: TypeAlias = Callable[[Picks], NDArray[np.float32]]

# A draw that is already known is repeated at the next temperature; at the last one, known schedules are masked.
TEMPERATURES = (1.0, 2.0)
# Combinations that may turn out to be known before the lane counts as exhausted.
_MOST_DEAD_ENDS = 256


def draw(question: KnobQuestion, logits: Logits, rng: random.Random) -> Picks | None:
    """Picks of a valid schedule that is not known; None when there is none in reach."""

    def is_valid(picks: Picks) -> bool:
        return question.schedule(picks) is not None

    for temperature in TEMPERATURES[:-1]:
        picks = _walk(question, logits, rng, temperature, is_valid)
        if picks is not None and question.is_new(picks):
            return picks
    return _walk(question, logits, rng, TEMPERATURES[-1], question.is_new)


def _walk(
    question: KnobQuestion,
    logits: Logits,
    rng: random.Random,
    temperature: float,
    allowed: Callable[[Picks], bool],
) -> Picks | None:
    """Draw knob by knob. The last knob's choices that are not allowed are masked before the draw; where all are, the
    walk goes back to the knob before and does not come this way again.
    """
    dead: set[Picks] = set()
    picks: Picks = ()
    while len(dead) <= _MOST_DEAD_ENDS:
        last = len(picks) == len(question.knobs) - 1
        choices = range(len(question.knobs[len(picks)].choices))
        ways = [way for way in ((*picks, pick) for pick in choices) if way not in dead]
        ways = [way for way in ways if allowed(way)] if last else ways
        if not ways:
            if not picks:
                return None
            dead.add(picks)
            picks = picks[:-1]
            continue
        weights = probabilities(logits(picks)[[way[-1] for way in ways]], temperature)
        picks = rng.choices(ways, weights)[0]
        if last:
            return picks
    return None


def probabilities(logits: NDArray[np.float32], temperature: float) -> list[float]:
    """The softmax of the logits divided by the temperature; equal shares where the logits are no numbers."""
    scaled = logits.astype(np.float64) / temperature
    if not np.isfinite(scaled).all():
        return [1 / len(scaled)] * len(scaled)
    weights = np.exp(scaled - scaled.max())
    return [float(weight) for weight in weights / weights.sum()]


def letter_tokens(tokens_of: Callable[[str], Sequence[int]]) -> list[int] | None:
    """The token of each letter after a blank, as in "| A B"; None unless every letter is exactly one token."""
    before = list(tokens_of("|"))
    found = []
    for letter in LETTERS:
        tokens = list(tokens_of(f"| {letter}"))
        if tokens[:-1] != before:
            return None
        found.append(tokens[-1])
    return found if len(set(found)) == len(LETTERS) else None


class LetterLogits:
    """The logits of a loaded llama.cpp model after a prompt and some letters. What was evaluated before is reused."""

    def __init__(self, model: Any, prompt: Sequence[int], letters: Sequence[int]) -> None:
        """`model` is a Llama, `prompt` the tokens before the first letter, `letters` the tokens of the letters."""
        self._model = model
        self._prompt = list(prompt)
        self._letters = list(letters)
        self._seen: dict[Picks, NDArray[np.float32]] = {}
        self.evaluated = 0

    def __call__(self, picks: Picks) -> NDArray[np.float32]:
        """The logits of all letters after these picks."""
        if picks not in self._seen:
            self._evaluate([*self._prompt, *(self._letters[pick] for pick in picks)])
            self._seen[picks] = self._last_logits()[self._letters]
        return self._seen[picks]

    def _evaluate(self, tokens: list[int]) -> None:
        model = self._model
        # The logits are those of the token evaluated last, so at least one token is evaluated.
        kept = min(_common(model.input_ids[: model.n_tokens], tokens), len(tokens) - 1)
        if kept == 0 or model._ctx.kv_cache_seq_rm(-1, kept, -1) is False:
            # Models with a recurrent state cannot forget a part.
            kept = 0
            model._ctx.kv_cache_clear()
        model.n_tokens = kept
        model.eval(tokens[kept:])
        self.evaluated += len(tokens) - kept

    def _last_logits(self) -> NDArray[np.float32]:
        import llama_cpp

        size = self._model.n_vocab()
        pointer = llama_cpp.llama_get_logits_ith(self._model.ctx, -1)
        return np.ctypeslib.as_array(pointer, shape=(size,)).copy()


def _common(known: Any, tokens: Sequence[int]) -> int:
    """The number of tokens at the beginning that are equal."""
    count = 0
    for mine, theirs in zip(known, tokens, strict=False):
        if int(mine) != theirs:
            break
        count += 1
    return count
