"""A language mind over any autogen-core ChatCompletionClient: llama.cpp, an OpenAI-compatible server, a script."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.minds.protocol import Answer, Progress, Question
from harness.settings import AnswerProtocol
from harness.verdict import one_line
from harness.visible import encodable

if TYPE_CHECKING:
    from autogen_core.models import ChatCompletionClient, CreateResult

Count = Callable[[str, str], int]
Extras = Callable[[Question], dict[str, Any]]

TEMPERATURE = 0.7
# Tokens that chat templates add around two messages; used only when the real template is not available.
_TEMPLATE_TOKENS = 24
# Lower than for prose, because code and JSON have fewer characters per token. Too low a value wastes context
# but does not exceed it.
_BYTES_PER_TOKEN = 2.5


def estimate(system: str, user: str) -> int:
    """A conservative estimate of a prompt's tokens, for models whose tokenizer is not available."""
    return int(len((system + user).encode()) / _BYTES_PER_TOKEN) + _TEMPLATE_TOKENS


def reason_of(error: Exception) -> str:
    """The first line of an error's reason, at most 160 characters; its type's name when it has none."""
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    return one_line(next(iter(str(reason).splitlines()), ""), 160)


def plain_extras(question: Question) -> dict[str, Any]:
    """Arguments that every client supports: seed, length, temperature."""
    heat = TEMPERATURE if question.temperature is None else question.temperature
    return {"seed": question.seed, "max_tokens": question.max_tokens, "temperature": heat}


class ClientMind:
    """See LanguageMind."""

    def __init__(
        self,
        client: ChatCompletionClient,
        name: str,
        context_tokens: int,
        model_hash: str = "",
        count: Count = estimate,
        extras: Extras = plain_extras,
        protocol: AnswerProtocol = AnswerProtocol.FULL,
    ) -> None:
        self.name = name
        self.model_hash = model_hash
        self.context_tokens = context_tokens
        self.protocol = protocol
        self._client = client
        self._count = count
        self._extras = extras

    def count(self, system: str, user: str) -> int:
        """See LanguageMind."""
        return self._count(system, user)

    async def ask(self, question: Question, progress: Progress) -> Answer:
        """See LanguageMind; an answer that takes too long is cancelled and counts as cut off."""
        try:
            return await self._ask_once(question, progress)
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"{self.name}: the model failed: {reason_of(error)}; go on with --resume"
            ) from None

    async def _ask_once(self, question: Question, progress: Progress) -> Answer:
        """One request. Raises whatever the client raises."""
        from autogen_core import CancellationToken

        token = CancellationToken()
        start = time.perf_counter()
        said: list[str] = []
        try:
            result = await asyncio.wait_for(self._stream(question, token, said, progress), question.limit_s)
        except TimeoutError:
            result = None
        finally:
            token.cancel()
        return self._answer(question, result, "".join(said), time.perf_counter() - start)

    async def _stream(
        self, question: Question, token: Any, said: list[str], progress: Progress
    ) -> CreateResult:
        from autogen_core.models import CreateResult, LLMMessage, SystemMessage, UserMessage

        messages: list[LLMMessage] = [
            SystemMessage(content=question.system),
            UserMessage(content=question.user, source="table"),
        ]
        stream = self._client.create_stream(
            messages, extra_create_args=self._extras(question), cancellation_token=token
        )
        result: CreateResult | None = None
        # Read to the end, beyond the result, because some clients clean up there.
        async for piece in stream:
            if isinstance(piece, CreateResult):
                result = piece
            else:
                said.append(piece)
                progress(len(said))
        if result is not None:
            return result
        raise UserError(f"{self.name}: the answer ended without a result; check the server")

    def _answer(
        self, question: Question, result: CreateResult | None, said: str, duration_s: float
    ) -> Answer:
        text = encodable(said if result is None or not isinstance(result.content, str) else result.content)
        usage = result.usage if result else None
        return Answer(
            text=text,
            prompt_tokens=(usage and usage.prompt_tokens) or self._count(question.system, question.user),
            answer_tokens=(usage and usage.completion_tokens) or self._count("", text),
            finish="length" if result is None or result.finish_reason == "length" else "stop",
            duration_s=duration_s,
        )

    async def close(self) -> None:
        """See LanguageMind."""
        await self._client.close()
