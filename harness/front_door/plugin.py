"""The first hooks of pytest: options, guards, settings. The hooks of a session are in session_hooks."""

from __future__ import annotations

import pytest

from harness.errors import UserError
from harness.front_door import options, session_hooks
from harness.front_door.arguments import check_arguments
from harness.front_door.guard import forbid_foreign_configuration, guard_conftests
from harness.front_door.reporting import SessionReport
from harness.front_door.session import STATE, SessionState
from harness.front_door.terminal import announcer
from harness.installed import round_table

NOT_HERE = (
    "the round table judges in its checkout, or in a project whose ini file says 'roundtable = true'; neither is "
    "here"
)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the options; from here on, no conftest.py beside a kernel is imported."""
    options.add(parser)
    guard_conftests(pluginmanager)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Refuse an ini file in a candidate's folder before pytest imports what that file names."""
    forbid_foreign_configuration(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings once. Bad values end the session here with one line and pytest's exit code for bad usage.

    Outside of a round table only the markers are declared: the hooks of a session are not registered.
    """
    # pytest-xdist declares its own marker, but the items carry it even when xdist is not installed.
    config.addinivalue_line("markers", "perf: takes timings; never run in parallel")
    config.addinivalue_line("markers", "xdist_group(name): the items of one candidate belong to one worker")
    here = config.invocation_params.dir
    if not (round_table.is_inside(here) or round_table.is_inside(config.rootpath)):
        if options.has_round_table_option(config):
            raise pytest.UsageError(NOT_HERE)
        return
    try:
        settings = options.read(config)
        check_arguments(config, settings)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[STATE] = SessionState(settings, announcer(config))
    config.stash[session_hooks.REPORT] = SessionReport(config, settings)
    config.pluginmanager.register(config.stash[session_hooks.REPORT], "roundtable-report")
    config.pluginmanager.register(session_hooks, "roundtable-session")
