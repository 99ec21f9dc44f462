"""Progress lines on the terminal, through pytest's own writer."""

from __future__ import annotations

import contextlib

import pytest

from harness.announce import Announce


def announcer(config: pytest.Config) -> Announce:
    """The function that prints one progress line. It prints nothing under -q and respects output capture."""

    def say(line: str) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or config.get_verbosity() < 0:
            return
        capture = config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            writer = reporter._tw
            if writer.width_of_current_line:
                writer.line()
                # Makes pytest print the file name again in front of the next item's dot.
                reporter.currentfspath = None
            writer.line(line)

    return say
