"""The state of one pytest session: the shared, what has been told, records, saved timings to compare with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import records, saved_timings
from harness.durable import append_line
from harness.pipeline import GatePassed, Inspection, SharedTools
from harness.settings import Settings
from harness.verdict import Accepted, Gate, Rejection, Score, Verdict

if TYPE_CHECKING:
    from filelock import FileLock

    from harness.front_door.collect import GateItem, KernelFile


class SessionState:
    """Built once per process by the plugin; items and the round table share it."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.shared = SharedTools(settings, say)
        self.say = say
        self.told: set[KernelFile] = set()
        self._saved: dict[str, saved_timings.Ratio] | None = None
        self._recorded: set[str] = set()
        # Held while this process evolves; released when it ends, however it ends.
        self.lock: FileLock | None = None

    def walk(self, inspection: Inspection, gate: Gate) -> GatePassed | Rejection:
        """Through the gate, and record the verdict as soon as there is one."""
        outcome = (
            replay_case(inspection, gate, self.settings.case)
            if self.settings.case
            else inspection.through(gate)
        )
        if inspection.verdict is not None and self.settings.case is None:
            self._record(inspection, inspection.verdict)
        return outcome

    def circumstances(self, inspection: Inspection) -> records.Circumstances:
        """What the record of this inspection holds for."""
        folder = inspection.candidate.folder
        target = (
            folder.relative_to(self.settings.root) if folder.is_relative_to(self.settings.root) else folder
        )
        sandboxed = not self.settings.unsandboxed
        return records.Circumstances(
            str(inspection.threads), inspection.numerics, sandboxed, str(target), inspection.case
        )

    def facts(self) -> dict[str, Any]:
        """Machine, toolchain and suite, for records and comparisons."""
        machine = self.shared.machine
        return {
            "machine": machine.as_record(),
            "machine_fingerprint": machine.fingerprint,
            "toolchain": self.shared.tools.toolchain.fingerprint,
            "suite": self.settings.suite,
        }

    def outcome_of(self, item: GateItem, inspection: Inspection) -> dict[str, Any]:
        """What the item's report carries: the record when the verdict has fallen, notes, JUnit properties."""
        verdict = inspection.verdict
        outcome: dict[str, Any] = {
            "candidate": inspection.candidate.name,
            "nodeid": item.kernel.nodeid,
            "gate": str(item.gate),
            "generated": item.kernel.generated,
            "notes": inspection.passed[item.gate].notes if item.gate in inspection.passed else {},
            "properties": {"gate": str(item.gate)},
        }
        if verdict is None:
            return outcome
        record = records.record_of(inspection.candidate, verdict, self.circumstances(inspection))
        outcome["record"] = asdict(record)
        outcome["manifest"] = _shown_manifest(inspection)
        shown = (
            "verdict",
            "ratio_to_blas",
            "ratio_low",
            "ratio_high",
            "gflops",
            "time_ms",
            "threads",
            "tier",
            "numerics",
        )
        outcome["properties"] |= {
            key: value for key in shown if (value := outcome["record"][key]) is not None
        }
        if isinstance(verdict, Accepted):
            outcome["per_shape"] = [asdict(t) | {"shape": str(t.shape)} for t in verdict.score.per_shape]
            outcome["baseline"] = verdict.score.baseline
            outcome["aa"] = [verdict.score.aa_low, verdict.score.aa_high]
            outcome["claim"] = self._claim_line(inspection, verdict)
            outcome["compared"] = self._compared(inspection, verdict.score)
            outcome["undecided"] = self._undecided(inspection, verdict.score)
            outcome["ratio"] = asdict(
                saved_timings.of_score(verdict.score, self.facts(), str(inspection.threads))
            )
        return outcome

    def gate_problem(self, inspection: Inspection) -> str | None:
        """Why an accepted candidate still fails the session: below --min-ratio, or surely regressed; else None."""
        verdict = inspection.verdict
        if not isinstance(verdict, Accepted):
            return None
        score = verdict.score
        wanted = self._min_ratio(inspection)
        if wanted and saved_timings.reach(score, wanted) is saved_timings.Reach.BELOW:
            return f"{_shown(score)} is below min_ratio {wanted:g}"
        comparison, limit = self._comparison(inspection, score), self.settings.max_regress
        if comparison is not None and limit is not None and comparison.regressed_by_more_than(limit):
            return f"regressed by more than {limit:g} %: {comparison.why}"
        return None

    def _comparison(self, inspection: Inspection, score: Score) -> saved_timings.Comparison | None:
        """The score beside the save that --compare names; None without the option."""
        if self.settings.compare is None:
            return None
        then = self._then(inspection.candidate.name)
        if then is None:
            return saved_timings.Comparison(
                saved_timings.Comparable.NOT_COMPARABLE, f"not among those of '{self.settings.compare}'"
            )
        return saved_timings.compare(
            saved_timings.of_score(score, self.facts(), str(inspection.threads)), then
        )

    def _compared(self, inspection: Inspection, score: Score) -> str | None:
        found = self._comparison(inspection, score)
        return f"{inspection.candidate.name}: {found.kind} ({found.why})" if found is not None else None

    def _min_ratio(self, inspection: Inspection) -> float | None:
        return self.settings.min_ratio or inspection.candidate.manifest.min_ratio

    def _undecided(self, inspection: Inspection, score: Score) -> str | None:
        """What a person should know when the gate let a kernel pass that it could not see above min_ratio."""
        wanted = self._min_ratio(inspection)
        if not wanted or saved_timings.reach(score, wanted) is not saved_timings.Reach.UNDECIDED:
            return None
        return (
            f"{inspection.candidate.name}: min_ratio {wanted:g} lies within {_shown(score)}: "
            "not shown to be reached, and not failed; a longer --clock-budget narrows the interval"
        )

    def saved_sessions(self) -> saved_timings.SavedSessions:
        """The saved sessions of this checkout."""
        return saved_timings.SavedSessions(self.settings.results / "saved")

    def _then(self, name: str) -> saved_timings.Ratio | None:
        if self._saved is None:
            self._saved = self.saved_sessions().load(self.settings.compare or "latest")
        return self._saved.get(name)

    def _claim_line(self, inspection: Inspection, verdict: Accepted) -> str | None:
        claim = inspection.candidate.manifest.claim
        if claim is None:
            return None
        now = saved_timings.of_score(verdict.score, self.facts(), str(inspection.threads))
        found = saved_timings.compare(now, saved_timings.of_claim(claim, str(inspection.threads)))
        verb = {"agrees": "agree"}.get(found.kind, f"differ, {found.kind} today")
        verb = "cannot be compared" if found.kind is saved_timings.Comparable.NOT_COMPARABLE else verb
        return (
            f"{inspection.candidate.name}: claimed {claim.ratio:.3f} [{claim.ratio_low:.3f}, {claim.ratio_high:.3f}], "
            f"today {now.ratio:.3f} [{now.low:.3f}, {now.high:.3f}]: {verb} ({found.why})"
        )

    def _record(self, inspection: Inspection, verdict: Verdict) -> None:
        """Once per candidate, durable before anything else happens with it."""
        key = str(inspection.candidate.folder)
        if key in self._recorded:
            return
        self._recorded.add(key)
        record = records.record_of(inspection.candidate, verdict, self.circumstances(inspection))
        entry = records.full_record(record, inspection.candidate, verdict, self.facts())
        append_line(self.records_path, entry)

    @property
    def records_path(self) -> Path:
        """Where this machine's verdicts are appended."""
        return self.settings.results / "records" / f"{self.shared.machine.fingerprint}.jsonl"


def replay_case(inspection: Inspection, gate: Gate, case: str) -> GatePassed | Rejection:
    """Only the one counterexample: build as always, then run the case where judging begins."""
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


def _shown(score: Score) -> str:
    return f"{score.ratio:.3f}x BLAS [{score.ratio_low:.3f}, {score.ratio_high:.3f}]"


def _shown_manifest(inspection: Inspection) -> dict[str, Any]:
    """The parts of the manifest that the tables show."""
    manifest = inspection.candidate.manifest
    return {
        "parent": manifest.parent or ", ".join(manifest.parents),
        "expect": manifest.expect,
        "title": manifest.title,
        "proposal": manifest.proposal,
    }
