"""A local OpenAI-compatible server by URL (llama-server, Ollama, LM Studio, vLLM), through autogen-ext's client."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from harness.errors import UserError
from harness.minds.client import ClientMind, estimate, plain_extras
from harness.minds.protocol import Answer, Progress, Question

_LOOK_S = 5.0
_ANSWER_S = 1800.0


class ServerMind(ClientMind):
    """A model behind a URL. `#NAME` at its end chooses one of several models, as Ollama and LM Studio serve them."""

    _constrains = True

    @classmethod
    def open(cls, url: str, context_tokens: int, say: Callable[[str], None]) -> ServerMind:
        """Look whether the server is there and what it serves; raises UserError when it is not, or serves nothing."""
        address, _, wanted = url.partition("#")
        base = address.rstrip("/")
        base = base if urlsplit(base).path else f"{base}/v1"
        model = _choose(url, wanted, _models(url, base))
        root = base.removesuffix("/v1")
        context = min(context_tokens, _context(root) or context_tokens)
        say(f"{model} at {base}: context {context} tokens")
        return cls(_client(base, model), model, context, model_hash=f"{base}#{model}", count=_counter(root))

    async def ask(self, question: Question, progress: Progress) -> Answer:
        """See LanguageMind; a server that refuses the schema is asked again without it, and never with it again."""
        import openai

        self._extras = self._constrained if question.schema is not None and self._constrains else plain_extras
        try:
            return await super().ask(question, progress)
        except (openai.BadRequestError, openai.UnprocessableEntityError, openai.InternalServerError) as error:
            if self._extras is plain_extras:
                raise UserError(f"{self.name}: the server refused the prompt: {_line(error)}") from None
        except openai.APIConnectionError as error:
            raise UserError(
                f"{self.name}: the server is gone ({_line(error)}); start it again and use --resume"
            ) from None
        except openai.OpenAIError as error:
            raise UserError(f"{self.name}: the server failed: {_line(error)}") from None
        self._constrains = False
        return await self.ask(question, progress)

    @staticmethod
    def _constrained(question: Question) -> dict[str, Any]:
        schema = {"name": "answer", "schema": question.schema, "strict": False}
        return plain_extras(question) | {"response_format": {"type": "json_schema", "json_schema": schema}}


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
        model=model, base_url=base, api_key="local", model_info=info, timeout=_ANSWER_S, max_retries=1
    )


def _models(url: str, base: str) -> list[str]:
    try:
        answer = _get(f"{base}/models")
    except (OSError, ValueError) as error:
        raise UserError(
            f"--model {url}: no OpenAI-compatible server answers at {base}/models ({_line(error)}); start "
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
    """llama-server tells its context; others do not."""
    try:
        told = _get(f"{root}/props")
        return int(told["default_generation_settings"]["n_ctx"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _counter(root: str) -> Callable[[str, str], int]:
    """llama-server's own tokenizer where it is offered, else an estimate on the safe side."""

    def exact(system: str, user: str) -> int:
        answer = _get(f"{root}/tokenize", {"content": f"{system}\n{user}"})
        return len(answer["tokens"]) + _MARGIN

    try:
        exact("a", "b")
    except (OSError, ValueError, KeyError, TypeError):
        return estimate
    return exact


# The chat template's own tokens, which /tokenize does not see.
_MARGIN = 32


def _get(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    # No proxy: the server is local, and a proxy in the environment would only hide it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_LOOK_S) as answer:
        return json.loads(answer.read())


def _line(error: Exception) -> str:
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    return str(reason).splitlines()[0][:160]
