"""An evolution with workers, without processes: order of events, several machines, a resumed run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import records
from harness.candidate import Candidate, Manifest
from harness.fleet.dealer import Dealer
from harness.fleet.ticket_log import LOG, TicketLog
from harness.fleet.wire import Conditions, Job, JobOutcome
from harness.memory.kernels import KernelMemory, open_memory
from harness.report import portfolio
from harness.report.gate_report import GateReport, VerdictReport
from harness.report.portfolio import KindResult
from harness.report.table import results_table
from harness.roundtable.conversation.budget import Spending
from harness.roundtable.conversation.interfaces import MachineVerdict
from harness.settings import Settings
from harness.verdict import Accepted, Gate, Verdict
from tests.fleet.fakes import KIN, FakePort, Plan, facts_of, outcome_of
from tests.roundtable.support import AVX2, Scene, accepted, by_schedule, does_not_compile

CONDITIONS = Conditions.of(Settings(Path(), Path(), Path(), "", suite="64x64x64"))


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[KernelMemory]:
    with open_memory(str(tmp_path / "memory")) as opened:
        yield opened


@pytest.fixture
def scene(tmp_path: Path, memory: KernelMemory) -> Scene:
    return Scene(tmp_path, memory)


def judged_by_schedule(job: Job) -> JobOutcome:
    """As `by_schedule`, a tenth faster on the other machine."""
    candidate = Candidate(job.candidate, Path(), job.source, Manifest.model_validate(job.manifest))
    verdict = by_schedule(candidate)
    assert isinstance(verdict, Accepted)
    better = 1.1 if job.fingerprint == KIN.fingerprint else 1.0
    found = replace(accepted(verdict.score.ratio * better), tier=candidate.manifest.tier)
    return outcome_of(job, found, len(Gate))


class DealtJudge:
    """Judge and workers of a scene over a fake port, as the front door has them."""

    def __init__(self, run: Path, port: FakePort) -> None:
        self.log = TicketLog(run, facts_of(AVX2).version)
        self.dealer = Dealer(port, AVX2, CONDITIONS, self.log, lambda line: None, now_s=port.clock_s)
        self.port = port
        self.found: dict[str, dict[str, JobOutcome]] = {}

    def deal(self, candidates: Sequence[Candidate]) -> None:
        self.dealer.deal(candidates)

    def elsewhere(self, candidate: str) -> Sequence[MachineVerdict]:
        others = [one for kind, one in self.found[candidate].items() if kind != AVX2.fingerprint]
        return [MachineVerdict(KIN, "rustc there", one.decoded) for one in others if one.decoded is not None]

    def __call__(self, candidate: Candidate) -> Verdict:
        self.found[candidate.name] = dict(self.dealer.outcomes(candidate.name))
        verdict = self.found[candidate.name][AVX2.fingerprint].decoded
        assert verdict is not None
        return verdict


def run(scene: Scene, port: FakePort, run_id: str = "r1", **changes: Any) -> DealtJudge:
    judge = DealtJudge(scene.root / "results" / run_id, port)
    try:
        scene.run(judge=judge, run_id=run_id, workers=judge, **changes)
    finally:
        judge.dealer.close()
    return judge


def kinds_of(scene: Scene, run_id: str = "r1") -> list[str]:
    return [
        line["message"]["content"]["kind"] for line in scene.lines(run_id, "journal") if "message" in line
    ]


def test_a_generation_is_written_before_any_of_it_is_judged_and_no_kernel_twice(scene: Scene) -> None:
    judge = run(scene, FakePort({"a": Plan(), "b": Plan()}, judged_by_schedule), generate=2, population=3)
    written = ["proposed", "verified", "coded"] * 3
    assert kinds_of(scene) == 2 * [*written, *["judged", "remembered"] * 3]
    sources = {job.source for job, _ in judge.port.submitted}
    assert len(sources) == len(judge.port.submitted) == 6


def test_a_second_generation_builds_on_the_first(scene: Scene) -> None:
    run(scene, FakePort({"a": Plan()}, judged_by_schedule), generate=2, population=2)
    coded = [
        line["message"]["content"]
        for line in scene.lines("r1", "journal")
        if line.get("message", {}).get("content", {}).get("kind") == "coded"
    ]
    assert {name for one in coded[2:] for name in one["manifest"].get("parents", ())} <= {
        one["candidate"] for one in coded[:2]
    }
    assert any(one["manifest"].get("parents") for one in coded[2:])


def test_the_journal_does_not_depend_on_which_worker_was_faster(tmp_path: Path) -> None:
    def journal(name: str, plans: dict[str, Plan]) -> list[Any]:
        with open_memory(str(tmp_path / name / "memory")) as memory:
            scene = Scene(tmp_path / name, memory)
            run(scene, FakePort(plans, judged_by_schedule), generate=2, population=3)
            return [line["message"] for line in scene.lines("r1", "journal") if "message" in line]

    def told(messages: list[Any]) -> list[Any]:
        return [(one["content"]["kind"], one["turn"], one["content"].get("candidate")) for one in messages]

    one = journal("one", {"a": Plan(job_s=1), "b": Plan(job_s=30)})
    other = journal("other", {"a": Plan(job_s=30), "b": Plan(job_s=2), "c": Plan(dies_s=1)})
    assert told(one) == told(other)
    sources = [
        [m["content"]["source"] for m in found if m["content"]["kind"] == "coded"] for found in (one, other)
    ]
    assert sources[0] == sources[1]


def test_the_memory_keeps_a_kernel_once_per_machine(scene: Scene) -> None:
    port = FakePort({"home": Plan(AVX2), "kin": Plan(KIN)}, judged_by_schedule)
    run(scene, port, generate=1, population=2)
    kept = scene.memory.everything()
    assert sorted((one.name[-3:], one.machine) for one in kept) == sorted(
        (name, machine.fingerprint) for name in ("001", "002") for machine in (AVX2, KIN)
    )
    ratios = {(one.name, one.machine): one.ratio for one in kept}
    for name in {one.name for one in kept}:
        assert ratios[name, KIN.fingerprint] == pytest.approx(1.1 * ratios[name, AVX2.fingerprint])
    best = {machine.cpu: scene.memory.best(1, machine.machine_class)[0] for machine in (AVX2, KIN)}
    assert {name: one.machine for name, one in best.items()} == {
        AVX2.cpu: AVX2.fingerprint,
        KIN.cpu: KIN.fingerprint,
    }


def test_a_resumed_run_takes_what_had_arrived_and_judges_the_rest(scene: Scene) -> None:
    class KilledError(Exception):
        pass

    port = FakePort({"a": Plan()}, judged_by_schedule)
    done = port.done

    def killed_after_two(timeout_s: float) -> Any:
        if (scene.root / "results" / "r1" / LOG).read_text().count('"what": "outcome"') == 2:
            raise KilledError
        return done(timeout_s)

    port.done = killed_after_two  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        run(scene, port, generate=1, population=4)
    again = FakePort({"a": Plan()}, judged_by_schedule)
    run(scene, again, generate=1, population=4, resume=True)
    assert [job.candidate[-3:] for job, _ in again.submitted] == ["003", "004"]
    assert kinds_of(scene).count("judged") == 4
    assert len(scene.memory.everything()) == 4


def test_what_workers_have_begun_is_recorded_when_the_budget_is_used_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = FakePort({"a": Plan(), "b": Plan()}, judged_by_schedule)
    monkeypatch.setattr(Spending, "exhausted", lambda self: "used up" if port.submitted else None)
    run(scene, port, generate=3, population=3)
    assert kinds_of(scene).count("judged") == kinds_of(scene).count("coded") == 3
    assert len(scene.memory.everything()) == 3


def shown(machine: str, name: str, ratio: float | None) -> VerdictReport:
    verdict = accepted(ratio) if ratio else does_not_compile()
    candidate = Candidate(name, Path(), "", Manifest())
    around = records.Circumstances("1", "componentwise", True, name)
    return VerdictReport(records.record_of(candidate, verdict, around), machine=machine)


def test_the_table_has_a_column_for_each_further_kind_of_machine() -> None:
    verdicts = [
        shown("avx512-1234", "one", 1.5),
        shown("", "one", 1.1),
        shown("avx512-1234", "two", None),
        shown("", "two", 1.2),
        shown("", "three", 1.0),
    ]
    header, _, *rows = results_table(verdicts, 200)
    assert header.index("ratio to BLAS") < header.index("avx512-1234") < header.index("verdict")
    assert [row.split()[1] for row in rows] == ["two", "one", "three"], "the home's ratio ranks"
    assert "1.50 [1.47, 1.53]" in rows[1]
    assert "rejected" in rows[0]
    assert GateReport("two", "id", "clock", True, verdicts[0]) == GateReport.from_plain(
        GateReport("two", "id", "clock", True, verdicts[0]).to_plain()
    )


def test_on_one_kind_of_machine_the_table_is_as_it_was() -> None:
    header = results_table([shown("", "one", 1.1)], 200)[0]
    assert header.split()[-1] == "verdict"
    assert "avx" not in header


def kind_result(machine: Any, name: str, ratio: float) -> KindResult:
    return KindResult(machine, name, accepted(ratio))


def test_the_portfolio_is_the_best_of_each_kind_and_the_command_to_export_it() -> None:
    results = [
        kind_result(AVX2, "one", 1.0),
        kind_result(AVX2, "two", 1.2),
        kind_result(KIN, "one", 1.3),
        kind_result(KIN, "two", 1.1),
        KindResult(KIN, "three", does_not_compile()),
    ]
    told = portfolio.lines(results)
    assert told[0].startswith(f"best on {portfolio.label(AVX2)} (Test CPU / x86_64 avx2): two, 1.200x")
    assert told[1].startswith(f"best on {portfolio.label(KIN)} (Kin CPU / x86_64 avx2): one, 1.300x")
    assert told[2] == "portfolio: python -m harness.export candidates/two candidates/one --to FOLDER"


def test_one_kind_of_machine_needs_no_portfolio() -> None:
    assert portfolio.lines([kind_result(AVX2, "one", 1.0)]) == []
