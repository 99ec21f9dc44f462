"""`pytest --generate N --live`, and the status line of a terminal; status texts without a run."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.front_door.run_status import RunStatus
from harness.front_door.terminal import StatusLine
from harness.report.live_page import live_page
from harness.roundtable.conversation.messages import (
    Coded,
    Event,
    GaveUp,
    GroupChatMessage,
    Judged,
    ProposalSlot,
    RememberedIt,
    Role,
    Verified,
)
from harness.roundtable.runlog import codec
from tests.front_door.test_generate import QUICK, hosts_below, start, wait_for
from tests.report.stories import accepted, write_run

URL = re.compile(r"live view: (http://127\.0\.0\.1:\d+/[\w-]{32}/)")
SHOWN = re.compile("\x1b7(.*?)\x1b\\[K\x1b8")


def event(generation: int, content: Event, slot: int = 0) -> GroupChatMessage:
    turn = ProposalSlot(generation=generation, slot=slot)
    return GroupChatMessage(sender=Role.TESTER, turn=turn, content=content)


def test_the_status_tells_phase_candidate_best_and_time_left() -> None:
    seconds = [100.0]
    status = RunStatus(4, 1, lambda: seconds[0])
    assert status.parts() == ["generation 1 of 4", "preparing"]
    status.hear(event(1, Verified(facts=[])))
    assert status.parts() == ["generation 1 of 4", "writing the kernel"]
    status.hear(event(1, Coded(candidate="gen-x-001", source="", manifest={}, how="template")))
    status.at_gate("shapes")
    assert status.parts() == ["generation 1 of 4", "gen-x-001 gate shapes"]
    status.at_gate("clock")
    assert status.parts()[1] == "gen-x-001 timing"
    status.hear(event(1, Judged(candidate="gen-x-001", verdict=codec.to_plain(accepted(1.08)))))
    seconds[0] += 60
    status.hear(event(1, RememberedIt(candidate="gen-x-001", memory_id="1")))
    assert status.parts() == ["generation 2 of 4", "proposing", "best 1.080x BLAS", "about 3 min left"]
    seconds[0] += 30
    assert status.left_s() == 150
    seconds[0] += 1000
    assert status.left_s() == 120, "a proposal that takes longer than the mean has no time left"
    status.hear(event(2, GaveUp(reason="none")))
    assert status.parts()[0] == "generation 3 of 4"


def test_a_resumed_run_knows_its_best_and_counts_from_where_it_goes_on() -> None:
    seconds = [0.0]
    status = RunStatus(2, 5, lambda: seconds[0])
    status.recall(event(1, Judged(candidate="k", verdict=codec.to_plain(accepted(1.2)))))
    status.hear(event(1, Verified(facts=[]), slot=3))
    assert status.parts() == ["generation 1 of 2, proposal 4 of 5", "writing the kernel", "best 1.200x BLAS"]
    seconds[0] = 10.0
    status.hear(event(1, GaveUp(reason="none"), slot=3))
    assert status.left_s() == 60


class FakeTerminal:
    """What the status line needs of pytest's terminal reporter and configuration."""

    def __init__(self, *, isatty: bool = True, column: int = 0, verbosity: int = 0) -> None:
        self.written: list[str] = []
        file = SimpleNamespace(write=self.written.append, flush=lambda: None)
        self._tw = SimpleNamespace(_file=file, fullwidth=80, width_of_current_line=column)
        self.isatty = isatty
        self.verbosity = verbosity
        self.pluginmanager = self

    def get_plugin(self, name: str) -> Any:
        return self if name == "terminalreporter" else None

    def get_verbosity(self) -> int:
        return self.verbosity


PARTS = ("generation 2 of 4", "gen-x-001 timing", "best 1.080x BLAS", "about 3 min left")


def test_the_status_line_keeps_the_cursor_and_fits_the_rest_of_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for column, expected in ((0, "; ".join(PARTS)), (40, "  best 1.080x BLAS; about 3 min left"), (75, "  ")):
        terminal = FakeTerminal(column=column)
        StatusLine(terminal).show(PARTS)  # type: ignore[arg-type]
        assert terminal.written == [f"\x1b7{expected}\x1b[K\x1b8"]
    for terminal in (FakeTerminal(isatty=False), FakeTerminal(verbosity=-1)):
        StatusLine(terminal).show(PARTS)  # type: ignore[arg-type]
        StatusLine(terminal).clear()  # type: ignore[arg-type]
        assert terminal.written == []
    monkeypatch.setenv("TERM", "dumb")
    assert not StatusLine(FakeTerminal()).is_shown  # type: ignore[arg-type]


