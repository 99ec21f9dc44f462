"""Token ids of training questions, by llama.cpp's own tokenizer and chat format: the ones that are asked with later."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.learning.samples import LetterQuestion
from harness.learning.trainer import EncodedQuestion, encoded
from harness.minds.chat import ChatFormat
from harness.minds.letters import letter_tokens


class QuestionEncoder:
    """Turns questions into token ids. `letters` are the tokens of the letters."""

    def __init__(self, model: Any, letters: list[int]) -> None:
        self._format = ChatFormat(model)
        self.letters = letters

    def __call__(self, question: LetterQuestion) -> EncodedQuestion:
        """The tokens of a question and its answers."""
        return encoded(question, self.prompt, self._format.tokens_of, self.letters)

    def prompt(self, system: str, user: str) -> list[int]:
        """The tokens of a prompt, up to the beginning of the answer."""
        return self._format.prompt([{"role": "system", "content": system}, {"role": "user", "content": user}])

    @property
    def tokens_of(self) -> Callable[[str], list[int]]:
        """The tokens of a bare text."""
        return self._format.tokens_of


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing from llama.cpp on stderr: it warns that a vocabulary alone was trained for no context."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def encoder_of(path: Path) -> QuestionEncoder:
    """The encoder of a GGUF file, of which only the vocabulary is read.

    Raises UserError when letters are no single tokens of this model: it is not asked by letters then, and cannot learn
    to be.
    """
    from llama_cpp import Llama

    try:
        with _quiet():
            model = Llama(str(path), vocab_only=True, verbose=False)
    except (ValueError, RuntimeError, OSError, AssertionError) as error:
        raise UserError(f"--model {path}: llama.cpp cannot load it ({str(error)[:120]})") from None
    letters = letter_tokens(ChatFormat(model).tokens_of)
    if letters is None:
        raise UserError(
            f"--model {path}: its tokens are no single letters, so it is not asked by letters and cannot learn them; "
            "use another small model"
        )
    return QuestionEncoder(model, letters)
