"""A local OpenAI-compatible server by URL (llama-server, Ollama, LM Studio, vLLM), through autogen-ext's client."""

from __future__ import annotations

import asyncio
import http.client
import json
import math
import re
import urllib.request
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.errors import UserError
from harness.minds.client import ClientMind, estimate, plain_extras, reason_of
from harness.minds.patience import NoAnswer, Patience, Refused, Trouble
from harness.minds.protocol import Answer, NoAnswerError, Progress, PromptTooLongError, Question

if TYPE_CHECKING:
    import openai

_LOOK_S = 5.0
# What asking a server that is down, loading or no such server at all may raise.
_NO_ANSWER = (OSError, ValueError, KeyError, TypeError, http.client.HTTPException)
_ANSWER_S = 1800.0


class ServerMind(ClientMind):
    """A model behind a URL. `#NAME` at its end selects one of several models, as served by Ollama and LM Studio."""

    # Index into _FORMS; increased when the server refuses a form.
    _form = 0
    _correction = 1.0
    # Whether the last question got no answer; then the next one is asked only once.
    _failing = False

    def __init__(self, say: Callable[[str], None] = lambda line: None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._say = say

    @classmethod
    def open(cls, url: str, context_tokens: int, say: Callable[[str], None]) -> ServerMind:
        """Check that the server is there and which models it has; raises UserError when it is down or has none."""
        address, _, wanted = url.partition("#")
        base = address.rstrip("/")
        base = base if urlsplit(base).path else f"{base}/v1"
        model = _choose(url, wanted, _models(url, base))
        root = base.removesuffix("/v1")
        context = min(context_tokens, _context(root) or context_tokens)
        say(f"{model} at {base}: context {context} tokens")
        # llama-cpp-python's server names a model by its path.
        name = Path(model).name if model.endswith(".gguf") else model
        return cls(
            say,
            client=_client(base, model),
            name=name,
            context_tokens=context,
            model_hash=f"{base}#{model}",
            count=_counter(root),
        )

    async def ask(self, question: Question, progress: Progress) -> Answer:
        """See LanguageMind. Waits while the server loads its model, repeats a question that the server failed to
        answer, and uses the next form of requesting JSON when the server refuses one.

        Raises PromptTooLongError when the server reports that the prompt exceeds its context, NoAnswerError when it
        gives no usable answer, and UserError when it refuses this user or is gone.
        """
        limit_s = math.inf if question.limit_s is None else question.limit_s
        patience = Patience(limit_s, tries=len(Trouble) if self._failing else 0)
        form = self._form
        while True:
            found = await self._try(question, progress, form)
            match found:
                case Answer():
                    self._failing, self._form = False, form
                    return found
                case Refused():
                    form += 1
                    self._form = form
                case NoAnswer():
                    pause_s = patience.pause_s(found)
                    if pause_s is not None:
                        self._say(f"{self.name}: {found.line}; asked again in {pause_s:.0f} s")
                        await asyncio.sleep(pause_s)
                    elif found.trouble is Trouble.FAILED and form < self._last_form(question):
                        # Some servers fail on a form instead of refusing it. It is kept unless another one works.
                        form += 1
                    else:
                        raise self._given_up(found)

    def _last_form(self, question: Question) -> int:
        return self._form if question.schema is None else len(_FORMS) - 1

    def _given_up(self, found: NoAnswer) -> UserError | NoAnswerError:
        self._failing = True
        match found.trouble:
            case Trouble.GONE:
                return UserError(f"{self.name}: the server is gone ({found.line}); start it and use --resume")
            case Trouble.LOADING:
                return UserError(f"{self.name}: {found.line}; wait until it can answer and use --resume")
        return NoAnswerError(f"{self.name}: {found.line}")

    async def _try(self, question: Question, progress: Progress, form: int) -> Answer | NoAnswer | Refused:
        """Ask once, with the form of that number."""
        import openai

        constrain = _FORMS[form] if question.schema is not None else _unconstrained
        self._extras = lambda asked: plain_extras(asked) | constrain(asked)
        try:
            with warnings.catch_warnings():
                # An empty answer is handled below.
                warnings.filterwarnings("ignore", message="No text content or tool calls")
                answer = await self._ask_once(question, progress)
                if not answer.text.strip() and answer.finish != "length":
                    answer = await self._ask_at_once(question, answer)
        except openai.APIStatusError as error:
            return self._refusal(question, error, constrain is _unconstrained)
        except openai.APIConnectionError as error:
            return NoAnswer(Trouble.GONE, reason_of(error))
        except Exception as error:  # The client meets whatever a foreign server sends.
            return NoAnswer(Trouble.UNUSABLE, f"it sent no chat completion ({reason_of(error)})")
        usable = answer.text.strip() or answer.finish == "length"
        return answer if usable else NoAnswer(Trouble.UNUSABLE, "it sent an empty answer")

    def _refusal(self, question: Question, error: openai.APIStatusError, plain: bool) -> NoAnswer | Refused:
        """What an HTTP status other than 200 means. Raises UserError when only a person can help."""
        status, line = error.status_code, reason_of(error)
        if status in (408, 429, 503):
            return NoAnswer(Trouble.LOADING, line)
        if status in (400, 422, 500):
            self._learn(question, str(error))
            if not plain and (
                status != 500 or re.search(r"schema|grammar|response_format", line, re.IGNORECASE)
            ):
                return Refused()
            if status != 500:
                return NoAnswer(Trouble.UNUSABLE, f"it refused the prompt ({line})")
        if status >= 500:
            return NoAnswer(Trouble.FAILED, line)
        raise UserError(f"{self.name}: the server failed: {line}")

    async def _ask_at_once(self, question: Question, nothing: Answer) -> Answer:
        """Ask without streaming: some servers hide a refusal in an empty stream."""
        from autogen_core.models import LLMMessage, SystemMessage, UserMessage

        messages: list[LLMMessage] = [
            SystemMessage(content=question.system),
            UserMessage(content=question.user, source="table"),
        ]
        call = self._client.create(messages, extra_create_args=self._extras(question))
        try:
            result = await asyncio.wait_for(call, question.limit_s)
        except TimeoutError:
            return nothing
        return self._answer(question, result, "", nothing.duration_s)

    def count(self, system: str, user: str) -> int:
        """See LanguageMind; estimates are corrected by the count that a server reported when it refused a prompt."""
        return int(super().count(system, user) * self._correction)

    def _learn(self, question: Question, refusal: str) -> None:
        """Raise PromptTooLongError when the server complains about the prompt's length, and use its numbers."""
        if not re.search(r"context", refusal, re.IGNORECASE):
            return
        limit = re.search(r"context\D{0,40}(\d{3,})", refusal)
        counted = re.search(r"(\d+) in the messages|(?:tokens|request) \((\d+)", refusal)
        known = int(limit[1]) if limit else self.context_tokens
        self.context_tokens = known if known < self.context_tokens else self.context_tokens * 3 // 4
        if counted:
            estimated = super().count(question.system, question.user)
            self._correction = max(self._correction, int(counted[1] or counted[2]) / max(1, estimated))
        raise PromptTooLongError(
            f"{self.name}: the server's context is too small: {reason_of(Exception(refusal))}"
        )


def _json_schema(question: Question) -> dict[str, Any]:
    """OpenAI's own form: llama-server, vLLM, LM Studio, Ollama."""
    schema = {"name": "answer", "schema": question.schema, "strict": False}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _json_object(question: Question) -> dict[str, Any]:
    """The form of llama-cpp-python's server."""
    return {"response_format": {"type": "json_object", "schema": question.schema}}


def _unconstrained(question: Question) -> dict[str, Any]:
    """Without a constraint: the prompt contains the schema, and the answer is parsed tolerantly."""
    return {}


_FORMS = (_json_schema, _json_object, _unconstrained)


def _client(base: str, model: str) -> Any:
    from autogen_core.models import ModelInfo

    try:
        from autogen_ext.models.openai import OpenAIChatCompletionClient
    except ImportError:
        raise UserError(f"--model {base}: needs autogen-ext; pip install 'matmul-round-table[llm]'") from None
    info = ModelInfo(
        vision=False,
        function_calling=False,
        json_output=True,
        structured_output=True,
        family="unknown",
        multiple_system_messages=False,
    )
    return OpenAIChatCompletionClient(
        model=model, base_url=base, api_key="local", model_info=info, timeout=_ANSWER_S, max_retries=0
    )


def _models(url: str, base: str) -> list[str]:
    try:
        answer = _get(f"{base}/models")
    except _NO_ANSWER as error:
        raise UserError(
            f"--model {url}: no OpenAI-compatible server answers at {base}/models ({reason_of(error)}); start "
            "llama-server, Ollama or LM Studio, and give the URL that ends in /v1"
        ) from None
    listed = answer.get("data") if isinstance(answer, dict) else None
    return [str(model.get("id")) for model in listed or [] if isinstance(model, dict) and model.get("id")]


def _choose(url: str, wanted: str, served: Sequence[str]) -> str:
    if wanted and wanted not in served:
        raise UserError(
            f"--model {url}: the server has no model '{wanted}'; it serves {', '.join(served) or 'none'}"
        )
    if not served:
        raise UserError(f"--model {url}: the server serves no model; load one first")
    return wanted or served[0]


def _context(root: str) -> int | None:
    """The context size; llama-server reports it, others do not."""
    try:
        told = _get(f"{root}/props")
        return int(told["default_generation_settings"]["n_ctx"])
    except _NO_ANSWER:
        return None


def _counter(root: str) -> Callable[[str, str], int]:
    """llama-server's own tokenizer where available, else a conservative estimate."""

    def exact(system: str, user: str) -> int:
        answer = _get(f"{root}/tokenize", {"content": f"{system}\n{user}"})
        return len(answer["tokens"]) + _MARGIN

    def count(system: str, user: str) -> int:
        try:
            return exact(system, user)
        except _NO_ANSWER:
            return estimate(system, user)

    try:
        exact("a", "b")
    except _NO_ANSWER:
        return estimate
    return count


# Tokens of the chat template, which /tokenize does not include.
_MARGIN = 32


def _get(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    # Without a proxy: the server is local, and a proxy from the environment could not reach it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_LOOK_S) as answer:
        return json.loads(answer.read())
