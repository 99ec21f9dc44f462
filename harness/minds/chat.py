"""The chat format of a loaded GGUF: its own template, or a plain format when it has none."""

from __future__ import annotations

from typing import Any

_PLAIN = "### {role}:\n{content}\n\n"


class ChatFormat:
    """From messages to tokens. For templates without a system role, the system text precedes the first user message."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._formatter = _formatter(model)
        self._has_system = self._formatter is None or self._knows_system()

    @property
    def stops(self) -> list[str]:
        """Texts that end an answer besides the model's own end tokens; only the plain format needs them."""
        return [] if self._formatter else ["### User:", "### System:"]

    def prompt(self, chat: list[dict[str, str]]) -> list[int]:
        """The tokens of a chat, up to the beginning of the answer."""
        if self._formatter is None:
            text = "".join(_PLAIN.format(role=m["role"].title(), content=m["content"]) for m in chat)
            return self._tokenize(text + "### Assistant:\n", add_bos=True, special=False)
        if not self._has_system:
            chat = _without_system(chat)
        result = self._formatter(messages=chat)
        return self._tokenize(
            result.prompt, add_bos=not getattr(result, "added_special", False), special=True
        )

    def tokens_of(self, text: str) -> list[int]:
        """The tokens of a bare text."""
        return self._tokenize(text, add_bos=False, special=False)

    def _tokenize(self, text: str, add_bos: bool, special: bool) -> list[int]:
        tokens: list[int] = self._model.tokenize(text.encode("utf-8"), add_bos=add_bos, special=special)
        return tokens

    def _knows_system(self) -> bool:
        """Whether the template supports a system message: Mixtral's and Gemma's raise, some others silently drop it."""
        import jinja2

        marker = "a-system-text-that-no-template-holds"
        probe = [{"role": "system", "content": marker}, {"role": "user", "content": "?"}]
        try:
            return marker in self._formatter(messages=probe).prompt  # type: ignore[misc]
        except (ValueError, jinja2.TemplateError):
            return False


def _formatter(model: Any) -> Any | None:
    template = model.metadata.get("tokenizer.chat_template")
    if not template:
        return None
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    def piece(token: int) -> str:
        return str(model._model.token_get_text(token)) if token >= 0 else ""

    return Jinja2ChatFormatter(
        template=template,
        eos_token=piece(model.token_eos()),
        bos_token=piece(model.token_bos()),
        stop_token_ids=[model.token_eos()],
    )


def _without_system(chat: list[dict[str, str]]) -> list[dict[str, str]]:
    system = "\n\n".join(m["content"] for m in chat if m["role"] == "system")
    rest = [dict(m) for m in chat if m["role"] != "system"]
    if system and rest:
        rest[0]["content"] = f"{system}\n\n{rest[0]['content']}"
    return rest
