"""llama.cpp in this process: an autogen-core ChatCompletionClient with one model, one worker thread and a grammar."""

from __future__ import annotations

import asyncio
import codecs
import ctypes
import json
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from autogen_core import CancellationToken
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
    SystemMessage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from harness.errors import UserError
from harness.machine import usable_cores
from harness.minds import gguf_file
from harness.minds.chat import ChatFormat
from harness.minds.client import ClientMind, plain_extras
from harness.minds.protocol import Question


class GrowingAnswer:
    """An answer during generation; each token's bytes are added once.

    llama-cpp-python's own loop converts the whole answer back to text for every token, which takes minutes at a few
    hundred tokens.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.text = ""
        self.tokens = 0
        self.finish: Literal["length", "stop"] = "length"
        self._stops = tuple(stops)
        # A character may be spread over several tokens.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, piece: bytes) -> str:
        """Add one token's bytes and return the characters completed by them. A stop text ends the answer before it."""
        self.tokens += 1
        fresh = self._decoder.decode(piece)
        self.text += fresh
        for stop in self._stops:
            if (at := self.text.find(stop, max(0, len(self.text) - len(fresh) - len(stop)))) >= 0:
                self.text, self.finish = self.text[:at], "stop"
                return ""
        return fresh


_END = object()
_USEFUL_CONTEXT = 2048
# Below this model size, llama.cpp's threads spin longer for each other than they compute: 100 times as long on
# a busy machine.
_SMALL_BYTES = 64 << 20
# Seconds; a cancelled model stops within the computation of one layer.
_STOP_S = 30.0


class LlamaMind(ClientMind):
    """A GGUF file as a mind."""

    @classmethod
    def open(cls, path: Path, context_tokens: int, gpu_layers: int, say: Callable[[str], None]) -> LlamaMind:
        """Check and load the file; raises UserError with one line when the file or the installation is not usable."""
        gguf_file.check(path)
        client = LlamaCppClient(path, context_tokens, gpu_layers)
        say(f"{path.name} loaded: context {client.context_tokens} tokens")
        return cls(
            client,
            name=path.name,
            context_tokens=client.context_tokens,
            model_hash=gguf_file.identity(path),
            count=client.count_prompt,
            extras=lambda question: plain_extras(question) | _schema(question),
        )


def _schema(question: Question) -> dict[str, Any]:
    return {} if question.schema is None else {"schema": question.schema}


