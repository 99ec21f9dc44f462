"""Trains a LoRA adapter on letter samples: transformers loads the GGUF, peft adds the adapter, torch trains it.

A question's answers are one sequence after the question: each answer sees the question and itself, and its positions go
on from the question's end. So the prompt is computed once for all its answers. The loss is the cross-entropy of each
letter among the letters of that knob's choices, which is the distribution from which the protocol letters draws.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.learning.adapter_file import PROJECTIONS
from harness.learning.samples import LetterQuestion
from harness.machine import usable_cores
from harness.minds.llama_model import ThreadChoice

# Rank and scale of the adapter, and the step of AdamW.
RANK, ALPHA, LEARNING_RATE = 8, 16.0, 3e-4
# Tokens of the thread probe.
_PROBE_TOKENS = 64
# What training imports, and the command that installs it.
PACKAGES = ("torch", "transformers", "peft", "gguf", "llama_cpp")
INSTALL = "pip install 'matmul-round-table[learn]'"


@dataclass(frozen=True, slots=True)
class EncodedQuestion:
    """Token ids of a question and its answers. letters: the token of each letter; targets: the right choice of each
    letter, in order; counts: the number of choices at each of them; at: the positions whose logits choose them.
    """

    tokens: tuple[int, ...]
    answers: tuple[tuple[int, int], ...]
    question_end: int
    at: tuple[int, ...]
    targets: tuple[int, ...]
    counts: tuple[int, ...]


def require_packages() -> None:
    """Raise UserError that names the extra when a package for training is missing."""
    missing = []
    for name in PACKAGES:
        try:
            import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise UserError(f"training needs {', '.join(missing)}; {INSTALL}")


def encoded(
    question: LetterQuestion,
    prompt_of: Callable[[str, str], list[int]],
    tokens_of: Callable[[str], Sequence[int]],
    letters: Sequence[int],
) -> EncodedQuestion:
    """The tokens of a question, by the tokenizer that the model is asked with later."""
    tokens = list(prompt_of(question.system, question.user))
    question_end = len(tokens)
    spans, at, targets, counts = [], [], [], []
    for answer in question.answers:
        start = len(tokens)
        tokens += tokens_of(answer.lead)
        for pick, count in zip(answer.picks, question.choices, strict=True):
            at.append(len(tokens) - 1)
            targets.append(pick)
            counts.append(count)
            tokens.append(letters[pick])
        # Nothing is predicted from the last letter.
        tokens.pop()
        spans.append((start, len(tokens)))
    return EncodedQuestion(
        tuple(tokens), tuple(spans), question_end, tuple(at), tuple(targets), tuple(counts)
    )


class LetterTrainer:
    """A base model with a fresh adapter, and one step of training. Deterministic for a seed, device and thread
    count.
    """

    def __init__(self, model: Path, letters: Sequence[int], seed: int, say: Callable[[str], None]) -> None:
        """Raises UserError when the packages are missing or transformers cannot load the file."""
        require_packages()
        import torch
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(seed)
        self.device = device()
        base = _load(model)
        self.heads = int(base.config.num_attention_heads)
        self.key_heads = int(base.config.num_key_value_heads)
        config = LoraConfig(
            r=RANK,
            lora_alpha=ALPHA,
            lora_dropout=0.0,
            target_modules=list(PROJECTIONS),
            init_lora_weights=True,
            task_type="CAUSAL_LM",
        )
        self.model: Any = get_peft_model(base, config).to(self.device)
        self.letters = torch.tensor(list(letters), device=self.device)
        self.trained = [value for value in self.model.parameters() if value.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=LEARNING_RATE, weight_decay=0.01)
        self.threads = self._choose_threads(say)

    def loss(self, question: EncodedQuestion) -> Any:
        """The mean cross-entropy of a letter, a scalar tensor in nats."""
        import torch
        from torch.nn import functional

        scores = self.logits(question)
        counts = torch.tensor(question.counts, device=self.device)
        beyond = torch.arange(len(self.letters), device=self.device)[None, :] >= counts[:, None]
        targets = torch.tensor(question.targets, device=self.device)
        return functional.cross_entropy(scores.masked_fill(beyond, float("-inf")), targets)

    def logits(self, question: EncodedQuestion) -> Any:
        """The logits of all letters at the places of the letters, a tensor (places × letters)."""
        import torch

        count = len(question.tokens)
        mask, positions = _mask_and_positions(question)
        allowed = torch.from_numpy(mask).to(self.device)
        bias = torch.zeros((1, 1, count, count), device=self.device)
        bias.masked_fill_(~allowed[None, None], torch.finfo(torch.float32).min)
        inner = self.model.base_model.model
        hidden = inner.model(
            input_ids=torch.tensor([question.tokens], device=self.device),
            attention_mask=bias,
            position_ids=torch.from_numpy(positions)[None].to(self.device),
            use_cache=False,
        ).last_hidden_state[0]
        weight = inner.get_output_embeddings().weight[self.letters]
        return hidden[list(question.at)] @ weight.T

    def step(self, question: EncodedQuestion) -> float:
        """One step of AdamW on one question; returns its loss before the step."""
        import torch

        self.model.train()
        self.optimizer.zero_grad()
        loss = self.loss(question)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        return float(loss.detach())

    def look(self, questions: Sequence[EncodedQuestion]) -> float:
        """The mean loss over questions, without learning from them."""
        import torch

        self.model.eval()
        with torch.no_grad():
            return float(np.mean([float(self.loss(question)) for question in questions]))

    def weights(self) -> dict[str, Any]:
        """The adapter's weights as numpy arrays, by peft's names."""
        return {name: value.float().numpy() for name, value in self.adapter().items()}

    def adapter(self) -> dict[str, Any]:
        """A copy of the adapter's weights as tensors, by peft's names."""
        from peft import get_peft_model_state_dict

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = get_peft_model_state_dict(self.model, save_embedding_layers=False)
        return {name: value.detach().cpu().clone() for name, value in found.items()}

    def use(self, adapter: dict[str, Any]) -> None:
        """Put the weights of `adapter` in place."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.model, adapter)

    def _choose_threads(self, say: Callable[[str], None]) -> int:
        import torch

        cores = len(usable_cores())
        if self.device != "cpu" or cores == 1:
            return int(torch.get_num_threads())

        def probe(threads: int) -> float:
            torch.set_num_threads(threads)
            began_s = time.monotonic()
            with torch.no_grad():
                self.model(torch.ones((1, _PROBE_TOKENS), dtype=torch.long))
            return (time.monotonic() - began_s) / _PROBE_TOKENS

        choice = ThreadChoice((1, cores), torch.set_num_threads, probe)
        say(f"training on {self.device} with {choice.threads} thread(s)")
        return int(choice.threads)


def device() -> str:
    """The device to train on: "cuda", "mps" or "cpu"."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _load(model: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    # Nothing is to be asked of a server: the file is here.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        # A progress bar of each tensor and warnings that say nothing to a user go to stderr.
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return AutoModelForCausalLM.from_pretrained(
                str(model.parent), gguf_file=model.name, dtype=torch.float32, local_files_only=True
            )
    except (ValueError, KeyError, OSError, RuntimeError, NotImplementedError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"--model {model}: transformers cannot load this GGUF ({reason[:120]}); use a file of a llama architecture "
            "in a common quantisation (Q4_1, Q4_K_M, Q8_0, F16)"
        ) from None


def _mask_and_positions(question: EncodedQuestion) -> tuple[Any, Any]:
    """Which token sees which (tokens × tokens), and the position of each: answers do not see each other."""
    count = len(question.tokens)
    mask = np.tri(count, dtype=bool)
    positions = np.arange(count, dtype=np.int64)
    for start, end in question.answers:
        mask[start:end, question.question_end : start] = False
        positions[start:end] = question.question_end + np.arange(end - start)
    return mask, positions
