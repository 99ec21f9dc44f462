"""What a session reports: the verdicts file, saved timings, the exit code, the table, the page, the CI summary."""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest

from harness import records
from harness.durable import write_whole
from harness.errors import UserError
from harness.front_door.arguments import is_xdist_worker
from harness.front_door.session import session_state
from harness.records import Outcome
from harness.report.gate_report import GateReport, VerdictReport
from harness.settings import Settings, Uncompared
from harness.verdict import Gate
from harness.visible import shown_in


class SessionReport:
    """Collects the gate reports of a session, its own or those of xdist's workers, and shows them."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        # By the node id of the kernel file.
        self.verdicts: dict[str, VerdictReport] = {}
        self.unfinished: dict[str, GateReport] = {}
        self.generated_accepted = 0
        # Candidates whose line --verdicts could not take, with the reason.
        self.lost_verdicts: dict[str, str] = {}
        # Lines printed below the table.
        self.notices: list[str] = []
        self._interrupted = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the gate report of an item; append the verdict to --verdicts as soon as it is known."""
        plain = getattr(report, "roundtable", None)
        if not plain:
            return
        found = GateReport.from_plain(plain)
        if found.verdict is None:
            self.unfinished[found.nodeid] = found
            return
        self.unfinished.pop(found.nodeid, None)
        if found.nodeid in self.verdicts:
            return
        self.verdicts[found.nodeid] = found.verdict
        if found.generated and found.verdict.accepted:
            self.generated_accepted += 1
        self._append_verdict(asdict(found.verdict.record))

    def _append_verdict(self, record: dict[str, Any]) -> None:
        if self.settings.verdicts is None or is_xdist_worker(self.config):
            return
        try:
            with self.settings.verdicts.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        except OSError as error:
            self.lost_verdicts[str(record["candidate"])] = str(error.strerror)

    def finish(self, session: pytest.Session) -> None:
        """Write --save and the verdicts of candidates that were not timed; set the exit code of --generate."""
        if is_xdist_worker(self.config):
            return
        if self.settings.save is not None and self.verdicts:
            self._save(session, self.settings.save)
        for report in self.unfinished.values():
            self._append_verdict(_not_timed(report))
        self._tell_lost_verdicts(session)
        if unrecorded := session_state(session.config).unrecorded:
            self.notices.append(
                f"not recorded: {unrecorded}; the verdicts stand; --results FOLDER records elsewhere"
            )
        self._interrupted = session.exitstatus == pytest.ExitCode.INTERRUPTED
        if self.settings.generate and self._interrupted:
            from harness.front_door.first_words import resume_command

            self.notices.append(f"interrupted, nothing is lost; to go on: {resume_command(self.settings)}")
        self._tell_undecided()
        self._tell_uncompared(session)
        if self.settings.generate and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            good = self.generated_accepted > 0
            if not good:
                self.notices.append(self._why_none_was_accepted())
            session.exitstatus = pytest.ExitCode.OK if good else pytest.ExitCode.TESTS_FAILED

    def _why_none_was_accepted(self) -> str:
        """One line for an evolution without an accepted kernel: how many candidates had which outcome."""
        outcomes = Counter(verdict.record.outcome for verdict in self.verdicts.values())
        if not outcomes:
            return "no candidate was accepted; none was judged"
        counts = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in Outcome if outcomes[outcome])
        busy = outcomes[Outcome.UNTIMED] + outcomes[Outcome.UNJUDGED]
        return f"no candidate was accepted; {counts}" + (": repeat on a quieter machine" if busy else "")

    def _tell_undecided(self) -> None:
        """A gate on timings that was asked for, but not selected, is not passed silently."""
        gates = {"--min-ratio": self.settings.min_ratio, "--max-regress": self.settings.max_regress}
        asked = " and ".join(option for option, limit in gates.items() if limit is not None)
        if asked and self.unfinished:
            self.notices.append(
                f"{asked}: not decided for {len(self.unfinished)} candidate(s), whose gate clock was not selected"
            )

    def _tell_uncompared(self, session: pytest.Session) -> None:
        """A comparison that --compare asked for and that could not be made; without any, --max-regress has not passed.

        --uncompared allow accepts that, for example in the first session on a new machine.
        """
        timings = [verdict.timing for verdict in self.verdicts.values() if verdict.timing is not None]
        reasons = [timing.uncompared for timing in timings if timing.uncompared]
        if self.settings.compare is None or not reasons:
            return
        count = f"{len(reasons)} of {len(timings)} timing(s)"
        line = f"--compare {self.settings.compare}: {count} could not be compared ({reasons[0]})"
        if len(reasons) == len(timings) and self.settings.max_regress is not None:
            fails = self.settings.uncompared is Uncompared.FAIL
            line += "; --max-regress decided nothing" + (
                "; to allow that: --uncompared allow" if fails else ""
            )
            if fails and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self.notices.append(line)

    def _tell_lost_verdicts(self, session: pytest.Session) -> None:
        """A session that could not write all of --verdicts does not succeed."""
        if self.lost_verdicts:
            names, why = ", ".join(self.lost_verdicts), next(iter(self.lost_verdicts.values()))
            self.notices.append(f"--verdicts {self.settings.verdicts}: incomplete, without {names}: {why}")
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _save(self, session: pytest.Session, name: str) -> None:
        ratios = {
            records.saved_name(v.record.candidate, v.record.path): v.timing.ratio
            for v in self.verdicts.values()
            if v.timing is not None
        }
        if not ratios:
            self.notices.append(f"--save {name}: no kernel was timed; nothing is saved")
            return
        try:
            path = session_state(session.config).saved_sessions().save(name, ratios)
            self.notices.append(f"saved {len(ratios)} timing(s) as {path}")
        except UserError as error:
            self.notices.append(str(error))
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def print_to(self, reporter: pytest.TerminalReporter) -> None:
        """Print the table and the lines below it; under -q the table and the answers only, every shape under -v."""
        from harness.report import table

        if self.verdicts:
            reporter.section("kernels", sep="=")
            verdicts = distinct(list(self.verdicts.values()))
            for line in table.results_table(verdicts, reporter._tw.fullwidth):
                reporter.write_line(line)
            if reporter.verbosity >= 0:
                self._print_details(reporter, verdicts)
            else:
                self._print_answers(reporter, verdicts)
        # Ctrl-C may come between a candidate's record and its report: its run is in the journal all the same.
        if self.verdicts or self._interrupted:
            self._write_page()
        if os.environ.get("GITHUB_ACTIONS") == "true":
            self._write_ci_summary(reporter)
        for notice in self.notices:
            reporter.write_line(notice)

    def _print_details(self, reporter: pytest.TerminalReporter, verdicts: list[VerdictReport]) -> None:
        from harness.report import table

        control = None
        for verdict in verdicts:
            record, timing = verdict.record, verdict.timing
            if timing is None:
                # An unreliable timing is caused by the machine; its reason is printed once, below.
                brief = verdict.untimed and reporter.verbosity == 0
                reporter.write_line(f"{record.candidate}: {record.outcome if brief else record.reason}")
                reporter.write_line(f"    replay: {record.replay}")
                continue
            if reporter.verbosity > 0 or len(verdicts) == 1:
                reporter.write_line(
                    f"{record.candidate}, against {timing.baseline}, {self._conditions(record)}:"
                )
                for line in table.shape_lines(timing.per_shape, reporter._tw.fullwidth - 4):
                    reporter.write_line("    " + line)
                if record.numerics == "normwise" and (error := table.error_at_largest(timing.per_shape)):
                    reporter.write_line(f"    a fast scheme: {error}")
            for line in (*timing.remarks, *timing.answers):
                reporter.write_line(line)
            control = f"[{timing.control_low:.3f}, {timing.control_high:.3f}]"
        for line in untimed_lines(verdicts):
            reporter.write_line(line)
        if control is not None:
            reporter.write_line(f"A/A control (BLAS timed against itself in the same way): {control}")

    def _print_answers(self, reporter: pytest.TerminalReporter, verdicts: list[VerdictReport]) -> None:
        for verdict in verdicts:
            for line in verdict.timing.answers if verdict.timing else ():
                reporter.write_line(line)

    def _conditions(self, record: records.Record) -> str:
        """The conditions of a timing, for example "thread class 1, hot data"."""
        from harness.clock.suites import is_cold

        return f"thread class {record.threads}, {'cold' if is_cold(self.settings.suite) else 'hot'} data"

    def _write_page(self) -> None:
        """Write report.html. Only an evolution does so: a gate changes nothing in the checkout."""
        if not self.settings.generate:
            return
        from harness.report.findings import findings
        from harness.report.page import FILE, page
        from harness.report.run_story import find_runs, read_story

        results, path = self.settings.results, self.settings.results / FILE
        try:
            # This session holds the lock of evolutions, so the newest run is its own.
            story = read_story(find_runs((), results), results, self.settings.candidates)
            write_whole(path, page(story), make_folder=True)
        except UserError as error:
            # An interrupted session may have no run yet.
            self.notices += [str(error)] if self.verdicts else []
            return
        self.notices.append(f"page: {shown_in(self.settings.root, path)}")
        # The two best kernels have met in a duel already, and the crate of several machines' kernels is told above.
        told = [step for step in findings(story).steps if "--against" not in step.command]
        steps = [step for step in told if not any(line.endswith(step.command) for line in self.notices)]
        self.notices += [f"next: {step.command}    # {step.why}" for step in steps]

    def _write_ci_summary(self, reporter: pytest.TerminalReporter) -> None:
        from harness import machine
        from harness.report import github

        failed = [
            (r.nodeid, str(r.longrepr).splitlines()[-1])
            for r in reporter.stats.get("failed", [])
            if r.longrepr
        ]
        untimed = [(nodeid, v.record.reason) for nodeid, v in self.verdicts.items() if v.untimed]
        for line in github.annotate(failed) + github.annotate(untimed, "warning"):
            reporter.write_line(line)
        target = github.summary_file()
        if target is None or not self.verdicts:
            return
        try:
            with target.open("a", encoding="utf-8") as file:
                file.write(
                    github.job_summary(distinct(list(self.verdicts.values())), machine.read().description)
                )
        except OSError as error:
            reporter.write_line(
                f"::warning::GITHUB_STEP_SUMMARY {target}: cannot be written: {error.strerror}"
            )


