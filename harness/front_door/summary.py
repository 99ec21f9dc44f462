"""What a session tells people: progress, the table, the claims, the files it was asked to write."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import records
from harness.candidate import KERNEL_FILE
from harness.durable import write_whole
from harness.errors import UserError
from harness.front_door.collect import GateItem, is_candidate_folder, session_state
from harness.front_door.session import SessionState
from harness.saved_timings import Ratio
from harness.settings import Settings
from harness.verdict import Gate


class Summary:
    """Gathers the reports of this session (its own or those of xdist's workers) and shows them."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.outcomes: dict[str, dict[str, Any]] = {}
        self.unfinished: dict[str, dict[str, Any]] = {}
        self.generated_accepted = 0
        self.notices: list[str] = []

    @property
    def is_worker(self) -> bool:
        """Whether this process is one of xdist's workers, which report to the controller."""
        return hasattr(self.config, "workerinput")

    def say(self, line: str) -> None:
        """A line of progress, through pytest's own writer so that capture and -q are respected."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or self.config.get_verbosity() < 0:
            return
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            writer = reporter._tw
            if writer.width_of_current_line:
                writer.line()
                # The next item begins its line anew, with the file's name.
                reporter.currentfspath = None
            writer.line(line)

    def check_arguments(self) -> None:
        """Folders without a kernel, and options that do not go together; raises UserError."""
        for argument in self.config.args:
            path = Path(self.config.invocation_params.dir, argument.split("::")[0])
            inside = path.parent == self.settings.candidates and path.is_dir()
            if inside and not is_candidate_folder(path):
                raise UserError(f"{argument}: no kernel.rs in it; a candidate is a folder with a kernel.rs")
        if self.settings.max_regress is not None and self.settings.compare is None:
            raise UserError(
                "--max-regress needs --compare NAME or --compare latest to know what to compare with"
            )
        if self.settings.generate and getattr(self.config.option, "numprocesses", None):
            raise UserError("--generate takes timings and runs in one process; leave out -n")
        if self.settings.generate and self.config.args_source is not pytest.Config.ArgsSource.ARGS:
            # The evolution is what was asked for, not the project's own tests.
            self.config.args = []
        self._claim_verdicts_file()

    def _claim_verdicts_file(self) -> None:
        if self.settings.verdicts is None or self.is_worker:
            return
        try:
            self.settings.verdicts.parent.mkdir(parents=True, exist_ok=True)
            self.settings.verdicts.write_text("", encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"--verdicts {self.settings.verdicts}: cannot be written: {error.strerror}"
            ) from None

    def wants_tools(self, items: Sequence[pytest.Item]) -> bool:
        """Whether this process is going to judge anything."""
        distributes = getattr(self.config.option, "numprocesses", None) and not self.is_worker
        return not distributes and bool(
            self.settings.generate or any(isinstance(item, GateItem) for item in items)
        )

    @property
    def distributes(self) -> bool:
        """Whether xdist's workers will run what this process does not even collect: kernels are among the arguments."""
        if not getattr(self.config.option, "numprocesses", None) or self.is_worker:
            return False
        places = (Path(self.config.invocation_params.dir, a.split("::")[0]) for a in self.config.args)
        return any(place.name == KERNEL_FILE or any(place.rglob(KERNEL_FILE)) for place in places)

    def prepare(self, state: SessionState) -> None:
        """Have the toolchain, the host and the saved timings at hand, or say in one line why not."""
        if self.settings.compare is not None:
            state.saved_sessions().load(self.settings.compare)
        if self.settings.generate:
            from harness.front_door.live import claim_the_table

            state.lock = claim_the_table(self.settings)
        host = state.shared.tools.host
        if not self.settings.unsandboxed:
            from harness.judge.worker import sandbox

            sandbox.require(host)
        else:
            self.say("UNSANDBOXED: candidates run with your rights; every result is marked")
        # Finds the baseline and reads the suite; a bad one of either is told now.
        assert state.shared.clock.suite

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what the gates' reports carry; write the verdict as soon as it has fallen."""
        outcome = getattr(report, "roundtable", None)
        if not outcome:
            return
        key = outcome["nodeid"]
        if "record" not in outcome:
            self.unfinished[key] = outcome
            return
        self.unfinished.pop(key, None)
        if key in self.outcomes:
            return
        self.outcomes[key] = outcome
        if outcome["generated"] and outcome["record"]["verdict"] == "Accepted":
            self.generated_accepted += 1
        self._append_verdict(outcome["record"])

    def _append_verdict(self, record: dict[str, Any]) -> None:
        if self.settings.verdicts is not None and not self.is_worker:
            with self.settings.verdicts.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def finish(self, session: pytest.Session) -> None:
        """Candidates whose clock was deselected get their line; --save; the exit code of --generate."""
        if self.is_worker:
            return
        if self.settings.save is not None and self.outcomes:
            ratios = {o["candidate"]: Ratio(**o["ratio"]) for o in self.outcomes.values() if "ratio" in o}
            try:
                path = session_state(session.config).saved_sessions().save(self.settings.save, ratios)
                self.notices.append(f"saved {len(ratios)} timing(s) as {path}")
            except UserError as error:
                self.notices.append(str(error))
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
        for outcome in self.unfinished.values():
            self._append_verdict(_unclocked(outcome))
        if self.settings.generate and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            good = self.generated_accepted > 0
            session.exitstatus = pytest.ExitCode.OK if good else pytest.ExitCode.TESTS_FAILED

    def print_to(self, reporter: pytest.TerminalReporter) -> None:
        """The table and the lines below it; under -q only the table, under -v every shape."""
        from harness.report import table

        if self.outcomes:
            reporter.section("kernels", sep="=")
            width = reporter._tw.fullwidth
            outcomes = list(self.outcomes.values())
            for line in table.results_table(outcomes, width):
                reporter.write_line(line)
            if reporter.verbosity >= 0:
                self._print_details(reporter, outcomes)
            self._write_pictures(outcomes)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            self._tell_github(reporter)
        for notice in self.notices:
            reporter.write_line(notice)

    def _write_pictures(self, outcomes: list[dict[str, Any]]) -> None:
        """The page for people who would rather look; only an evolution leaves one, a gate leaves the tree alone."""
        if not self.settings.generate:
            return
        from harness import machine
        from harness.report.page import leaderboard

        path = self.settings.results / "leaderboard.html"
        try:
            write_whole(path, leaderboard(outcomes, machine.read().machine_class), make_folder=True)
        except UserError as error:
            self.notices.append(str(error))
            return
        self.notices.append(f"picture: {path}")

    def _conditions(self, record: dict[str, Any]) -> str:
        """ "thread class 1, hot data": what a figure holds for."""
        from harness.clock.suites import is_cold

        return f"thread class {record['threads']}, {'cold' if is_cold(self.settings.suite) else 'hot'} data"

    def _tell_github(self, reporter: pytest.TerminalReporter) -> None:
        from harness import machine
        from harness.report import github

        failed = [
            (r.nodeid, str(r.longrepr).splitlines()[-1])
            for r in reporter.stats.get("failed", [])
            if r.longrepr
        ]
        for line in github.annotate(failed):
            reporter.write_line(line)
        target = github.summary_file()
        if target is not None and self.outcomes:
            with target.open("a", encoding="utf-8") as file:
                file.write(github.job_summary(list(self.outcomes.values()), machine.read().machine_class))

    def _print_details(self, reporter: pytest.TerminalReporter, outcomes: list[dict[str, Any]]) -> None:
        from harness.report import table

        for outcome in outcomes:
            record = outcome["record"]
            if record["verdict"] != "Accepted":
                reporter.write_line(f"{record['candidate']}: {record['reason']}")
                reporter.write_line(f"    replay: {record['replay']}")
            elif reporter.verbosity > 0 or len(outcomes) == 1:
                reporter.write_line(
                    f"{record['candidate']}, against {outcome['baseline']}, {self._conditions(record)}:"
                )
                for line in table.shape_lines(outcome, reporter._tw.fullwidth - 4):
                    reporter.write_line("    " + line)
            for told in ("claim", "compared", "undecided"):
                if outcome.get(told):
                    reporter.write_line(outcome[told])
        controls = [o["aa"] for o in outcomes if "aa" in o]
        if controls:
            low, high = controls[-1]
            reporter.write_line(f"A/A control (BLAS against itself, the same way): [{low:.3f}, {high:.3f}]")


def _unclocked(outcome: dict[str, Any]) -> dict[str, Any]:
    """The line of a candidate that passed what was selected, but was never timed."""
    fields = dict.fromkeys(records.Record.__dataclass_fields__)
    fields |= {
        "candidate": outcome["candidate"],
        "verdict": "Inconclusive",
        "gate": str(Gate.CLOCK),
        "reason": f"passed up to {outcome['gate']}; the rest was not selected",
        "replay": f"pytest {outcome['nodeid'].rpartition('/')[0]}",
    }
    return fields