def test_a_page_that_cannot_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path, [accepted(1.1)])
    assert 'data-version="7"' in live_page(run, tmp_path, tmp_path, 7, True)
    (run / "journal.jsonl").write_text("{torn")
    assert "cannot be read now" in live_page(run, tmp_path, tmp_path, 8, True)
    monkeypatch.setattr("harness.report.live_page.read_story", lambda *_: 1 / 0)
    assert "cannot be made" in live_page(run, tmp_path, tmp_path, 9, True)


def in_terminal(project: pytest.Pytester, *arguments: str) -> tuple[subprocess.Popen[bytes], list[bytes]]:
    """pytest on a terminal of its own; the list grows with what it writes."""
    ours, theirs = pty.openpty()
    restore = "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-c", restore + "sys.exit(pytest.main())", *QUICK, *arguments]
    environment = dict(os.environ, TERM="xterm", COLUMNS="120")
    process = subprocess.Popen(
        command,
        cwd=project.path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=environment,
    )
    os.close(theirs)
    written: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 65536):
                written.append(chunk)
        except OSError:
            # The other end is closed.
            os.close(ours)

    threading.Thread(target=read, daemon=True).start()
    return process, written


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


@pytest.mark.slow
def test_the_page_answers_while_the_run_goes_on_and_nothing_runs_afterwards(project: pytest.Pytester) -> None:
    process, written = in_terminal(project, "--generate", "1", "--live", "--seed", "7")

    def output() -> str:
        return b"".join(written).decode(errors="replace")

    try:
        wait_for(lambda: URL.search(output()) or process.poll() is not None, "address")
        address = URL.search(output())
        assert address, output()
        page = fetch(address[1])
        assert "Nothing has happened yet" in page or "the run goes on" in page
        last: list[str] = []
        stream = threading.Thread(target=lambda: last.append(fetch(address[1] + "events")))
        stream.start()
        wait_for(lambda: list((project.path / "candidates").glob("gen-*")), "candidate")
        wait_for(lambda: 'class="kernel"' in fetch(address[1]), "kernel on the page")
        assert process.wait(timeout=120) == pytest.ExitCode.OK, output()
    finally:
        process.kill()
    stream.join(60)
    assert "event: end" in last[0]
    assert "ended: finished" in last[0]
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        fetch(address[1])
    wait_for(lambda: not hosts_below(process.pid), "end of all processes", 60)
    wait_for(lambda: "page: results/local/report.html" in output(), "file of the page", 60)
    shown = SHOWN.findall(output())
    assert any("generation 1 of 1; preparing" in one for one in shown) or any(
        "gate" in one for one in shown
    ), shown
    assert any("timing" in one for one in shown), shown
    assert output().count("live view: ") == 1


@pytest.mark.slow
@pytest.mark.together
def test_ctrl_c_ends_the_live_view_too(project: pytest.Pytester) -> None:
    process = start(project, "--generate", "3", "--live", "-q")
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "live view" in line)
        address = URL.search(line)
        assert address, "the address is told under -q, too"
        wait_for(lambda: list((project.path / "candidates").glob("gen-*")), "candidate")
        with socket.create_connection(("127.0.0.1", int(address[1].split(":")[2].split("/")[0]))):
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "Traceback" not in output
    assert "\x1b" not in output, "a status line without a terminal"
    wait_for(lambda: not hosts_below(process.pid), "end of all processes", 60)


@pytest.mark.slow
@pytest.mark.together
def test_a_port_that_is_taken_is_one_line(project: pytest.Pytester) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = project.runpytest_subprocess(*QUICK, "--generate", "1", "--live", "--live-port", port)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    assert f"--live-port {port} is taken; choose another" in text
    assert "Traceback" not in text
    assert not list((project.path / "candidates").glob("gen-*"))
