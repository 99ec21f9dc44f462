"""The pytest hooks of a session in a round table, registered once its settings are read. Each one calls a function of
another module and does nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from harness import interrupts
from harness.candidate import is_candidate_folder
from harness.errors import HarnessFaultError, UserError
from harness.front_door.arguments import judges_here, judges_in_workers
from harness.front_door.collect import CandidateFolder, GateItem, once_each, yardstick_items
from harness.front_door.reporting import SessionReport
from harness.front_door.session import STATE

REPORT: pytest.StashKey[SessionReport] = pytest.StashKey()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Under xdist the workers judge; missing tools are reported by the controller before any worker starts."""
    if judges_in_workers(session.config):
        _prepare(session.config)


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect only the kernel of a candidate's folder."""
    return CandidateFolder.from_parent(parent, path=path) if is_candidate_folder(path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Judge a candidate that was named twice only once; put the items of --yardsticks in front of the candidates."""
    items[:], notices = once_each(items)
    session.config.stash[REPORT].notices.extend(notices)
    if session.config.stash[STATE].settings.yardsticks:
        items[:0] = yardstick_items(session)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Report missing tools, a bad baseline or a bad saved session before anything runs."""
    if session.config.option.collectonly:
        return
    if judges_here(session.config, session.config.stash[STATE].settings, session.items):
        _prepare(session.config)


def _prepare(config: pytest.Config) -> None:
    from harness.front_door.preparation import prepare

    try:
        prepare(config.stash[STATE], config.invocation_params.dir)
    except UserError as error:
        raise pytest.UsageError(str(error)) from None
    except HarnessFaultError as fault:
        pytest.exit(f"the harness failed before anything was judged: {fault}", pytest.ExitCode.INTERNAL_ERROR)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """After the collected items, run the round table; its candidates become live items of this session."""
    result = yield
    if session.config.stash[STATE].settings.generate and not session.config.option.collectonly:
        from harness.front_door.live import evolve_in_session

        try:
            notices = evolve_in_session(session, session.config.stash[STATE])
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
        session.config.stash[REPORT].notices.extend(notices)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the gate report to pytest's report, as plain types that survive xdist."""
    report = yield
    if isinstance(item, GateItem) and report.when == "call" and item.gate_report is not None:
        report.roundtable = item.gate_report.to_plain()  # type: ignore[attr-defined]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Show a generated candidate that was not accepted as REJECTED, UNTIMED or UNJUDGED, outcomes of their own."""
    reason = getattr(report, "wasxfail", "").removeprefix("reason: ")
    if reason.startswith("REJECTED") and report.skipped:
        return "rejected", "R", "REJECTED"
    if reason.startswith("UNTIMED") and report.skipped:
        return "untimed", "U", "UNTIMED"
    if reason.startswith("UNJUDGED") and report.skipped:
        return "not judged", "U", "UNJUDGED"
    return None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """One line that names the machine."""
    from harness import machine

    return [f"machine: {machine.read().description}"]


def pytest_keyboard_interrupt() -> None:
    """Ctrl-C once has been pressed: pressed again, it ends the process at once, also while pytest reports."""
    if threading.current_thread() is threading.main_thread():
        interrupts.end_at_the_next()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write --save and --verdicts; with --generate, succeed when at least one candidate was accepted."""
    session.config.stash[REPORT].finish(session)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of kernels."""
    terminalreporter.config.stash[REPORT].print_to(terminalreporter)
