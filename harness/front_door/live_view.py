"""How a run is watched while it goes on: the status line of the terminal, and with --live a page in the browser."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import UserError
from harness.front_door.run_status import RunStatus
from harness.front_door.session import SessionState
from harness.front_door.terminal import StatusLine, say_always
from harness.roundtable.conversation.messages import GroupChatMessage

if TYPE_CHECKING:
    from harness.report.live_server import LiveServer

_NAME = "roundtable-watched"


class WatchedRun:
    """Hears the events of a run and the gates of its candidates, and keeps the status line up to date."""

    def __init__(self, status: RunStatus, line: StatusLine) -> None:
        self.status = status
        self._line = line

    def hear(self, message: GroupChatMessage) -> None:
        """Take an event of the conversation."""
        self.status.hear(message)
        self.show()

    def show(self) -> None:
        """Show the status; a terminal that has gone is no matter of the run."""
        with contextlib.suppress(OSError, ValueError):
            self._line.show(self.status.parts())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logstart(self, nodeid: str) -> Generator[None, None, None]:
        """A gate begins: pytest writes where the status was."""
        self._line.clear()
        yield
        self.status.at_gate(nodeid.rpartition("::")[2])
        self.show()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self) -> None:
        """A gate has ended: make room for its letter."""
        self._line.clear()


@contextlib.contextmanager
def watched(
    session: pytest.Session, state: SessionState, run: Path, status: RunStatus
) -> Iterator[WatchedRun]:
    """Watch the run in the folder `run` within the block; afterwards nothing of it is left running.

    Raises UserError when --live-port cannot be had.
    """
    line = StatusLine(session.config)
    watching = WatchedRun(status, line)
    server = _open(session.config, state, run, status) if state.settings.live else None
    session.config.pluginmanager.register(watching, _NAME)
    try:
        yield watching
    finally:
        session.config.pluginmanager.unregister(name=_NAME)
        with contextlib.suppress(OSError, ValueError):
            line.clear()
        if server is not None:
            server.close()


def _open(config: pytest.Config, state: SessionState, run: Path, status: RunStatus) -> LiveServer | None:
    """The server of the run's page, announced; None, with a line, where this machine has no loopback address."""
    from harness.report.live_page import live_page
    from harness.report.live_server import LivePage, LiveServer
    from harness.report.page import waiting_page
    from harness.roundtable.runlog.journal import JOURNAL

    settings, clock = state.settings, state.shared.clock
    waiting = waiting_page(run.name, "Nothing has happened yet; the page fills as the run goes on.", -1)
    page = LivePage(
        run / JOURNAL,
        lambda version, running: live_page(run, settings.results, settings.candidates, version, running),
        waiting,
        lambda: clock.is_timing,
    )
    port = settings.live_port or 0
    try:
        server = LiveServer(page, lambda: "; ".join(status.parts()), port)
    except OSError as error:
        if port:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
            raise UserError(
                f"--live-port {port} {why}; choose another, or leave it out to get a free one"
            ) from None
        say_always(config, f"live view: none, {error.strerror}; the run goes on without it")
        return None
    say_always(config, f"live view: {server.url}")
    return server
