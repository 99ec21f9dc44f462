"""The live view: serves the page of one run to browsers of this machine while the run goes on.

One address with a secret in its path, one stream of events beside it, nothing else. The server never touches the run:
it looks at the size of the journal, and everything that goes wrong ends with the connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from harness.report.page import content_security_policy

LOOPBACK = "127.0.0.1"
# Names of this machine that a browser may have been given. Another name that leads here is DNS rebinding.
_HOSTS = frozenset({LOOPBACK, "localhost"})
# Connections at a time. A browser opens one for each page shown, and one while it loads.
MOST_CONNECTIONS = 24
# Seconds: between two looks at the journal; without a sign of life on a stream; for a reader that takes nothing; for
# readers to take the last page when the run has ended; between two looks whether to stop.
_LOOK_S, _SIGN_OF_LIFE_S, _STUCK_S, _FAREWELL_S, _STOP_S = 1.0, 15.0, 10.0, 2.0, 0.5
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class MakePage(Protocol):
    """Makes the HTML of the page; `version` is the journal's size, `running` whether the run goes on."""

    def __call__(self, version: int, running: bool) -> str: ...


class LivePage:
    """The page of a run as it is now, made again only when somebody asks and the journal has grown.

    While `is_timing` says so, nothing is made: the page last made is shown, at first `waiting`. So a reader who comes
    during a measurement does not disturb it.
    """

    def __init__(
        self, journal: Path, make: MakePage, waiting: str, is_timing: Callable[[], bool] = lambda: False
    ) -> None:
        self._journal = journal
        self._make = make
        self._is_timing = is_timing
        self._lock = threading.Lock()
        self._text, self._made_at, self._running = waiting, -1, True

    def version(self) -> int:
        """The version of the page that `text` gives now: the journal's size, or -1 without a journal."""
        if self._running and self._is_timing():
            return self._made_at
        try:
            return self._journal.stat().st_size
        except OSError:
            return -1

    def text(self) -> str:
        """HTML of the page; readers at the same time wait for the first of them."""
        with self._lock:
            version = self.version()
            if version != self._made_at:
                self._text, self._made_at = self._make(version, self._running), version
            return self._text

    def end(self) -> None:
        """The run has ended: the next reader gets a page that says so."""
        with self._lock:
            self._running, self._made_at = False, -2


class LiveServer:
    """Serves a LivePage on the loopback address until `close`. Raises OSError when the port cannot be had; 0 takes a
    free one. `status` is a line about what the run does now.
    """

    def __init__(self, page: LivePage, status: Callable[[], str], port: int = 0) -> None:
        self._server = _LoopbackServer((LOOPBACK, port), page, status)
        self._thread = threading.Thread(target=self._serve, name="live view", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address with its secret; who has it can read the page."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/{self._server.token}/"

    def close(self) -> None:
        """Give readers the last page, for two seconds at most, and stop; safe to call twice."""
        self._server.page.end()
        self._server.ended.set()
        deadline = time.monotonic() + _FAREWELL_S
        while self._server.streams and time.monotonic() < deadline:
            time.sleep(0.02)
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_connections()
        self._thread.join(_FAREWELL_S)

    def _serve(self) -> None:
        # On Linux each thread has its own niceness; threads of readers get that of this one.
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        self._server.serve_forever(_STOP_S)


class _LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], page: LivePage, status: Callable[[], str]) -> None:
        self.page = page
        self.status = status
        self.token = secrets.token_urlsafe(24)
        self.ended = threading.Event()
        # The streams of events that are open, and the connections of all requests.
        self.streams: set[object] = set()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _LiveHandler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Refuse one connection too many."""
        with self._lock:
            if len(self._connections) >= MOST_CONNECTIONS:
                return False
            self._connections.add(request)
            return True

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a reader that has left is no matter of the run, and the terminal belongs to pytest."""

    def cut_connections(self) -> None:
        """End the connections that are still open."""
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _LiveHandler(BaseHTTPRequestHandler):
    server: _LoopbackServer
    timeout = _STUCK_S

    def do_GET(self) -> None:
        hosts = self.headers.get_all("Host") or [""]
        if len(hosts) != 1 or hosts[0].partition(":")[0] not in _HOSTS:
            self.send_error(HTTPStatus.FORBIDDEN)
        elif self._is_at("/"):
            self._send(HTTPStatus.OK, "text/html", self.server.page.text().encode())
        elif self._is_at("/events"):
            self._stream()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """One plain line; of all methods only GET is known."""
        known = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self._send(known, "text/plain", f"{known.value} {known.phrase}\n".encode())

    def version_string(self) -> str:
        return "round table"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: the address holds the secret, and the terminal belongs to pytest."""

    def _is_at(self, place: str) -> bool:
        wanted = f"/{self.server.token}{place}"
        return secrets.compare_digest(self.path.encode("utf-8", "replace"), wanted.encode())

    def _begin(self, status: HTTPStatus, content_type: str) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", f"{content_type}; charset=utf-8")
        self.send_header(
            "Content-Security-Policy", f"{content_security_policy(live=True)}; frame-ancestors 'none'"
        )
        for header, value in _HEADERS.items():
            self.send_header(header, value)
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self._begin(status, content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # The answer to HEAD has no body.
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self) -> None:
        """Events until the run ends or the reader leaves: `state` when something changed, `end` with the last page."""
        self._begin(HTTPStatus.OK, "text/event-stream")
        self.end_headers()
        self.wfile.write(b"retry: 2000\n\n")
        server = self.server
        server.streams.add(self)
        try:
            told, told_at = "", 0.0
            while not server.ended.is_set():
                state = json.dumps({"version": server.page.version(), "status": server.status()})
                if state != told:
                    self.wfile.write(f"event: state\ndata: {state}\n\n".encode())
                    told, told_at = state, time.monotonic()
                elif time.monotonic() - told_at > _SIGN_OF_LIFE_S:
                    # Fails when the reader has left, which ends this thread.
                    self.wfile.write(b": still here\n\n")
                    told_at = time.monotonic()
                server.ended.wait(_LOOK_S)
            last = json.dumps({"page": server.page.text()})
            self.wfile.write(f"event: end\ndata: {last}\n\n".encode())
        finally:
            server.streams.discard(self)
