"""Training of a tiny model: the exported adapter is what was trained, and an interrupted training goes on."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.learning.samples import LetterAnswer, LetterQuestion
from harness.minds.adapter import WEIGHTS
from harness.minds.letters import LetterLogits
from tests.minds import tiny_gguf

pytest.importorskip("gguf")
pytest.importorskip("llama_cpp")

CHOICES = (4, 3, 5, 2)


def questions(count: int = 4) -> list[LetterQuestion]:
    rng = random.Random(1)
    return [
        LetterQuestion(
            "Tune.",
            f"Which {number}?",
            CHOICES,
            tuple(
                LetterAnswer(f"1.0{n} |", tuple(rng.randrange(count) for count in CHOICES), f"{n:016x}")
                for n in range(3)
            ),
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Not at the top: it imports torch, six seconds of CPU time for every process that only collects this file.
    pytest.importorskip("peft")
    return tiny_gguf.write(tmp_path_factory.mktemp("model") / "tiny.gguf", letters=True)


def in_llama(model: Path, adapter: Path | None, encode: Any, question: LetterQuestion) -> np.ndarray:
    """The logits of all letters at the places of the first answer, by llama.cpp."""
    from harness.minds import llama_model

    (answer, *_) = question.answers
    prompt = [*encode.prompt(question.system, question.user), *encode.tokens_of(answer.lead)]
    loaded = llama_model.load(model, 512, 0, adapter)
    try:
        logits = LetterLogits(loaded, prompt, encode.letters)
        return np.array([logits(answer.picks[:at]) for at in range(len(CHOICES))])
    finally:
        loaded.close()


@pytest.mark.slow
def test_llama_cpp_and_transformers_agree_about_a_trained_adapter_and_not_without_permutation(
    model: Path, tmp_path: Path
) -> None:
    import torch

    from harness.learning.adapter_file import write_adapter
    from harness.learning.tokens import encoder_of
    from harness.learning.trainer import ALPHA, LetterTrainer
    from harness.learning.training import Course, train

    encode = encoder_of(model)
    asked = questions()
    trainer = LetterTrainer(model, encode.letters, 1, lambda line: None)
    # A few steps change little; the differences between weights are to be seen.
    for name, value in trainer.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.5)
    course = Course([encode(one) for one in asked[1:]], [encode(asked[0])], 6, 1, "here")
    state = train(trainer, course, tmp_path, lambda line: None)
    assert state.loss_before is not None
    assert state.best is not None
    assert state.best < state.loss_before

    with torch.no_grad():
        ours = trainer.logits(encode(asked[0])).numpy()[: len(CHOICES)]
    right, wrong = tmp_path / WEIGHTS, tmp_path / "unpermuted.gguf"
    for path, permute in ((right, True), (wrong, False)):
        write_adapter(path, trainer.weights(), trainer.heads, trainer.key_heads, ALPHA, permute)

    def agreement(adapter: Path | None) -> float:
        theirs = in_llama(model, adapter, encode, asked[0])
        return float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])

    assert agreement(right) > 0.999
    assert agreement(wrong) < 0.99
    assert agreement(None) < 0.99


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_weights(model: Path, tmp_path: Path) -> None:
    from harness.learning.tokens import encoder_of
    from harness.learning.trainer import LetterTrainer
    from harness.learning.training import Course, train

    encode = encoder_of(model)
    asked = [encode(one) for one in questions()]
    course = Course(asked[1:], asked[:1], 10, 1, "here")

    def trained(folder: Path, stop_at: int | None = None) -> dict[str, np.ndarray]:
        folder.mkdir(exist_ok=True)
        trainer = LetterTrainer(model, encode.letters, 1, lambda line: None)
        step, calls = trainer.step, iter(range(100))

        def interrupted(question: Any) -> float:
            if next(calls) == stop_at:
                raise KeyboardInterrupt
            return step(question)

        trainer.step = interrupted  # type: ignore[method-assign]
        train(trainer, course, folder, said.append)
        return trainer.weights()

    said: list[str] = []
    whole = trained(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "halves", stop_at=7)
    resumed = trained(tmp_path / "halves")
    assert any("goes on after step 5" in line for line in said)
    assert all(np.allclose(whole[name], resumed[name], atol=1e-6) for name in whole)
