"""Progress on the terminal, through pytest's own writer: lines, and one line about the run that the next output
replaces.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from harness.announce import Announce

# Save the cursor, restore it, erase to the end of the line.
_SAVE, _RESTORE, _ERASE = "\x1b7", "\x1b8", "\x1b[K"
_LEAST_WIDTH = 16


def announcer(config: pytest.Config) -> Announce:
    """The function that prints one progress line. It prints nothing under -q and respects output capture."""

    def say(line: str) -> None:
        if config.get_verbosity() >= 0:
            say_always(config, line)

    return say


def say_always(config: pytest.Config, line: str) -> None:
    """Print one line, under -q, too."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    with _uncaptured(config):
        StatusLine(config).clear()
        writer = reporter._tw
        if writer.width_of_current_line:
            writer.line()
            # Makes pytest print the file name again in front of the next item's dot.
            reporter.currentfspath = None
        writer.line(line)


class StatusLine:
    """Text behind the cursor that the next output overwrites; only on a terminal, and not under -q.

    The cursor stays where pytest left it, so pytest's own output is as without it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        self.is_shown = (
            self._reporter is not None
            and self._reporter.isatty
            and os.environ.get("TERM", "dumb") != "dumb"
            and config.get_verbosity() >= 0
        )

    def show(self, parts: Sequence[str]) -> None:
        """Show the parts that fit into the rest of the line; the first ones are left out first."""
        if not self.is_shown:
            return
        writer = self._reporter._tw
        room = writer.fullwidth - writer.width_of_current_line - 3
        left = list(parts)
        while left and len("; ".join(left)) > room:
            left.pop(0)
        text = "; ".join(left)
        gap = "  " if writer.width_of_current_line else ""
        self._write(f"{_SAVE}{gap}{text if room >= _LEAST_WIDTH else ''}{_ERASE}{_RESTORE}")

    def clear(self) -> None:
        """Erase what is behind the cursor."""
        if self.is_shown:
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        with _uncaptured(self._config):
            self._reporter._tw._file.write(text)
            self._reporter._tw._file.flush()


@contextlib.contextmanager
def _uncaptured(config: pytest.Config) -> Iterator[None]:
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        yield
