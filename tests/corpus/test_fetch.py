"""Downloads from a local server in place of arXiv: slow, cut off, 404, 503, HTML instead of a PDF, another file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.corpus.__main__ import main
from harness.corpus.fetch import Fetched, Politeness, fetch
from harness.corpus.manifest import Paper
from harness.errors import UserError
from tests.conftest import ROOT
from tests.corpus.samples import column, pdf

CONTENT = pdf([column("A paper about packing. " * 200)] * 4)
ONE, TWO = "2212.01175", "2302.08417"


def paper(number: str) -> Paper:
    return Paper(f"arXiv:{number}", f"Title {number}", ("A",), 2022, "cpu-gemm", "unknown", ("A lesson.",))


BY_HAND = Paper(
    "doi:10.1145/3458817.3476166", "Only by DOI", ("A",), 2021, "cpu-gemm", "unknown", ("A lesson.",)
)


@dataclass
class Arxiv:
    """The server's answers to the next requests for each paper ("ok" when none is left), and the requests it got."""

    url: str = ""
    plan: dict[str, list[str]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    content: bytes = CONTENT


class Handler(BaseHTTPRequestHandler):
    arxiv: Arxiv

    def do_GET(self) -> None:
        number = self.path.removeprefix("/pdf/")
        self.arxiv.seen.append((number, dict(self.headers)))
        steps = self.arxiv.plan.get(number, [])
        self.answer(steps.pop(0) if steps else "ok")

    def answer(self, step: str) -> None:
        if step.startswith("status"):
            _, code, *retry = step.split()
            self.send_response(int(code))
            if retry:
                self.send_header("Retry-After", " ".join(retry))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = b"<html>prove that you are human</html>" if step == "html" else self.arxiv.content
        tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
        wanted, start = self.headers.get("Range"), 0
        if wanted and step != "norange" and self.headers.get("If-Range") == tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        part = body[start:]
        if step == "cut":
            self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
            return
        if step == "stall":
            self.wfile.write(part[: len(part) // 3])
            self.wfile.flush()
            time.sleep(1.5)
            return
        with contextlib.suppress(OSError):
            self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def arxiv() -> Iterator[Arxiv]:
    state = Arxiv()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"arxiv": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def run(
    arxiv: Arxiv, folder: Path, *papers: Paper, tries: int = 3, silence_s: float = 5.0
) -> tuple[Fetched, list[float]]:
    waits: list[float] = []
    how = Politeness(arxiv.url, pause_s=3.0, tries=tries, silence_s=silence_s, sleep=waits.append)
    return fetch(papers, folder, how, lambda line: None), waits


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_papers_are_downloaded_once_and_completely_with_pauses_and_a_user_agent(
    arxiv: Arxiv, tmp_path: Path
) -> None:
    done, waits = run(arxiv, tmp_path, paper(ONE), BY_HAND, paper(TWO))
    assert (done.downloaded, done.by_hand, done.failed) == (
        [f"arXiv:{ONE}", f"arXiv:{TWO}"],
        [BY_HAND.id],
        {},
    )
    assert waits == [3.0]
    assert files(tmp_path) == [f"arXiv_{ONE}.pdf", f"arXiv_{TWO}.pdf", "fetched.json"]
    assert (tmp_path / f"arXiv_{ONE}.pdf").read_bytes() == CONTENT
    state = json.loads((tmp_path / "fetched.json").read_text())
    assert state[f"arXiv:{ONE}"]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert all("matmul-round-table" in headers["User-Agent"] for _, headers in arxiv.seen)
    assert (tmp_path / ".gitignore").read_text() == "*\n"
    again, _ = run(arxiv, tmp_path, paper(ONE), paper(TWO))
    assert len(again.present) == 2
    assert len(arxiv.seen) == 2


def test_a_changed_file_is_fetched_again_and_one_put_there_by_hand_is_kept(
    arxiv: Arxiv, tmp_path: Path
) -> None:
    run(arxiv, tmp_path, paper(ONE))
    (tmp_path / f"arXiv_{ONE}.pdf").write_bytes(b"overwritten")
    (tmp_path / f"arXiv_{TWO}.pdf").write_bytes(CONTENT)
    done, _ = run(arxiv, tmp_path, paper(ONE), paper(TWO))
    assert (done.downloaded, done.present) == ([f"arXiv:{ONE}"], [f"arXiv:{TWO}"])
    assert (tmp_path / f"arXiv_{ONE}.pdf").read_bytes() == CONTENT


def test_a_transfer_that_is_cut_off_is_resumed(arxiv: Arxiv, tmp_path: Path) -> None:
    arxiv.plan[ONE] = ["cut", "cut"]
    done, _ = run(arxiv, tmp_path, paper(ONE))
    assert done.downloaded
    ranges = [headers.get("Range") for _, headers in arxiv.seen]
    assert ranges == [
        None,
        f"bytes={len(CONTENT) // 2}-",
        f"bytes={len(CONTENT) // 2 + (len(CONTENT) + 1) // 4}-",
    ]
    assert (tmp_path / f"arXiv_{ONE}.pdf").read_bytes() == CONTENT
    assert files(tmp_path) == [f"arXiv_{ONE}.pdf", "fetched.json"]


def test_after_the_last_try_the_part_stays_for_the_next_call(arxiv: Arxiv, tmp_path: Path) -> None:
    arxiv.plan[ONE] = ["cut"]
    done, _ = run(arxiv, tmp_path, paper(ONE), paper(TWO), tries=1)
    assert "the transfer broke 1 times" in done.failed[f"arXiv:{ONE}"]
    assert done.downloaded == [f"arXiv:{TWO}"]
    assert not (tmp_path / f"arXiv_{ONE}.pdf").exists()
    done, _ = run(arxiv, tmp_path, paper(ONE))
    assert done.downloaded
    assert arxiv.seen[-1][1]["Range"] == f"bytes={len(CONTENT) // 2}-"


@pytest.mark.parametrize("change", ["another file", "no ranges"])
def test_a_part_of_another_file_is_never_spliced(arxiv: Arxiv, tmp_path: Path, change: str) -> None:
    arxiv.plan[ONE] = ["cut"]
    run(arxiv, tmp_path, paper(ONE), tries=1)
    if change == "another file":
        arxiv.content = pdf([column("The second version of the paper. " * 100)])
    else:
        arxiv.plan[ONE] = ["norange"]
    done, _ = run(arxiv, tmp_path, paper(ONE))
    assert done.downloaded
    assert (tmp_path / f"arXiv_{ONE}.pdf").read_bytes() == arxiv.content


def test_a_silent_server_counts_as_cut_off(arxiv: Arxiv, tmp_path: Path) -> None:
    arxiv.plan[ONE] = ["stall"]
    done, _ = run(arxiv, tmp_path, paper(ONE), silence_s=0.3)
    assert done.downloaded
    assert (tmp_path / f"arXiv_{ONE}.pdf").read_bytes() == CONTENT


def test_404_and_html_are_reported_and_the_other_papers_arrive(arxiv: Arxiv, tmp_path: Path) -> None:
    arxiv.plan = {ONE: ["status 404"], "2003.00532": ["html"]}
    done, _ = run(arxiv, tmp_path, paper(ONE), paper("2003.00532"), paper(TWO))
    assert "404" in done.failed[f"arXiv:{ONE}"]
    assert "not a PDF" in done.failed["arXiv:2003.00532"]
    assert done.downloaded == [f"arXiv:{TWO}"]
    assert files(tmp_path) == [f"arXiv_{TWO}.pdf", "fetched.json"]


def test_retry_after_is_obeyed(arxiv: Arxiv, tmp_path: Path) -> None:
    arxiv.plan[ONE] = ["status 503 7", "status 429 Wed, 21 Oct 2015 07:28:00 GMT"]
    done, waits = run(arxiv, tmp_path, paper(ONE))
    assert done.downloaded
    assert waits[0] == 7.0
    assert waits[2] == 0.0
    arxiv.plan[TWO] = ["status 503 3600"]
    with pytest.raises(UserError, match="asks to come back in 3600 s; run fetch again then"):
        run(arxiv, tmp_path, paper(TWO))


def test_no_network_and_a_dead_proxy_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        how = Politeness(url, sleep=lambda _: None)
        with pytest.raises(UserError, match=r"cannot be reached.*check the network or HTTPS_PROXY") as caught:
            fetch([paper(ONE)], tmp_path, how, print)
        assert "\n" not in str(caught.value)
        monkeypatch.setenv("HTTP_PROXY", url)
        with pytest.raises(UserError, match="HTTPS_PROXY"):
            fetch([paper(ONE)], tmp_path, Politeness("http://arxiv.invalid"), print)
    monkeypatch.delenv("HTTP_PROXY")
    for bad in ("ftp://x", "http://[", "nowhere"):
        with pytest.raises(UserError, match="cannot be reached"):
            fetch([paper(ONE)], tmp_path, Politeness(bad), print)
    monkeypatch.setenv("HTTP_PROXY", "nonsense://x")
    with pytest.raises(UserError, match="proxy settings cannot be used"):
        fetch([paper(ONE)], tmp_path, Politeness("http://arxiv.invalid"), print)
    assert files(tmp_path) == []


def test_a_full_disk_leaves_no_half_file(
    arxiv: Arxiv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.corpus.fetch.os.fsync", full)
    with pytest.raises(UserError, match=r"No space left on device.*free some space"):
        run(arxiv, tmp_path, paper(ONE))
    monkeypatch.undo()
    assert not (tmp_path / f"arXiv_{ONE}.pdf").exists()
    done, _ = run(arxiv, tmp_path, paper(ONE))
    assert done.downloaded


def test_two_fetches_at_once_and_a_broken_state_file(arxiv: Arxiv, tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / ".fetch.lock"), pytest.raises(UserError, match="another fetch is at work"):
        run(arxiv, tmp_path, paper(ONE))
    (tmp_path / "fetched.json").write_text("{half")
    with pytest.raises(UserError, match=r"fetched\.json: unreadable; delete it"):
        run(arxiv, tmp_path, paper(ONE))


MANIFEST = """
[[paper]]
id = "arXiv:2212.01175"
title = "Flip Graphs"
authors = ["M. Kauers"]
year = 2022
topic = "fast-algorithms"
licence = "unknown"
lessons = ["A lesson."]

[[paper]]
id = "doi:10.1145/3458817.3476166"
title = "CAKE"
authors = ["H. T. Kung"]
year = 2021
topic = "cpu-gemm"
licence = "unknown"
lessons = ["Another."]
"""


def test_the_command_line_names_what_came_and_what_is_to_be_added_by_hand(
    arxiv: Arxiv, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "papers.toml").write_text(MANIFEST)
    fetching = ["fetch", "--corpus", str(tmp_path), "--base-url", arxiv.url, "--pause", "0"]
    arxiv.plan[ONE] = ["status 404"]
    assert main(fetching) == 1
    assert "arXiv:2212.01175: " in capsys.readouterr().out
    assert main(fetching) == 0
    told = capsys.readouterr()
    assert "arXiv:2212.01175: downloaded, Flip Graphs" in told.out
    assert "doi:10.1145/3458817.3476166: not on arXiv, add by hand: CAKE" in told.out
    assert "1 downloaded, 0 already there, 0 failed" in told.out
    assert told.err == "", "no progress bar where there is no terminal"


def test_a_kill_in_the_middle_leaves_no_half_paper_and_the_next_call_goes_on(
    arxiv: Arxiv, tmp_path: Path
) -> None:
    (tmp_path / "papers.toml").write_text(MANIFEST)
    arxiv.plan[ONE] = ["stall"]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.corpus", "fetch", "--corpus", str(tmp_path), "--base-url", arxiv.url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    part = tmp_path / "pdf" / f"arXiv_{ONE}.part"
    deadline = time.monotonic() + 60
    # Received data is in the file only after its buffer was flushed; the kill may come earlier.
    while not part.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert part.exists()
    assert not (tmp_path / "pdf" / f"arXiv_{ONE}.pdf").exists()
    done, _ = run(arxiv, tmp_path / "pdf", paper(ONE))
    assert done.downloaded
    assert (tmp_path / "pdf" / f"arXiv_{ONE}.pdf").read_bytes() == CONTENT
