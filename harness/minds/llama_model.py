"""Loads a GGUF file into llama.cpp: context, number of threads, a switch that stops it, and grammars."""

from __future__ import annotations

import ctypes
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.machine import usable_cores
from harness.minds import gguf_file

_USEFUL_CONTEXT = 2048
# Tokens of the probe, evaluated one by one, and the file size above which all cores are used without a probe: one token
# of a larger model takes long on one core, and the threads compute for longer than they wait for each other.
_PROBE_TOKENS = 16
_PROBED_BYTES = 2 << 30
# More threads are used when they are faster by this factor; they are chosen again after an answer that took this many
# times longer than its tokens did in the probe.
_CLEARLY, _MUCH_LONGER = 1.2, 3.0


def load(path: Path, context_tokens: int, gpu_layers: int, adapter: Path | None = None) -> Any:
    """The loaded model, a Llama, with one thread per core, and with the weights of an `adapter` added.

    Raises UserError with one line when llama-cpp-python is not installed or cannot load the files.
    """
    try:
        from llama_cpp import Llama
    except ImportError:
        raise UserError(
            f"--model {path}: needs llama-cpp-python; pip install 'matmul-round-table[llm]' (compiles for "
            "some minutes; Metal: CMAKE_ARGS=-DGGML_METAL=on, CUDA: CMAKE_ARGS=-DGGML_CUDA=on)"
        ) from None
    trained = gguf_file.trained_context(path)
    if trained is not None and trained < _USEFUL_CONTEXT:
        # With less context than this, not even the task fits; a longer context gives worse answers, but
        # answers.
        trained = None
    threads = len(usable_cores())
    try:
        return Llama(
            str(path),
            n_ctx=min(context_tokens, trained) if trained else context_tokens,
            n_gpu_layers=gpu_layers,
            n_threads=threads,
            n_threads_batch=threads,
            lora_path=None if adapter is None else str(adapter),
            verbose=False,
        )
    except (ValueError, RuntimeError, OSError, AssertionError) as error:
        if adapter is not None and "LoRA" in str(error):
            raise UserError(
                f"{adapter}: llama.cpp cannot add this adapter to {path.name}; train it again for this model"
            ) from None
        raise UserError(
            f"--model {path}: llama.cpp cannot load it ({str(error).splitlines()[0][:120]}); the file may be cut "
            "off or of a newer format: check its size, or update llama-cpp-python"
        ) from None


class ThreadChoice:
    """The number of threads of a loaded model, chosen by a probe, and again after an answer that took much longer.

    llama.cpp's threads spin while they wait for each other: on a busy machine two of them took ten times as long for a
    token of a small model as one. So more threads than one must be clearly faster, also in the slower of two probes.
    """

    def __init__(
        self, counts: Sequence[int], use: Callable[[int], None], probe: Callable[[int], float]
    ) -> None:
        """`counts` are the numbers to choose from, the smallest first; `probe` returns seconds per token."""
        self._counts = tuple(counts)
        self._use = use
        self._probe = probe
        self.threads = self._counts[-1]
        self._token_s = 0.0
        self.choose()

    def choose(self) -> None:
        """Probe each number of threads twice, and use the fastest. Empties the model's context."""
        try:
            if len(self._counts) > 1:
                tried = [max(self._probe(count) for _ in range(2)) for count in self._counts]
                rated = [tried[0], *(seconds * _CLEARLY for seconds in tried[1:])]
                best = rated.index(min(rated))
                self.threads, self._token_s = self._counts[best], tried[best]
        finally:
            self._use(self.threads)

    def answered(self, tokens: int, seconds: float) -> None:
        """Note how long an answer took, and choose again if that was much longer than the probe lets expect."""
        if self.threads > self._counts[0] and seconds > _MUCH_LONGER * self._token_s * tokens:
            self.choose()


def thread_choice(model: Any, path: Path, gpu_layers: int) -> ThreadChoice:
    """The choice of threads for a loaded model: one or all cores; all without a probe on a GPU or for a large file."""
    from llama_cpp import llama_supports_gpu_offload

    cores = len(usable_cores())
    on_cpu = gpu_layers == 0 or not llama_supports_gpu_offload()
    probed = on_cpu and cores > 1 and path.stat().st_size <= _PROBED_BYTES
    return ThreadChoice(
        (1, cores) if probed else (cores,),
        lambda count: _use_threads(model, count),
        lambda count: _probe_s(model, count),
    )


def _probe_s(model: Any, threads: int) -> float:
    """Seconds per token with this number of threads, over a few tokens one by one; leaves the model empty."""
    _use_threads(model, threads)
    model.reset()
    token = max(0, int(model.token_bos()))
    began_s = time.monotonic()
    for _ in range(_PROBE_TOKENS):
        model.eval([token])
    model.reset()
    return (time.monotonic() - began_s) / _PROBE_TOKENS


def _use_threads(model: Any, threads: int) -> None:
    """Set the number of threads of a loaded model, for prompts and answers."""
    import llama_cpp

    llama_cpp.llama_set_n_threads(model.ctx, threads, threads)


class AbortSwitch:
    """Keeps the callback alive; `event` decides whether llama.cpp continues."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event
        self.callback: Any = None


def abort_when(model: Any, event: threading.Event) -> AbortSwitch:
    """Let an event stop llama.cpp in the middle of a long prompt, which a loop around it cannot do."""
    import llama_cpp

    abort = AbortSwitch(event)
    abort.callback = llama_cpp.ggml_abort_callback(lambda _: abort.event.is_set())
    llama_cpp.llama_set_abort_callback(model.ctx, abort.callback, ctypes.c_void_p())
    return abort


def schema_grammar(schema: dict[str, Any] | None) -> Any:
    """llama.cpp's grammar for a JSON schema; None without one."""
    if schema is None:
        return None
    from llama_cpp import LlamaGrammar

    return LlamaGrammar.from_json_schema(json.dumps(schema), verbose=False)


def text_grammar(grammar: str) -> Any:
    """llama.cpp's grammar for a text in GBNF."""
    from llama_cpp import LlamaGrammar

    return LlamaGrammar.from_string(grammar, verbose=False)
