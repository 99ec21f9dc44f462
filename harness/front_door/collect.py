"""What pytest collects: a candidate's folder, its kernel, one item per gate. Nothing is compiled or imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.candidate import KERNEL_FILE, MANIFEST_FILE, Candidate, Manifest, load
from harness.errors import CandidateError
from harness.pipeline import GatePassed, Inspection
from harness.verdict import At, Gate, PolicyViolation, Rejection, describe
from harness.visible import misleads, visible

if TYPE_CHECKING:
    from harness.front_door.session import SessionState


class RejectedError(Exception):
    """The candidate is not what it should be here; its text is the one line of the report."""


def is_candidate_folder(path: Path) -> bool:
    """Whether a folder holds a candidate (even a broken one): then nothing else in it is looked at."""
    return os.path.lexists(path / KERNEL_FILE) or os.path.lexists(path / MANIFEST_FILE)


class CandidateFolder(pytest.Directory):
    """A folder with a candidate in it; tests, conftests and everything else in it are ignored."""

    def collect(self) -> Iterator[pytest.Collector]:
        """Just the kernel, whether it can be read or not; the policy gate says what is wrong with it."""
        yield KernelFile.from_parent(self, path=self.path / KERNEL_FILE, **_plain_id(self, KERNEL_FILE))


def _plain_id(folder: CandidateFolder, file: str) -> dict[str, Any]:
    """A node id of its own where pytest's would print a path that moves the cursor or that no encoder takes."""
    return {"nodeid": visible(f"{folder.nodeid}/{file}")} if misleads(folder.nodeid) else {}


class KernelFile(pytest.File):
    """kernel.rs of one candidate; `generated` marks one that this session's round table wrote."""

    generated = False
    _inspection: Inspection | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """One item per gate, in order."""
        for gate in Gate:
            yield GateItem.from_parent(self, name=str(gate), gate=gate)

    def inspection(self) -> Inspection:
        """The way of this candidate through the gates, shared by its items."""
        if self._inspection is None:
            state = session_state(self.config)
            try:
                candidate = load(self.path.parent)
                self._inspection = Inspection(candidate, state.shared)
            except CandidateError as error:
                # Nothing in it is read any more, so its path may be the one that can be shown.
                folder = Path(visible(str(self.path.parent)))
                unreadable = Candidate(folder.name, folder, "", Manifest())
                self._inspection = Inspection(unreadable, state.shared)
                self._inspection.verdict = PolicyViolation("contract", str(error), at=At(Gate.POLICY))
        return self._inspection


class YardstickFile(KernelFile):
    """A well-known crate behind the contract's symbol, through the same judge and clock as any kernel."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item per judging gate; what Cargo built from a lock file is not a candidate to be compiled."""
        for gate in (Gate.SHAPES, Gate.VALUES, Gate.CONDUCT, Gate.CLOCK):
            yield GateItem.from_parent(self, name=str(gate), gate=gate)

    def inspection(self) -> Inspection:
        """The way of this crate through the judging gates; it is built by Cargo on first use."""
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
    """The items of every yardstick, for --yardsticks."""
    from harness.clock import yardsticks

    files = [yardsticks.FOLDER / name / "src" / "lib.rs" for name in yardsticks.NAMES]
    nodes = [YardstickFile.from_parent(session, path=path) for path in files]
    return [item for node in nodes for item in node.collect()]


class GateItem(pytest.Item):
    """One gate for one candidate."""

    def __init__(self, *, gate: Gate, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate
        # What the reports carry to the summary; plain types, so that it survives xdist.
        self.outcome: dict[str, Any] = {}
        if gate is Gate.CLOCK:
            self.add_marker(pytest.mark.perf)
        self.add_marker(pytest.mark.xdist_group(visible(str(self.path.parent))))

    @property
    def kernel(self) -> KernelFile:
        """The candidate's file node."""
        assert isinstance(self.parent, KernelFile)
        return self.parent

    def runtest(self) -> None:
        """Walk through this gate; a later gate is skipped when an earlier one rejected."""
        if session_state(self.config).settings.case and self.gate in (Gate.VALUES, Gate.CONDUCT, Gate.CLOCK):
            pytest.skip("--case replays one counterexample and nothing else")
        inspection = self.kernel.inspection()
        earlier = inspection.rejection
        if earlier is not None and earlier.at.gate is not self.gate and self._already_told(earlier):
            pytest.skip(f"rejected by {earlier.at.gate}")
        outcome = session_state(self.config).walk(inspection, self.gate)
        self.outcome = session_state(self.config).outcome_of(self, inspection)
        for key, value in self.outcome.get("properties", {}).items():
            self.user_properties.append((key, value))
        if isinstance(outcome, GatePassed):
            self._require_expected_pass(inspection)
        else:
            self._require_expected_rejection(inspection, outcome)

    def _already_told(self, earlier: Rejection) -> bool:
        """An earlier gate's item of this session has reported the rejection (or will: it stands before us)."""
        gates = list(Gate)
        return (
            gates.index(earlier.at.gate) < gates.index(self.gate)
            and self.kernel in session_state(self.config).told
        )

    def _require_expected_pass(self, inspection: Inspection) -> None:
        manifest = inspection.candidate.manifest
        if manifest.expect == "rejected" and not self.kernel.generated:
            if manifest.gate is self.gate or (manifest.gate is None and self.gate is Gate.CLOCK):
                gate = manifest.gate or "a gate"
                raise RejectedError(f"expected to be rejected by {gate}, but it passed")
        elif inspection.verdict is not None:
            problem = session_state(self.config).gate_problem(inspection)
            if problem:
                raise RejectedError(problem)

    def _require_expected_rejection(self, inspection: Inspection, rejection: Rejection) -> None:
        session_state(self.config).told.add(self.kernel)
        manifest = inspection.candidate.manifest
        line = describe(rejection)
        self._show_details(rejection)
        if self.kernel.generated:
            pytest.xfail(f"REJECTED: {line}")
        if manifest.expect == "rejected" and manifest.gate in (None, rejection.at.gate):
            if _is_verdict_on_candidate(rejection):
                pytest.xfail(f"as expected: {line}")
        elif manifest.expect == "rejected":
            line = f"expected to be rejected by {manifest.gate}, but {rejection.at.gate} rejected it: {line}"
        raise RejectedError(line)

    def _show_details(self, rejection: Rejection) -> None:
        details = getattr(rejection, "diagnostics", None)
        if details:
            self.add_report_section("call", "rustc", details)
        replay = self.outcome.get("record", {}).get("replay")
        if replay:
            self.add_report_section("call", "replay", replay)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """One line for what the judge or a person has to say; a traceback only for bugs of the harness."""
        from harness.errors import UserError

        if isinstance(excinfo.value, RejectedError | UserError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the item lives; line 0, because pytest asserts on None for skipped items."""
        path = Path(visible(str(self.path)))
        return path, 0, f"{path.parent.name}::{self.gate}"


def _is_verdict_on_candidate(rejection: Rejection) -> bool:
    """A failure of the harness or of the measurement never counts as the rejection that an exhibit expects."""
    from harness.verdict import HarnessError, Inconclusive

    return not isinstance(rejection, HarnessError | Inconclusive)


STATE: pytest.StashKey[SessionState] = pytest.StashKey()


def session_state(config: pytest.Config) -> SessionState:
    """What this session shares; put into the stash by the plugin."""
    return config.stash[STATE]
