"""A server with the API of OpenAI whose answers to POST follow a script: what real servers send on a bad day."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, content type and body of one answer."""

    status: int
    body: bytes
    kind: str = "application/json"


def failing(status: int, message: str) -> Reply:
    """An error in the form of llama-server."""
    return Reply(status, json.dumps({"error": {"code": status, "message": message}}).encode())


def streaming(*pieces: str, finish: str = "stop", thought: str = "") -> Reply:
    """A good answer as a stream; `thought` as reasoning_content before it."""
    deltas: list[dict[str, Any]] = [{"reasoning_content": thought}] if thought else []
    deltas += [{"content": piece} for piece in pieces]
    chunks = [_chunk(delta, None) for delta in deltas] + [_chunk({}, finish)]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Reply(200, body.encode(), "text/event-stream")


def _chunk(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "odd", "choices": [choice]}


LOADING = failing(503, "Loading model")
BROKEN = failing(500, "the backend crashed")
HTML = Reply(200, b"<!doctype html><title>Welcome to nginx!</title>", "text/html")
NO_CHOICES = Reply(
    200, b'{"id": "1", "object": "chat.completion", "created": 0, "model": "odd", "choices": []}'
)
EMPTY_STREAM = Reply(200, b"data: [DONE]\n\n", "text/event-stream")
TORN_JSON = Reply(200, b'{"id": "1", "choices": [{"ind')


@dataclass
class OddServer:
    """The script, of which the last reply is repeated for ever, and the bodies of the requests so far."""

    script: list[Reply]
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def reply(self, body: dict[str, Any]) -> Reply:
        """The next reply of the script."""
        self.asked.append(body)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextlib.contextmanager
def odd_server(script: Sequence[Reply]) -> Iterator[OddServer]:
    """The server, listening on a free port of this machine until the block ends."""
    odd = OddServer(list(script))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            models = {"object": "list", "data": [{"id": "odd", "object": "model"}]}
            found = self.path == "/v1/models"
            self._send(Reply(200, json.dumps(models).encode()) if found else failing(404, "not found"))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat = self.path == "/v1/chat/completions"
            self._send(odd.reply(body) if chat else failing(404, "not found"))

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    odd.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield odd
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
