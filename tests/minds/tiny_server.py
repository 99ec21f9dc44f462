"""A local OpenAI-compatible server that serves a GGUF through llama.cpp, to be run in its own process.

    python -m tests.minds.tiny_server MODEL.gguf [--refuse-schema] [--plain|--small]

Prints its port. --refuse-schema answers 400 to a request with response_format; --plain has neither /props nor
/tokenize; --small is like --plain, but with a context of 4096 instead of 16384 tokens.
"""

from __future__ import annotations

import asyncio
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from autogen_core.models import CreateResult, SystemMessage, UserMessage

from harness.minds.llama import LlamaCppClient


class Handler(BaseHTTPRequestHandler):
    client: LlamaCppClient
    refuse_schema = False
    plain = False

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._answer(
                200, {"object": "list", "data": [{"id": "tiny", "object": "model"}, {"id": "other"}]}
            )
        elif self.path == "/props" and not self.plain:
            self._answer(200, {"default_generation_settings": {"n_ctx": self.client.context_tokens}})
        else:
            self._answer(404, {"error": {"message": "not found"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize" and not self.plain:
            self._answer(200, {"tokens": [0] * self.client.count_prompt("", body["content"])})
        elif self.path != "/v1/chat/completions":
            self._answer(404, {"error": {"message": "not found"}})
        elif self.refuse_schema and "response_format" in body:
            self._answer(400, {"error": {"message": "response_format is not supported"}})
        elif (count := self.client.count_prompt("", str(body["messages"]))) > self.client.context_tokens:
            # As llama-cpp-python's server does: an empty stream, and the reason only without streaming.
            self._answer(200, {}) if body.get("stream") else self._too_long(count)
        elif body.get("stream"):
            self._stream(body)
        else:
            self._answer(400, {"error": {"message": "this server streams"}})

    def _too_long(self, count: int) -> None:
        limit = self.client.context_tokens
        text = f"This model's maximum context length is {limit} tokens. However, you requested {count + 9} tokens "
        self._answer(400, {"error": {"message": text + f"({count} in the messages, 9 in the completion)."}})

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        asyncio.run(self._pieces(body))
        self.wfile.write(b"data: [DONE]\n\n")

    async def _pieces(self, body: dict[str, Any]) -> None:
        args = {"seed": body.get("seed", 1), "max_tokens": body.get("max_tokens", 256)}
        if (form := body.get("response_format")) is not None:
            args["schema"] = form["schema"] if "schema" in form else form["json_schema"]["schema"]
        messages = [
            SystemMessage(content=m["content"])
            if m["role"] == "system"
            else UserMessage(content=m["content"], source="user")
            for m in body["messages"]
        ]
        async for piece in self.client.create_stream(messages, extra_create_args=args):
            if isinstance(piece, CreateResult):
                self._chunk({}, piece.finish_reason, piece)
            else:
                self._chunk({"content": piece}, None, None)

    def _chunk(self, delta: dict[str, str], finish: str | None, result: CreateResult | None) -> None:
        chunk: dict[str, Any] = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "tiny",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        if result is not None:
            prompt, answer = result.usage.prompt_tokens, result.usage.completion_tokens
            chunk["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": answer,
                "total_tokens": prompt + answer,
            }
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    """Serve until killed."""
    Handler.client = LlamaCppClient(Path(sys.argv[1]), 4096 if "--small" in sys.argv else 16384, 0)
    Handler.refuse_schema = "--refuse-schema" in sys.argv
    Handler.plain = "--plain" in sys.argv or "--small" in sys.argv
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
