"""What pytest collects: a candidate's folder, its kernel, and one item per gate. Nothing is compiled or imported."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.candidate import KERNEL_FILE, Candidate, Manifest, is_candidate_folder, load
from harness.errors import CandidateError, UserError
from harness.front_door.guard import require_no_conftest
from harness.front_door.session import session_state
from harness.pipeline import GatePassed, Inspection
from harness.report.gate_report import GateReport
from harness.settings import Untimed
from harness.verdict import At, Gate, HarnessError, Inconclusive, PolicyViolation, Rejection, describe
from harness.visible import misleads, readable, visible

__all__ = ["CandidateFolder", "GateItem", "KernelFile", "is_candidate_folder", "yardstick_items"]


class RejectedError(Exception):
    """The candidate fails this session; the exception's text is the one line shown in the report."""


class UntimedWarning(UserWarning):
    """A correct kernel could not be timed, and nothing in this session depends on its timing."""


class CandidateFolder(pytest.Directory):
    """A folder that holds a candidate. Tests, conftest.py files and everything else in it are ignored."""

    def collect(self) -> Iterator[pytest.Collector]:
        """The kernel file, readable or not: the policy gate reports what is wrong with it."""
        path = self.path / KERNEL_FILE
        yield KernelFile.from_parent(self, path=path, **_nodeid(path, self.config.rootpath))


def _nodeid(path: Path, root: Path) -> dict[str, Any]:
    """A node id of its own where pytest's would not do.

    Outside of `root`, pytest names a file relative to the argument that led to it, the same for every candidate.
    Characters that move the cursor or cannot be encoded are escaped.
    """
    inside = path.is_relative_to(root)
    shown = path.relative_to(root).as_posix() if inside else path.as_posix()
    # pytest puts node ids into its environment, for which the locale decides what can be encoded.
    return {"nodeid": visible(shown)} if misleads(readable(shown)) or not inside else {}


def once_each(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[str]]:
    """The items without those of candidates that were collected under a second path, and a notice for each such path.

    A path without symbolic links is preferred. Items that are no gates are kept.
    """
    chosen: dict[tuple[str, Gate], GateItem] = {}
    others: dict[Path, Path] = {}
    for item in items:
        if not isinstance(item, GateItem):
            continue
        real = os.path.realpath(item.path.parent)
        first = chosen.setdefault((real, item.gate), item)
        if first is not item and str(item.path.parent) == real:
            chosen[real, item.gate], first, item = item, item, first
        if first.path != item.path:
            others[item.path.parent] = first.path.parent
    kept = set(chosen.values())
    notices = [
        f"{visible(str(other))} is the same folder as {visible(str(folder))}: judged once"
        for other, folder in others.items()
    ]
    return [item for item in items if not isinstance(item, GateItem) or item in kept], notices


class KernelFile(pytest.File):
    """The kernel.rs of one candidate; `generated` is true for a kernel that this session's round table wrote."""

    generated = False
    # The short name of the machine that judged it, when that is not the run's own.
    machine = ""
    _inspection: Inspection | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """One item per gate, in order."""
        for gate in Gate:
            yield GateItem.from_parent(self, name=str(gate), gate=gate)

    def adopt(self, inspection: Inspection) -> None:
        """Show an inspection that workers have done."""
        self._inspection = inspection

    def inspection(self) -> Inspection:
        """The inspection of the candidate, shared by its gate items."""
        if self._inspection is None:
            shared = session_state(self.config).shared
            try:
                candidate = load(self.path.parent)
                require_no_conftest(self.path.parent)
                self._inspection = Inspection(candidate, shared)
            except CandidateError as error:
                # Nothing of the folder is read from here on, so the escaped path may stand for the real one.
                folder = Path(visible(str(self.path.parent)))
                self._inspection = Inspection(Candidate(folder.name, folder, "", Manifest()), shared)
                self._inspection.verdict = PolicyViolation("contract", str(error), at=At(Gate.POLICY))
        return self._inspection


class YardstickFile(KernelFile):
    """A published crate behind the contract's symbol, judged and timed like any kernel."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item per gate from `shapes` on: Cargo builds the crate from a lock file, so nothing else is checked."""
        for gate in (Gate.SHAPES, Gate.VALUES, Gate.CONDUCT, Gate.CLOCK):
            yield GateItem.from_parent(self, name=str(gate), gate=gate)

    def inspection(self) -> Inspection:
        """The inspection of the crate; Cargo builds the crate on first use."""
        if self._inspection is None:
            from harness.clock import yardsticks

            state = session_state(self.config)
            found = yardsticks.one(self.path.parent.parent.name, state.say)
            manifest = Manifest(title=f"crate {found.name} {found.version}")
            source = self.path.read_text(encoding="utf-8")
            candidate = Candidate(found.name, self.path.parent, source, manifest)
            self._inspection = Inspection.of_trusted(candidate, found.program, state.shared)
        return self._inspection


def yardstick_items(session: pytest.Session) -> list[pytest.Item]:
    """The gate items of every yardstick, for --yardsticks."""
    from harness.clock import yardsticks

    files = [yardsticks.FOLDER / name / "src" / "lib.rs" for name in yardsticks.NAMES]
    nodes = [YardstickFile.from_parent(session, path=path) for path in files]
    return [item for node in nodes for item in node.collect()]