def untimed_lines(verdicts: Sequence[VerdictReport]) -> list[str]:
    """One line per thread class of which a kernel could not be timed: how many, and the reason of the first."""
    classes: dict[str, list[VerdictReport]] = {}
    for verdict in verdicts:
        if verdict.untimed:
            classes.setdefault(verdict.record.threads, []).append(verdict)
    return [
        f"thread class {threads} cannot be timed reliably here and now: {len(found)} kernel(s) "
        f"{found[0].record.reason}"
        for threads, found in classes.items()
    ]


def distinct(verdicts: list[VerdictReport]) -> list[VerdictReport]:
    """The verdicts with the candidate's path in place of its name where several have the same name."""
    names = Counter(verdict.record.candidate for verdict in verdicts if not verdict.machine)
    return [
        replace(v, record=replace(v.record, candidate=v.record.path)) if names[v.record.candidate] > 1 else v
        for v in verdicts
    ]


def _not_timed(report: GateReport) -> dict[str, Any]:
    """The --verdicts line of a candidate that passed every selected gate but was not timed."""
    fields = dict.fromkeys(records.Record.__dataclass_fields__)
    folder = report.nodeid.rpartition("/")[0]
    return fields | {
        "candidate": report.candidate,
        "path": folder,
        "outcome": Outcome.UNTIMED if report.gate == Gate.CONDUCT else Outcome.UNJUDGED,
        "verdict": "Inconclusive",
        "gate": str(Gate.CLOCK),
        "reason": f"passed up to {report.gate}; the later gates were not selected",
        "replay": f"pytest {shlex.quote(folder)}",
    }
