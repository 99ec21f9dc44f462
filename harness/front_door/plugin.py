"""The pytest hooks, and nothing else."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessFaultError, UserError
from harness.front_door import options
from harness.front_door.collect import STATE, CandidateFolder, GateItem, is_candidate_folder, yardstick_items
from harness.front_door.guard import forbid_foreign_configuration, guard_conftests
from harness.front_door.summary import Summary

SUMMARY: pytest.StashKey[Summary] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the options; from here on no conftest.py beside a kernel is imported."""
    options.add(parser)
    guard_conftests(pluginmanager)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """A pytest.ini in a candidate's folder would choose what pytest imports; refuse it before it does."""
    forbid_foreign_configuration(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings once; bad values end here, in one line, with pytest's exit code for bad usage."""
    from harness.front_door.session import SessionState

    # xdist's own mark; declared here too, because the items carry it whether or not xdist is installed.
    config.addinivalue_line("markers", "perf: takes timings; never run in parallel")
    config.addinivalue_line("markers", "xdist_group(name): the items of one candidate belong to one worker")
    try:
        settings = options.read(config)
        summary = Summary(config, settings)
        summary.check_arguments()
    except UserError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[STATE] = SessionState(settings, summary.say)
    config.stash[SUMMARY] = summary
    config.pluginmanager.register(summary, "roundtable-summary")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Under xdist the workers judge, but what a person must mend is told here, before any of them starts."""
    if session.config.stash[SUMMARY].distributes:
        _prepare(session.config)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A candidate's folder is its kernel and nothing else."""
    return CandidateFolder.from_parent(parent, path=path) if is_candidate_folder(path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """--yardsticks adds known crates to whatever is judged, first in line."""
    if session.config.stash[STATE].settings.yardsticks:
        items[:0] = yardstick_items(session)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Tools missing, or a bad baseline or save, are told before anything runs."""
    if session.config.option.collectonly:
        return
    if session.config.stash[SUMMARY].wants_tools(session.items):
        _prepare(session.config)


def _prepare(config: pytest.Config) -> None:
    try:
        config.stash[SUMMARY].prepare(config.stash[STATE])
    except UserError as error:
        raise pytest.UsageError(str(error)) from None
    except HarnessFaultError as fault:
        pytest.exit(f"the harness failed before anything was judged: {fault}", pytest.ExitCode.INTERNAL_ERROR)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """After what was collected, the round table: its candidates run as live items of this session."""
    result = yield
    if session.config.stash[STATE].settings.generate and not session.config.option.collectonly:
        from harness.front_door.live import evolve_in_session

        try:
            evolve_in_session(session, session.config.stash[STATE], session.config.stash[SUMMARY])
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a gate found travels on its report, in plain types."""
    report = yield
    if isinstance(item, GateItem) and report.when == "call":
        report.roundtable = item.outcome  # type: ignore[attr-defined]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """A generated candidate that is turned down is an outcome of its own."""
    if getattr(report, "wasxfail", "").removeprefix("reason: ").startswith("REJECTED") and report.skipped:
        return "rejected", "R", "REJECTED"
    return None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """The machine, in one line."""
    from harness import machine

    return [f"machine: {machine.read().machine_class}"]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In --generate the run is good when at least one candidate was accepted."""
    session.config.stash[SUMMARY].finish(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table."""
    terminalreporter.config.stash[SUMMARY].print_to(terminalreporter)
