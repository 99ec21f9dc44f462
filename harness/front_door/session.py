"""The state of one pytest session: shared tools, reported rejections, records, and saved timings to compare with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import records, saved_timings
from harness.announce import Announce
from harness.durable import append_line
from harness.errors import HarnessFaultError, UserError
from harness.pipeline import GatePassed, Inspection, SharedTools
from harness.report.gate_report import GateReport, ManifestFacts, TimingReport, VerdictReport
from harness.settings import Settings, Untimed
from harness.verdict import Accepted, Gate, Rejection, Score, Verdict, describe
from harness.visible import shown_in

if TYPE_CHECKING:
    from filelock import FileLock

    from harness.clock.duel import Duel
    from harness.clock.worker_pair import Rival


class SessionState:
    """Built once per process by the plugin; shared by the gate items and the round table."""

    def __init__(self, settings: Settings, say: Announce) -> None:
        self.settings = settings
        self.shared = SharedTools(settings, say)
        self.say = say
        # Kernel files whose rejection an item of this session has already reported.
        self.reported: set[Path] = set()
        self._saved: dict[str, saved_timings.Ratio] | None = None
        self._recorded: set[str] = set()
        # The rival that --against names, once it is prepared, and the duel of each accepted candidate, by folder.
        self.rival: Rival | None = None
        self._duels: dict[Path, Duel | str] = {}
        # Why records could not be written; empty while they can.
        self.unrecorded = ""
        # Held while this process runs an evolution; the operating system releases it when the process ends.
        self.lock: FileLock | None = None

    def run_gate(self, inspection: Inspection, gate: Gate) -> GatePassed | Rejection:
        """Run all gates up to `gate` that have not run yet; record the verdict as soon as there is one."""
        if self.settings.case:
            return replay_case(inspection, gate, self.settings.case)
        outcome = inspection.through(gate)
        if self.rival is not None and isinstance(inspection.verdict, Accepted):
            self._duel(inspection, self.rival)
        if inspection.verdict is not None:
            self._record(inspection, inspection.verdict)
        return outcome

    def _duel(self, inspection: Inspection, rival: Rival) -> None:
        """Time an accepted candidate against the session's rival, once."""
        folder = inspection.candidate.folder
        if folder in self._duels:
            return
        try:
            found = inspection.duel(rival)
        except HarnessFaultError as fault:
            self._duels[folder] = f"not timed: {fault}"
            return
        self._duels[folder] = found if not isinstance(found, Rejection) else f"not timed: {describe(found)}"

    def _record_of(self, inspection: Inspection, verdict: Verdict) -> records.Record:
        """The record of a verdict, with the duel if there was one."""
        record = records.record_of(inspection.candidate, verdict, self.circumstances(inspection))
        duel = self._duels.get(inspection.candidate.folder)
        if duel is None or isinstance(duel, str):
            return record
        return replace(
            record, rival=duel.rival, rival_ratio=duel.ratio, rival_low=duel.low, rival_high=duel.high
        )

    def circumstances(self, inspection: Inspection) -> records.Circumstances:
        """The conditions under which this inspection's record holds."""
        sandboxed = not self.settings.unsandboxed
        return records.Circumstances(
            str(inspection.threads), inspection.numerics, sandboxed, self._target(inspection), inspection.case
        )

    def _target(self, inspection: Inspection) -> str:
        """The candidate's folder: relative to the checkout, or absolute outside of it."""
        return shown_in(self.settings.root, inspection.candidate.folder)

    def gate_report(
        self, inspection: Inspection, gate: Gate, nodeid: str, generated: bool, machine: str = ""
    ) -> GateReport:
        """The report of one gate's item; `nodeid` is that of the kernel file, `machine` a worker's short name."""
        verdict = inspection.verdict
        return GateReport(
            candidate=inspection.candidate.name,
            nodeid=nodeid,
            gate=str(gate),
            generated=generated,
            verdict=None if verdict is None else self._verdict_report(inspection, verdict, machine),
        )

    def _verdict_report(self, inspection: Inspection, verdict: Verdict, machine: str) -> VerdictReport:
        manifest = inspection.candidate.manifest
        timing = None
        if isinstance(verdict, Accepted):
            score = verdict.score
            comparison = self._comparison(inspection, score)
            remarks = (
                self._claim_line(inspection, verdict),
                self._undecided_line(inspection, score),
                self._installed_line(inspection, score),
            )
            answers = (
                f"{inspection.candidate.name}: {comparison.kind} ({comparison.why})" if comparison else None,
                *duel_lines(inspection.candidate.name, self._duels.get(inspection.candidate.folder)),
            )
            timing = TimingReport(
                per_shape=score.per_shape,
                baseline=score.baseline,
                control_low=score.aa_low,
                control_high=score.aa_high,
                ratio=saved_timings.of_score(
                    score,
                    self._facts(inspection),
                    str(inspection.threads),
                ),
                remarks=tuple(line for line in remarks if line),
                answers=tuple(line for line in answers if line),
                uncompared=comparison.why if comparison is not None and comparison.change is None else "",
            )
        return VerdictReport(
            record=self._record_of(inspection, verdict),
            manifest=ManifestFacts(
                parent=manifest.parent or ", ".join(manifest.parents),
                expect=manifest.expect,
                title=manifest.title or "",
                proposal=manifest.proposal,
            ),
            timing=timing,
            machine=machine,
        )

    @staticmethod
    def _facts(inspection: Inspection) -> dict[str, Any]:
        return inspection.shared.facts(str(inspection.threads), inspection.candidate.manifest.operation)

    def gate_problem(self, inspection: Inspection) -> str | None:
        """Why an accepted candidate still fails the session: below --min-ratio, or a regression; else None."""
        verdict = inspection.verdict
        if not isinstance(verdict, Accepted):
            return None
        score = verdict.score
        wanted = self._min_ratio(inspection)
        if wanted and saved_timings.reach(score, wanted) is saved_timings.Reach.BELOW:
            return f"{_ratio_text(score)} is below min_ratio {wanted:g}"
        comparison, limit = self._comparison(inspection, score), self.settings.max_regress
        if comparison is not None and limit is not None and comparison.regressed_by_more_than(limit):
            return f"regressed by more than {limit:g} %: {comparison.why}"
        return None

    def untimed_problem(self, inspection: Inspection) -> str | None:
        """Why a correct kernel without a reliable timing fails the session; None when nothing depends on its timing."""
        manifest = inspection.candidate.manifest
        if manifest.expect == "rejected":
            return f"expected to be rejected by {manifest.gate or 'a gate'}, which is not decided"
        if self.settings.untimed is not Untimed.AUTO:
            return "--untimed fail" if self.settings.untimed is Untimed.FAIL else None
        wanted = self._min_ratio(inspection)
        if wanted:
            return f"min_ratio {wanted:g} cannot be decided"
        limit = self.settings.max_regress
        if limit is not None and self._saved_timing(inspection) is not None:
            return f"--max-regress {limit:g} cannot be decided"
        return None

    def _saved_timing(self, inspection: Inspection) -> saved_timings.Ratio | None:
        """The candidate's timing in the session that --compare names; None when there is none."""
        if self.settings.compare is None:
            return None
        if self._saved is None:
            self._saved = self.saved_sessions().load(self.settings.compare)
        return self._saved.get(records.saved_name(inspection.candidate.name, self._target(inspection)))

    def _comparison(self, inspection: Inspection, score: Score) -> saved_timings.Comparison | None:
        """The score compared with the saved session that --compare names; None without the option."""
        if self.settings.compare is None:
            return None
        then = self._saved_timing(inspection)
        if then is None:
            return saved_timings.Comparison(
                saved_timings.Comparable.NOT_COMPARABLE, f"not among those of '{self.settings.compare}'"
            )
        now = saved_timings.of_score(
            score,
            self._facts(inspection),
            str(inspection.threads),
        )
        return saved_timings.compare(now, then)

    def _min_ratio(self, inspection: Inspection) -> float | None:
        return self.settings.min_ratio or inspection.candidate.manifest.min_ratio

    def _undecided_line(self, inspection: Inspection, score: Score) -> str | None:
        """A remark when min_ratio lies inside the interval, so that the gate neither fails nor confirms the kernel."""
        wanted = self._min_ratio(inspection)
        if not wanted or saved_timings.reach(score, wanted) is not saved_timings.Reach.UNDECIDED:
            return None
        return (
            f"{inspection.candidate.name}: min_ratio {wanted:g} lies within {_ratio_text(score)}: "
            "neither confirmed nor failed; a longer --clock-budget narrows the interval"
        )

    def _installed_line(self, inspection: Inspection, score: Score) -> str | None:
        """A remark with the ratio to the library as installed, where the baseline has other kernels."""
        if score.installed_ratio is None:
            return None
        own = inspection.shared is self.shared
        installed = self.shared.clock.installed if own else score.baseline.partition(" (")[0]
        return f"{inspection.candidate.name}: {score.installed_ratio:.3f}x {installed} as installed"

    def _claim_line(self, inspection: Inspection, verdict: Accepted) -> str | None:
        """A remark that compares today's ratio with the claim in candidate.toml; None without a claim."""
        claim = inspection.candidate.manifest.claim
        if claim is None:
            return None
        threads = str(inspection.threads)
        now = saved_timings.of_score(verdict.score, self._facts(inspection), threads)
        found = saved_timings.compare(now, saved_timings.of_claim(claim, threads))
        outcome = {
            saved_timings.Comparable.AGREES: "agree",
            saved_timings.Comparable.NOT_COMPARABLE: "cannot be compared",
        }.get(found.kind, f"differ, {found.kind} today")
        return (
            f"{inspection.candidate.name}: claimed {claim.ratio:.3f} [{claim.ratio_low:.3f}, {claim.ratio_high:.3f}], "
            f"today {now.ratio:.3f} [{now.low:.3f}, {now.high:.3f}]: {outcome} ({found.why})"
        )

    def saved_sessions(self) -> saved_timings.SavedSessions:
        """The sessions saved with --save in this checkout."""
        return saved_timings.SavedSessions(self.settings.results / "saved")

    def _record(self, inspection: Inspection, verdict: Verdict) -> None:
        """Append the record to this machine's file, once per candidate; on disk when this returns.

        Where it cannot be written (a read-only checkout, a full disk), the verdict stands; `unrecorded` says why.
        """
        machine = inspection.shared.machine.fingerprint
        key = f"{machine} {inspection.candidate.folder}"
        if key in self._recorded:
            return
        self._recorded.add(key)
        record = self._record_of(inspection, verdict)
        entry = records.full_record(
            record,
            inspection.candidate,
            verdict,
            self._facts(inspection),
        )
        try:
            append_line(records.file_of(self.settings.results, machine), entry)
        except UserError as error:
            self.unrecorded = str(error)


