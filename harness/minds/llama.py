"""llama.cpp in this process: an autogen-core ChatCompletionClient with one model, one worker thread and a grammar."""

from __future__ import annotations

import asyncio
import codecs
import random
import threading
import time
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
from harness.minds import adapter as adapters
from harness.minds import gguf_file, llama_model
from harness.minds.chat import ChatFormat
from harness.minds.client import ClientMind, plain_extras
from harness.minds.knob_question import KnobQuestion
from harness.minds.letters import LetterLogits, draw, letter_tokens
from harness.minds.protocol import Question
from harness.settings import AnswerProtocol


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
# Seconds; a cancelled model stops within the computation of one layer.
_STOP_S = 30.0


class LlamaMind(ClientMind):
    """A GGUF file as a mind."""

    @classmethod
    def open(
        cls,
        path: Path,
        context_tokens: int,
        gpu_layers: int,
        say: Callable[[str], None],
        protocol: AnswerProtocol = AnswerProtocol.AUTO,
        adapter: Path | None = None,
    ) -> LlamaMind:
        """Check and load the file; raises UserError with one line when the file or the installation is not usable.

        `protocol`: how it is asked for proposals; auto chooses by its size. `adapter`: a trained one's folder.
        """
        gguf_file.check(path)
        added = None if adapter is None else adapters.fitting(adapter, path)
        client = LlamaCppClient(path, context_tokens, gpu_layers, added)
        name, identity = adapters.named(path, adapter)
        asked = for_size(gguf_file.parameters(path)) if protocol is AnswerProtocol.AUTO else protocol
        if asked is AnswerProtocol.LETTERS and client.letters is None:
            say(f"{path.name}: its tokens are no single letters, so it is asked by the protocol line")
            asked = AnswerProtocol.LINE
        say(
            f"{name} loaded: context {client.context_tokens} tokens, {client.threads} thread(s), "
            f"protocol {asked}"
        )
        return cls(
            client,
            name=name,
            context_tokens=client.context_tokens,
            model_hash=identity,
            count=client.count_prompt,
            extras=_extras,
            protocol=asked,
        )


# Numbers of parameters below which a model is asked by letters, and by a line of values. A model of 0.135e9 gave one
# usable answer of four to the full prompt; the limit of the line is not measured.
_LETTERS_BELOW, _LINE_BELOW = 1.0e9, 14.0e9


def for_size(parameters: float) -> AnswerProtocol:
    """The protocol for a model with this number of parameters."""
    if parameters < _LETTERS_BELOW:
        return AnswerProtocol.LETTERS
    return AnswerProtocol.LINE if parameters < _LINE_BELOW else AnswerProtocol.FULL


def _extras(question: Question) -> dict[str, Any]:
    found = plain_extras(question)
    if question.schema is not None:
        found["schema"] = question.schema
    if question.knobs is not None:
        found |= {"knobs": question.knobs, "lettered": question.lettered}
    return found


class LlamaCppClient(ChatCompletionClient):
    """One loaded model. llama.cpp is not thread-safe, so all calls run on one worker thread.

    `extra_create_args`: seed, max_tokens, temperature, and schema, a JSON schema that becomes the grammar; or knobs, a
    KnobQuestion, which is answered by a line of values, or by letters when `lettered` is true.
    """

    def __init__(self, path: Path, context_tokens: int, gpu_layers: int, adapter: Path | None = None) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="llama")
        self._stop = threading.Event()
        self._usage = RequestUsage(0, 0)
        self._last = RequestUsage(0, 0)
        self._closed = False
        try:
            loading = self._worker.submit(llama_model.load, path, context_tokens, gpu_layers, adapter)
            self._model = loading.result()
            choosing = self._worker.submit(llama_model.thread_choice, self._model, path, gpu_layers)
            self._threads: llama_model.ThreadChoice = choosing.result()
        except BaseException:
            self._worker.shutdown(wait=False)
            raise
        self._format = ChatFormat(self._model)
        self.letters = letter_tokens(self._format.tokens_of)
        self._abort = llama_model.abort_when(self._model, self._stop)

    @property
    def context_tokens(self) -> int:
        """Tokens of prompt and answer together."""
        return int(self._model.n_ctx())

    @property
    def threads(self) -> int:
        """Threads with which the model computes."""
        return self._threads.threads

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
        knobs: KnobQuestion | None = args.get("knobs")
        if knobs is not None and knobs.lead:
            prompt += self._format.tokens_of(knobs.lead)
        if len(prompt) >= self.context_tokens:
            raise UserError(
                f"the prompt of {len(prompt)} tokens exceeds the context of {self.context_tokens}; raise --context"
            )
        said = GrowingAnswer(self._format.stops)
        began_s = time.monotonic()
        try:
            if knobs is not None and args.get("lettered"):
                evaluated = self._spell(prompt, knobs, args, said, stop)
            else:
                self._generate(prompt, args, said, stop, emit)
                evaluated = len(prompt) + said.tokens
            if not stop.is_set():
                self._threads.answered(evaluated, time.monotonic() - began_s)
        except RuntimeError:
            # An aborted llama_decode is reported as an error, too; any other error is real.
            if not stop.is_set():
                raise
        return self._result(said, len(prompt))

    def _generate(
        self,
        prompt: list[int],
        args: dict[str, Any],
        said: GrowingAnswer,
        stop: threading.Event,
        emit: Callable[[Any], None],
    ) -> None:
        """Let the model write until it ends, is stopped or has used up its tokens."""
        if (seed := args.get("seed")) is not None:
            self._model.set_seed(seed)
        most = min(int(args.get("max_tokens", self.context_tokens)), self.context_tokens - len(prompt))
        knobs: KnobQuestion | None = args.get("knobs")
        sampling: dict[str, Any] = {"temp": args.get("temperature", 0.7)}
        if knobs is None:
            sampling["grammar"] = llama_model.schema_grammar(args.get("schema"))
        else:
            # The grammar leaves a few choices, and the unlikely ones of them are to be drawn as well.
            sampling |= {
                "grammar": llama_model.text_grammar(knobs.grammar()),
                "top_k": 0,
                "top_p": 1.0,
                "min_p": 0.0,
            }
        for token in self._model.generate(prompt, **sampling):
            if stop.is_set() or self._ends(token):
                said.finish = "length" if stop.is_set() else "stop"
                return
            if piece := said.add(self._model.detokenize([token])):
                emit(piece)
            if said.tokens >= most or said.finish == "stop":
                return

    def _spell(
        self,
        prompt: list[int],
        knobs: KnobQuestion,
        args: dict[str, Any],
        said: GrowingAnswer,
        stop: threading.Event,
    ) -> int:
        """Answer by one letter per knob; the answer stays empty when no schedule is left. Returns the number of tokens
        that were evaluated, without those of earlier questions.
        """
        if self.letters is None:
            raise ValueError("the letters of this model are no single tokens")
        logits = LetterLogits(self._model, prompt, self.letters)
        picks = draw(knobs, logits, random.Random(args.get("seed")))
        if picks is not None and not stop.is_set():
            said.text, said.tokens, said.finish = knobs.letters(picks), len(picks), "stop"
        return logits.evaluated

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