class GateItem(pytest.Item):
    """One gate for one candidate."""

    def __init__(self, *, gate: Gate, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate
        # Set when the gate has run; the plugin attaches it to pytest's report.
        self.gate_report: GateReport | None = None
        if gate is Gate.CLOCK:
            self.add_marker(pytest.mark.perf)
        self.add_marker(pytest.mark.xdist_group(visible(str(self.path.parent))))

    @property
    def kernel(self) -> KernelFile:
        """The candidate's file node."""
        assert isinstance(self.parent, KernelFile)
        return self.parent

    def runtest(self) -> None:
        """Run the gates up to this one; skip when an earlier gate's item has reported a rejection."""
        state = session_state(self.config)
        if state.settings.case and self.gate in (Gate.VALUES, Gate.CONDUCT, Gate.CLOCK):
            pytest.skip("--case replays one counterexample and nothing else")
        inspection = self.kernel.inspection()
        earlier = inspection.rejection
        if earlier is not None and self._already_reported(earlier):
            undecided = isinstance(earlier, HarnessError | Inconclusive)
            pytest.skip(f"{'not judged' if undecided else 'rejected'} by {earlier.at.gate}")
        outcome = state.run_gate(inspection, self.gate)
        kernel = self.kernel
        self.gate_report = state.gate_report(
            inspection, self.gate, kernel.nodeid, kernel.generated, kernel.machine
        )
        self.user_properties.extend(self.gate_report.junit_properties().items())
        if isinstance(outcome, GatePassed):
            self._require_expected_pass(inspection)
        elif isinstance(outcome, Inconclusive) and self.gate is Gate.CLOCK:
            self._require_no_timing(inspection, outcome)
        else:
            self._require_expected_rejection(inspection, outcome)

    def _already_reported(self, earlier: Rejection) -> bool:
        gates = list(Gate)
        return (
            gates.index(earlier.at.gate) < gates.index(self.gate)
            and self.kernel.path in session_state(self.config).reported
        )

    def _require_expected_pass(self, inspection: Inspection) -> None:
        """Fail when an exhibit passed the gate that must reject it, or an accepted kernel misses --min-ratio.

        The item of that gate may not have been selected; then the next one fails.
        """
        manifest, reported = inspection.candidate.manifest, session_state(self.config).reported
        if manifest.expect == "rejected" and not self.kernel.generated:
            gates = list(Gate)
            passed = gates.index(manifest.gate or Gate.CLOCK) <= gates.index(self.gate)
            if passed and self.kernel.path not in reported:
                reported.add(self.kernel.path)
                raise RejectedError(f"expected to be rejected by {manifest.gate or 'a gate'}, but it passed")
        elif inspection.verdict is not None:
            problem = session_state(self.config).gate_problem(inspection)
            if problem:
                raise RejectedError(problem)

    def _require_no_timing(self, inspection: Inspection, outcome: Inconclusive) -> None:
        """A correct kernel without a reliable timing: fail when something depends on the timing, else skip or warn."""
        state, line = session_state(self.config), describe(outcome)
        if self.kernel.generated:
            pytest.xfail(f"UNTIMED: {line}")
        problem = state.untimed_problem(inspection)
        if problem is not None:
            self._add_report_sections(outcome)
            raise RejectedError(f"{problem}: {line}")
        if state.settings.untimed is Untimed.SKIP:
            pytest.skip(line)
        # Not Node.warn: pytest would print a line of the kernel's source. A file name in <…>
        # makes linecache skip the source line.
        where = f"<{self.kernel.nodeid}>"
        warnings.warn_explicit(UntimedWarning(line), category=None, filename=where, lineno=0)

    def _require_expected_rejection(self, inspection: Inspection, rejection: Rejection) -> None:
        """Report a rejection: expected for exhibits, an outcome for generated kernels, else a failure."""
        session_state(self.config).reported.add(self.kernel.path)
        manifest = inspection.candidate.manifest
        line = describe(rejection)
        self._add_report_sections(rejection)
        undecided = isinstance(rejection, HarnessError | Inconclusive)
        if self.kernel.generated:
            pytest.xfail(f"{'UNJUDGED' if undecided else 'REJECTED'}: {line}")
        if manifest.expect == "rejected" and manifest.gate in (None, rejection.at.gate):
            # A fault of the harness or a busy machine is never the rejection that an exhibit expects.
            if not undecided:
                pytest.xfail(f"as expected: {line}")
        elif manifest.expect == "rejected":
            line = f"expected to be rejected by {manifest.gate}, but {rejection.at.gate} rejected it: {line}"
        raise RejectedError(line)

    def _add_report_sections(self, rejection: Rejection) -> None:
        diagnostics = getattr(rejection, "diagnostics", None)
        if diagnostics:
            self.add_report_section("call", "rustc", diagnostics)
        if self.gate_report is not None and self.gate_report.verdict is not None:
            self.add_report_section("call", "replay", self.gate_report.verdict.record.replay)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """One line for a rejection or a user's error; a traceback only for a bug of the harness."""
        if isinstance(excinfo.value, RejectedError | UntimedWarning | UserError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Path, line and title of the item; the line is 0 because pytest requires one for skipped items."""
        path = Path(visible(str(self.path)))
        return path, 0, f"{path.parent.name}::{self.gate}"