STATE: pytest.StashKey[SessionState] = pytest.StashKey()


def session_state(config: pytest.Config) -> SessionState:
    """The state that the plugin put into pytest's stash."""
    return config.stash[STATE]


def replay_case(inspection: Inspection, gate: Gate, case: str) -> GatePassed | Rejection:
    """Run one counterexample only: policy, compile and audit as usual, then the case at the gate `shapes`."""
    built = inspection.through(min(gate, Gate.AUDIT, key=list(Gate).index))
    if gate is not Gate.SHAPES or not isinstance(built, GatePassed):
        return built
    from harness.judge import examine
    from harness.judge.examination import Examined

    outcome = examine.replay(inspection.examination, case)
    if isinstance(outcome, Examined):
        return GatePassed(gate, 0.0, dict(outcome.notes) | {"case": case})
    inspection.verdict = outcome
    return outcome


def duel_lines(name: str, duel: Duel | str | None) -> list[str]:
    """What the summary says of a candidate's duel: the mean, and the shapes at which it is slower."""
    if duel is None or isinstance(duel, str):
        return [] if duel is None else [f"{name}: {duel}"]
    lines = [f"{name} against {duel.rival}: {duel}, {duel.standing} ({duel.seconds:.0f} s)"]
    if duel.lost:
        slower = {one.shape: one for one in duel.per_shape}
        told = ", ".join(f"{shape} ({slower[shape].ratio:.3f}x)" for shape in duel.lost)
        lines.append(f"    slower at {told}")
    return lines


def _ratio_text(score: Score) -> str:
    claimed, where = (
        score.claimed,
        " at secret shapes near the timed ones" if score.is_tuned_to_the_suite else "",
    )
    return f"{claimed.ratio:.3f}x BLAS{where} [{claimed.ratio_low:.3f}, {claimed.ratio_high:.3f}]"