class LlamaCppClient(ChatCompletionClient):
    """One loaded model. llama.cpp is not thread-safe, so all calls run on one worker thread.

    `extra_create_args`: seed, max_tokens, temperature, and schema, a JSON schema that becomes the grammar.
    """

    def __init__(self, path: Path, context_tokens: int, gpu_layers: int) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="llama")
        self._stop = threading.Event()
        self._usage = RequestUsage(0, 0)
        self._last = RequestUsage(0, 0)
        self._closed = False
        try:
            self._model = self._worker.submit(_load, path, context_tokens, gpu_layers).result()
        except BaseException:
            self._worker.shutdown(wait=False)
            raise
        self._format = ChatFormat(self._model)
        self._abort = _abort_when(self._model, self._stop)

    @property
    def context_tokens(self) -> int:
        """Tokens of prompt and answer together."""
        return int(self._model.n_ctx())

    def count_prompt(self, system: str, user: str) -> int:
        """Tokens of a prompt as the model receives it; of `user` alone when `system` is empty."""
        if not system:
            return len(self._format.tokens_of(user))
        return len(self._format.prompt(_chat(system, user)))

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Stream the pieces of the answer, then the result. Closing the stream or cancelling the token stops
        the model.
        """
        if tools:
            raise ValueError("tools are not used at this table")

        def emit(piece: Any) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[Any]()
        args = dict(extra_create_args)
        if isinstance(json_output, type):
            args.setdefault("schema", json_output.model_json_schema())
        stop = threading.Event()
        self._stop = stop
        self._abort.event = stop
        work = loop.run_in_executor(self._worker, self._think, _plain(messages), args, stop, emit)
        if cancellation_token is not None:
            cancellation_token.add_callback(stop.set)
        try:
            while (piece := await pieces.get()) is not _END:
                yield piece
            yield await work
        finally:
            stop.set()
            await asyncio.wait([work], timeout=_STOP_S)
            if work.done() and not work.cancelled():
                work.exception()

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """The whole answer at once."""
        stream = self.create_stream(
            messages,
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra_create_args=extra_create_args,
            cancellation_token=cancellation_token,
        )
        async for piece in stream:
            if isinstance(piece, CreateResult):
                return piece
        raise asyncio.CancelledError

    def _think(
        self,
        chat: list[dict[str, str]],
        args: dict[str, Any],
        stop: threading.Event,
        emit: Callable[[Any], None],
    ) -> CreateResult:
        """On the worker thread: run the model and pass on the pieces."""
        try:
            return self._complete(chat, args, stop, emit)
        finally:
            emit(_END)

    def _complete(
        self,
        chat: list[dict[str, str]],
        args: dict[str, Any],
        stop: threading.Event,
        emit: Callable[[Any], None],
    ) -> CreateResult:
        prompt = self._format.prompt(chat)
        if len(prompt) >= self.context_tokens:
            raise UserError(
                f"the prompt of {len(prompt)} tokens exceeds the context of {self.context_tokens}; raise --context"
            )
        if (seed := args.get("seed")) is not None:
            self._model.set_seed(seed)
        most = min(int(args.get("max_tokens", self.context_tokens)), self.context_tokens - len(prompt))
        said = GrowingAnswer(self._format.stops)
        grammar = _grammar(args.get("schema"))
        try:
            for token in self._model.generate(prompt, temp=args.get("temperature", 0.7), grammar=grammar):
                if stop.is_set() or self._ends(token):
                    said.finish = "length" if stop.is_set() else "stop"
                    break
                if piece := said.add(self._model.detokenize([token])):
                    emit(piece)
                if said.tokens >= most or said.finish == "stop":
                    break
        except RuntimeError:
            # An aborted llama_decode is reported as an error, too; any other error is real.
            if not stop.is_set():
                raise
        return self._result(said, len(prompt))

    def _ends(self, token: int) -> bool:
        import llama_cpp

        return bool(llama_cpp.llama_vocab_is_eog(self._model._model.vocab, token))

    def _result(self, said: GrowingAnswer, prompt_tokens: int) -> CreateResult:
        self._last = RequestUsage(prompt_tokens, said.tokens)
        self._usage.prompt_tokens += prompt_tokens
        self._usage.completion_tokens += said.tokens
        return CreateResult(finish_reason=said.finish, content=said.text, usage=self._last, cached=False)

    async def close(self) -> None:
        """Stop the model and free it; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        closing = asyncio.get_running_loop().run_in_executor(self._worker, self._model.close)
        await asyncio.wait([closing], timeout=_STOP_S)
        self._worker.shutdown(wait=False, cancel_futures=True)

    def actual_usage(self) -> RequestUsage:
        """Tokens of the last answer."""
        return self._last

    def total_usage(self) -> RequestUsage:
        """Tokens since loading."""
        return self._usage

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        """Tokens of these messages in the model's chat format."""
        return len(self._format.prompt(_plain(messages)))

    def remaining_tokens(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []
    ) -> int:
        """Tokens that the context leaves for the answer."""
        return self.context_tokens - self.count_tokens(messages)

    @property
    def capabilities(self) -> ModelInfo:
        """The deprecated name of model_info."""
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        """JSON by grammar, text only."""
        return ModelInfo(
            vision=False,
            function_calling=False,
            json_output=True,
            structured_output=True,
            family=ModelFamily.UNKNOWN,
        )


def _load(path: Path, context_tokens: int, gpu_layers: int) -> Any:
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
    threads = len(usable_cores()) if path.stat().st_size > _SMALL_BYTES else 1
    try:
        return Llama(
            str(path),
            n_ctx=min(context_tokens, trained) if trained else context_tokens,
            n_gpu_layers=gpu_layers,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )
    except (ValueError, RuntimeError, OSError, AssertionError) as error:
        raise UserError(
            f"--model {path}: llama.cpp cannot load it ({str(error).splitlines()[0][:120]}); the file may be cut "
            "off or of a newer format: check its size, or update llama-cpp-python"
        ) from None


class _Abort:
    """Keeps the callback alive; `event` decides whether llama.cpp continues."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event
        self.callback: Any = None


def _abort_when(model: Any, event: threading.Event) -> _Abort:
    """Let an event stop llama.cpp in the middle of a long prompt, which a loop around it cannot do."""
    import llama_cpp

    abort = _Abort(event)
    abort.callback = llama_cpp.ggml_abort_callback(lambda _: abort.event.is_set())
    llama_cpp.llama_set_abort_callback(model.ctx, abort.callback, ctypes.c_void_p())
    return abort


def _grammar(schema: dict[str, Any] | None) -> Any:
    if schema is None:
        return None
    from llama_cpp import LlamaGrammar

    return LlamaGrammar.from_json_schema(json.dumps(schema), verbose=False)


def _chat(system: str, user: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _plain(messages: Sequence[LLMMessage]) -> list[dict[str, str]]:
    """The roles that chat templates support; messages contain text only."""
    plain = []
    for message in messages:
        said = "assistant" if message.type == "AssistantMessage" else "user"
        role = "system" if isinstance(message, SystemMessage) else said
        content = message.content if isinstance(message.content, str) else str(message.content)
        plain.append({"role": role, "content": content})
    return plain
