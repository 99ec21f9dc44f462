"""The memory over HTTP: a real `chroma run`, two clients at once, and a server that has gone away."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.corpus.papers import open_library
from harness.errors import UserError
from harness.memory.kernels import open_memory
from harness.store.embedders import HashedEmbedder
from tests.memory.samples import ZEN, accepted

CHROMA = Path(sys.executable).with_name("chroma")
pytestmark = pytest.mark.skipif(not CHROMA.exists(), reason="no `chroma` beside this Python")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"CHROMA_ANONYMIZED_TELEMETRY": "false", "ANONYMIZED_TELEMETRY": "false"}
    process = subprocess.Popen(
        [str(CHROMA), "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("chroma run did not come up")


def put(memory, name: str, ratio: float = 0.5):  # type: ignore[no-untyped-def]
    return memory.record(
        accepted(ratio), name=name, source=f"// {name}", machine=ZEN, toolchain="rustc", suite="default"
    )


def test_kernels_and_papers_over_http(server) -> None:  # type: ignore[no-untyped-def]
    where, _ = server
    with open_memory(where) as one, open_memory(where) as two:
        kept = put(one, "k1", 0.9)
        put(two, "k2", 0.5)
        assert two.get("k1") == kept
        assert [kernel.name for kernel in one.best(2)] == ["k1", "k2"]
        assert one.similar("k1", 1)
        library = open_library(one.connection, HashedEmbedder())
        assert library.search("cache blocking", 3)
        assert open_library(two.connection, HashedEmbedder()).count() == library.count()


def test_two_clients_write_at_once(server) -> None:  # type: ignore[no-untyped-def]
    where, _ = server

    def write(name: str) -> None:
        with open_memory(where, HashedEmbedder(256)) as memory:
            for number in range(10):
                put(memory, f"{name}{number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_memory(where, HashedEmbedder(256)) as memory:
        names = {kernel.name for kernel in memory.everything()}
    assert {f"{name}{number}" for name in "ab" for number in range(10)} <= names


def test_what_another_client_puts_is_seen_by_the_next_question(server) -> None:  # type: ignore[no-untyped-def]
    where, _ = server
    with open_memory(where, HashedEmbedder(512)) as one, open_memory(where, HashedEmbedder(512)) as two:
        put(one, "mine")
        assert "mine" in {kernel.name for kernel in one.best(1000)}
        put(two, "theirs")
        put(two, "mine", 0.9)
        assert {"mine", "theirs"} <= {kernel.name for kernel in one.best(1000)}
        assert one.get("mine").ratio == 0.9  # type: ignore[union-attr]


def test_addresses_that_cannot_be_used_are_one_line() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with pytest.raises(
            UserError, match=rf"no Chroma server answers.*chroma run --path FOLDER --port {port}"
        ):
            open_memory(f"http://127.0.0.1:{port}")
    for where, why in (
        ("http://", "no host"),
        ("http://localhost:port", "not a number"),
        ("ftp://somewhere/x", "unknown scheme"),
    ):
        with pytest.raises(UserError, match=why):
            open_memory(where)


def test_folders_that_cannot_be_used_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        open_memory(str(tmp_path / "file"))
    (tmp_path / "chroma.sqlite3").write_bytes(b"this is not a database at all" * 100)
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"memory at .* cannot be opened .*harness\.memory import FILE"
        ) as caught:
            open_memory(str(tmp_path))
        assert "\n" not in str(caught.value)


def test_a_server_that_dies_is_one_line(server) -> None:  # type: ignore[no-untyped-def]
    where, process = server
    memory = open_memory(where)
    put(memory, "last")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with pytest.raises(UserError, match="memory at http") as caught:
        put(memory, "lost")
    assert "\n" not in str(caught.value)
    memory.close()
