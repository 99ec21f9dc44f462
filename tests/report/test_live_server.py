"""The server of the live view: its address, what it refuses, readers who come late, many readers, the end of a run."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.report import live_server
from harness.report.live_server import LOOPBACK, LivePage, LiveServer
from harness.report.page import content_security_policy


class Run:
    """A journal that grows, and the server of its page; `made` counts how often the page was made."""

    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal.jsonl"
        self.made: list[int] = []
        self.is_timing = False
        self.page = LivePage(self.journal, self._make, "<main>waiting</main>", lambda: self.is_timing)
        self.server = LiveServer(self.page, lambda: "generation 1 of 4")
        self.port = int(self.server.url.split(":")[2].split("/")[0])
        self.path = "/" + self.server.url.partition(f":{self.port}/")[2]

    def _make(self, version: int, running: bool) -> str:
        self.made.append(version)
        return f"<main>{version} {'running' if running else 'ended'}</main>"

    def grow(self) -> None:
        with self.journal.open("a") as file:
            file.write("x" * 10)

    def ask(self, path: str | None = None, method: str = "GET", **headers: str) -> tuple[int, str, Any]:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        connection.request(method, self.path if path is None else path, headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body, answer.headers

    def stream(self) -> Stream:
        return Stream(self)


class Stream:
    """A reader of the events."""

    def __init__(self, run: Run) -> None:
        self.connection = http.client.HTTPConnection(LOOPBACK, run.port, timeout=10)
        self.connection.request("GET", run.path + "events")
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        assert self.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"

    def next(self) -> tuple[str, Any]:
        kind = ""
        while True:
            line = self.answer.readline().decode()
            assert line, "the stream has ended"
            if line.startswith("event: "):
                kind = line[7:].strip()
            if line.startswith("data: "):
                return kind, json.loads(line[6:])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setattr(live_server, "_LOOK_S", 0.02)
    monkeypatch.setattr(live_server, "_STOP_S", 0.02)
    started = Run(tmp_path)
    yield started
    started.server.close()


def test_the_page_is_at_one_secret_address_and_nothing_else_is(run: Run) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", run.server.url)
    assert run.ask()[:2] == (200, "<main>waiting</main>")
    token = run.path.strip("/")
    for path in (
        "/",
        "/favicon.ico",
        f"/{token}",
        f"/{token}/x",
        f"/{token}/?",
        f"//{token}/.",
        f"/{token[:-1]}/",
        f"/{token}/../../etc/passwd",
        "/%2e%2e/journal.jsonl",
    ):
        assert run.ask(path)[0] == 404, path
    with socket.create_connection((LOOPBACK, run.port), timeout=10) as plain:
        plain.sendall("GET /ü HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        assert b" 404 " in plain.recv(100)
    other = LiveServer(run.page, str)
    assert other.url.split("/")[3] != token, "each server has a secret of its own"
    other.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "ODD"])
def test_there_is_no_method_but_get(run: Run, method: str) -> None:
    status, _, headers = run.ask(method=method)
    assert (status, headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "evil.example:127.0.0.1", "", "[::1]:80"]
)
def test_another_name_for_this_machine_is_refused(run: Run, host: str) -> None:
    assert run.ask(Host=host)[0] == 403
    for allowed in ("localhost:1", "127.0.0.1:99", "localhost"):
        assert run.ask(Host=allowed)[0] == 200, "a tunnel may begin at another port"


def test_a_request_with_two_names_or_none_is_refused(run: Run) -> None:
    for lines in ("Host: 127.0.0.1\r\nHost: evil.example\r\n", ""):
        with socket.create_connection((LOOPBACK, run.port), timeout=10) as plain:
            plain.sendall(f"GET {run.path} HTTP/1.0\r\n{lines}\r\n".encode())
            assert b" 403 " in plain.recv(100)


def test_answers_are_not_cached_nor_framed_and_have_the_policy_of_the_page(run: Run) -> None:
    _, _, headers = run.ask()
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers
    policy = headers["Content-Security-Policy"]
    assert policy == content_security_policy(live=True) + "; frame-ancestors 'none'"
    assert "connect-src 'self'" in policy
    assert "connect-src" not in content_security_policy()
    assert "Python" not in headers["Server"]


def test_the_page_is_made_once_for_all_readers_of_a_state(run: Run) -> None:
    run.grow()
    readers = [threading.Thread(target=run.ask) for _ in range(10)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert run.made == [10]
    run.grow()
    assert run.ask()[1] == "<main>20 running</main>"
    assert run.made == [10, 20]


def test_every_reader_hears_when_the_journal_has_grown_also_one_who_comes_late(run: Run) -> None:
    first = run.stream()
    assert first.next() == ("state", {"version": -1, "status": "generation 1 of 4"})
    run.grow()
    assert first.next()[1]["version"] == 10
    second = run.stream()
    assert second.next()[1]["version"] == 10
    first.connection.close()
    run.grow()
    assert second.next()[1]["version"] == 20


def test_nothing_is_made_while_timings_are_taken(run: Run) -> None:
    run.grow()
    run.is_timing = True
    assert run.ask()[1] == "<main>waiting</main>"
    reader = run.stream()
    assert reader.next()[1]["version"] == -1
    run.is_timing = False
    assert reader.next()[1]["version"] == 10
    assert run.made == []
    assert run.ask()[1] == "<main>10 running</main>"


def test_readers_get_the_last_page_and_then_nothing_runs(run: Run) -> None:
    run.grow()
    readers = [run.stream() for _ in range(3)]
    for reader in readers:
        reader.next()
    run.grow()
    run.server.close()
    for reader in readers:
        kind, told = reader.next()
        while kind != "end":
            kind, told = reader.next()
        assert told["page"] == "<main>20 ended</main>"
        assert reader.answer.read() == b"\n"
    run.server.close()
    with pytest.raises(ConnectionRefusedError):
        run.ask()
    assert not [one for one in threading.enumerate() if one.name == "live view"]


def test_a_reader_that_takes_nothing_does_not_keep_the_run_waiting(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_server, "_FAREWELL_S", 0.3)
    run.page.text = lambda: "x" * 50_000_000  # type: ignore[method-assign]
    stuck = run.stream()
    stuck.next()
    began = time.monotonic()
    run.server.close()
    assert time.monotonic() - began < 30, "it waits until the reader takes something, which it never does"


def test_too_many_connections_are_refused_and_the_others_go_on(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    readers = [run.stream() for _ in range(live_server.MOST_CONNECTIONS)]
    with pytest.raises((http.client.HTTPException, OSError)):
        run.ask()
    run.grow()
    for reader in readers:
        while reader.next()[1]["version"] != 10:
            pass
    readers[0].connection.close()
    readers[0].answer.close()
    readers[1].connection.close()
    readers[1].answer.close()
    for _ in range(100):
        run.grow()
        time.sleep(0.03)
        try:
            assert run.ask()[0] == 200
            break
        except (http.client.HTTPException, OSError):
            continue
    else:
        pytest.fail("readers who left still count")
    assert capfd.readouterr() == ("", ""), "the terminal belongs to pytest"


def test_a_page_that_cannot_be_made_harms_the_reader_only(run: Run) -> None:
    def fails(version: int, running: bool) -> str:
        raise ValueError("no page")

    run.page._make = fails
    run.grow()
    with pytest.raises((http.client.HTTPException, OSError)):
        run.ask()
    assert run.stream().next()[1]["version"] == 10


def test_a_port_that_is_taken_is_an_error_at_once(run: Run) -> None:
    with pytest.raises(OSError, match="in use"):
        LiveServer(run.page, str, run.port)
