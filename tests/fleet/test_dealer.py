"""The dealer on a virtual clock: which job goes where, what is lost, and that the order of arrival changes nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from harness.candidate import Candidate, Manifest
from harness.errors import UserError
from harness.fleet.dealer import ABSENT_S, ATTEMPTS, Dealer
from harness.fleet.ticket_log import LOG, TicketLog
from harness.fleet.wire import Conditions, Job, JobOutcome, JobStage
from harness.machine import Machine
from harness.settings import Settings
from harness.verdict import Accepted, At, Cheat, Gate, HarnessError, Inconclusive, TooFast
from tests.fleet.fakes import AVX512, KIN, FakePort, Plan, facts_of, fine, outcome_of
from tests.roundtable.support import AVX2, accepted, does_not_compile

VERSION = facts_of(AVX2).version
CONDITIONS = Conditions.of(Settings(Path(), Path(), Path(), "", suite="64x64x64"))


def kernel(number: int, source: str = "") -> Candidate:
    return Candidate(f"gen-r1-{number:03d}", Path("nowhere"), f"// kernel {number}\n{source}", Manifest())


class Scenery:
    """A dealer over a fake port, with its log in a folder."""

    def __init__(self, run: Path, port: FakePort, home: Machine = AVX2, **options: object) -> None:
        self.port, self.run = port, run
        self.said: list[str] = []
        log = TicketLog(run, VERSION)
        self.dealer = Dealer(port, home, CONDITIONS, log, self.said.append, now_s=port.clock_s, **options)  # type: ignore[arg-type]

    def judge(self, *kernels: Candidate) -> list[dict[str, JobOutcome]]:
        self.dealer.deal(kernels)
        return [dict(self.dealer.outcomes(one.name)) for one in kernels]


def verdicts(found: list[dict[str, JobOutcome]]) -> list[list[str]]:
    return [[type(one.decoded).__name__ for one in kinds.values()] for kinds in found]


def stages(port: FakePort) -> list[tuple[str, str, str]]:
    return [(job.candidate[-3:], worker, job.stage) for job, worker in port.submitted]


def test_two_workers_of_a_kind_share_a_generation(tmp_path: Path) -> None:
    scenery = Scenery(tmp_path, FakePort({"a": Plan(), "b": Plan()}))
    assert verdicts(scenery.judge(*map(kernel, range(6)))) == [["Accepted"]] * 6
    assert scenery.port.now_s == pytest.approx(30, abs=1)
    assert [worker for _, worker, _ in stages(scenery.port)] == ["a", "b"] * 3


def test_correctness_is_judged_once_per_vector_unit_and_timing_on_every_kind(tmp_path: Path) -> None:
    def judge(job: Job) -> JobOutcome:
        return outcome_of(job, accepted(1.2), len(Gate), {"64x64x64": 1})

    port = FakePort({"home": Plan(AVX2), "kin": Plan(KIN), "wide": Plan(AVX512)}, judge)
    found = Scenery(tmp_path, port).judge(kernel(1))[0]
    assert next(iter(found)) == AVX2.fingerprint
    assert set(found) == {one.fingerprint for one in (AVX2, KIN, AVX512)}
    done = {worker: job for job, worker in port.submitted}
    assert {worker: job.stage for worker, job in done.items()} == {
        "home": JobStage.WHOLE,
        "wide": JobStage.WHOLE,
        "kin": JobStage.TIMING,
    }
    assert done["kin"].levels == {"64x64x64": 1}, "the clock needs to know what the other gates have found"


def test_a_rejection_holds_for_all_machines_of_the_vector_unit_and_costs_one_judging(tmp_path: Path) -> None:
    port = FakePort(
        {"home": Plan(AVX2), "kin": Plan(KIN)}, lambda job: outcome_of(job, does_not_compile(), 1)
    )
    found = Scenery(tmp_path, port).judge(kernel(1))[0]
    assert verdicts([found]) == [["CompileError", "CompileError"]]
    assert found[KIN.fingerprint].fingerprint == KIN.fingerprint
    assert len(port.submitted) == 1


def test_a_rejection_by_one_clock_is_not_that_of_another(tmp_path: Path) -> None:
    def judge(job: Job) -> JobOutcome:
        if job.fingerprint == KIN.fingerprint:
            return fine(job)
        return outcome_of(job, TooFast(1.0, 2.0, At(Gate.CLOCK)), len(Gate) - 1)

    port = FakePort({"home": Plan(AVX2), "kin": Plan(KIN)}, judge)
    assert verdicts(Scenery(tmp_path, port).judge(kernel(1))) == [["TooFast", "Accepted"]]


def test_a_leader_that_decided_nothing_is_followed_by_a_judging_in_full(tmp_path: Path) -> None:
    def judge(job: Job) -> JobOutcome:
        if job.fingerprint == KIN.fingerprint:
            return fine(job)
        return outcome_of(job, Inconclusive("busy", At(Gate.SHAPES)), 3)

    port = FakePort({"home": Plan(AVX2), "kin": Plan(KIN)}, judge)
    assert verdicts(Scenery(tmp_path, port).judge(kernel(1))) == [["Inconclusive", "Accepted"]]
    assert [job.stage for job, _ in port.submitted] == [JobStage.WHOLE, JobStage.WHOLE]


def test_code_for_a_wider_unit_is_left_out_where_it_cannot_run(tmp_path: Path) -> None:
    port = FakePort({"home": Plan(AVX512), "narrow": Plan(AVX2)})
    wide = kernel(1, "unsafe { _mm512_setzero_ps() }")
    found = Scenery(tmp_path, port, AVX512).judge(wide, kernel(2))
    assert [set(kinds) for kinds in found] == [
        {AVX512.fingerprint},
        {AVX512.fingerprint, AVX2.fingerprint},
    ]


def test_with_the_home_only_other_kinds_get_nothing(tmp_path: Path) -> None:
    port = FakePort({"home": Plan(AVX2), "wide": Plan(AVX512)})
    Scenery(tmp_path, port, every_kind=False).judge(kernel(1), kernel(2))
    assert {worker for _, worker in port.submitted} == {"home"}


def test_a_dead_worker_loses_its_job_only_and_another_does_it(tmp_path: Path) -> None:
    port = FakePort({"a": Plan(), "b": Plan(dies_s=15)})
    scenery = Scenery(tmp_path, port)
    assert verdicts(scenery.judge(*map(kernel, range(6)))) == [["Accepted"]] * 6
    again = [job.attempt for job, _ in port.submitted]
    assert sorted(again) == [1] * 6 + [2]
    assert "it is judged again" in scenery.said[0]
    arrived = [line for line in (tmp_path / LOG).read_text().splitlines() if '"outcome"' in line]
    assert len(arrived) == 6


def test_a_straggler_is_cancelled_and_done_elsewhere(tmp_path: Path) -> None:
    port = FakePort({"a": Plan(silent=True), "b": Plan()})
    assert (
        verdicts(Scenery(tmp_path, port, first_limit_s=100).judge(*map(kernel, range(3))))
        == [["Accepted"]] * 3
    )
    assert port.cancelled
    assert port.submitted[-1][1] == "b"
    assert port.now_s < 125


def test_a_worker_with_a_history_gets_three_times_its_median(tmp_path: Path) -> None:
    port = FakePort({"a": Plan()}, lambda job: fine(job).model_copy(update={"seconds": 50.0}))
    scenery = Scenery(tmp_path, port)
    scenery.judge(kernel(1))
    port.plans["a"].silent = True
    began = port.now_s
    assert verdicts(scenery.judge(kernel(2))) == [["Inconclusive"]]
    assert port.now_s - began == pytest.approx(ATTEMPTS * 150, abs=10)


def test_losses_are_bounded_and_never_reject_a_kernel(tmp_path: Path) -> None:
    port = FakePort({"a": Plan(loses=ATTEMPTS)})
    scenery = Scenery(tmp_path, port)
    (found,) = scenery.judge(kernel(1))[0].values()
    assert isinstance(found.decoded, Inconclusive)
    assert len(port.submitted) == ATTEMPTS
    assert any("given up" in line for line in scenery.said)


def test_a_kind_that_is_gone_ends_undecided_and_the_home_goes_on(tmp_path: Path) -> None:
    port = FakePort({"home": Plan(AVX2), "wide": Plan(AVX512, dies_s=5)})
    found = Scenery(tmp_path, port).judge(kernel(1))[0]
    assert verdicts([found]) == [["Accepted", "Inconclusive"]]
    assert ABSENT_S <= port.now_s < ABSENT_S + 20


def test_without_any_worker_the_run_ends_with_a_line_that_says_how_to_go_on(tmp_path: Path) -> None:
    port = FakePort({"a": Plan(dies_s=5), "b": Plan(dies_s=7)})
    with pytest.raises(UserError, match=r"no worker is left; nothing judged is lost.*--resume"):
        Scenery(tmp_path, port).judge(kernel(1))


def test_a_worker_that_is_new_takes_part(tmp_path: Path) -> None:
    port = FakePort({"a": Plan(), "late": Plan(born_s=12)})
    Scenery(tmp_path, port).judge(*map(kernel, range(6)))
    assert "late" in {worker for _, worker in port.submitted}


def test_the_order_of_arrival_changes_nothing(tmp_path: Path) -> None:
    def ratio(job: Job) -> JobOutcome:
        number = int(job.candidate[-3:])
        if number == 3:
            return outcome_of(job, Cheat("trick", "evidence", At(Gate.SHAPES)), 3)
        return outcome_of(job, accepted(1 + number / 100), len(Gate))

    seen = []
    for seed in range(8):
        rng = random.Random(seed)
        plans = {
            name: Plan(machine, rng.uniform(1, 30))
            for name, machine in (("a", AVX2), ("b", AVX2), ("c", KIN))
        }
        plans["d"] = Plan(AVX2, 5, dies_s=rng.uniform(1, 20))
        run = tmp_path / str(seed)
        found = Scenery(run, FakePort(plans, ratio)).judge(*map(kernel, range(6)))
        seen.append([{kind: one.decoded for kind, one in kinds.items()} for kinds in found])
    assert all(one == seen[0] for one in seen)


def test_after_a_kill_only_what_had_not_arrived_is_judged_again(tmp_path: Path) -> None:
    port = FakePort({"a": Plan(), "b": Plan(job_s=25)})
    scenery = Scenery(tmp_path, port)
    scenery.dealer.deal([kernel(n) for n in range(4)])
    scenery.dealer.outcomes("gen-r1-000")
    arrived = (tmp_path / LOG).read_text().count('"what": "outcome"')
    assert arrived == 1
    with (tmp_path / LOG).open("a") as file:
        file.write('{"what": "outcome", "key": ["torn')

    again = FakePort({"a": Plan(), "b": Plan()})
    second = Scenery(tmp_path, again)
    assert verdicts(second.judge(*(kernel(n) for n in range(4)))) == [["Accepted"]] * 4
    assert "gen-r1-000" not in {job.candidate for job, _ in again.submitted}


def test_a_ticket_is_on_disk_before_its_job_is_submitted(tmp_path: Path) -> None:
    port = FakePort({"a": Plan()})
    at_submission = []
    submit = port.submit

    def watched(job: Job, worker: str) -> None:
        at_submission.append(job.ticket in (tmp_path / LOG).read_text())
        submit(job, worker)

    port.submit = watched  # type: ignore[method-assign]
    Scenery(tmp_path, port).judge(kernel(1), kernel(2))
    assert at_submission == [True, True]


def test_what_decided_nothing_is_judged_again_after_a_restart(tmp_path: Path) -> None:
    faulty = FakePort(
        {"a": Plan()}, lambda job: outcome_of(job, HarnessError("disk full", At(Gate.POLICY)), 0)
    )
    assert verdicts(Scenery(tmp_path, faulty).judge(kernel(1))) == [["HarnessError"]]
    port = FakePort({"a": Plan()})
    found = Scenery(tmp_path, port).judge(kernel(1))
    assert verdicts(found) == [["Accepted"]]
    assert isinstance(found[0][AVX2.fingerprint].decoded, Accepted)
    assert len(port.submitted) == 1


def test_only_correctness_is_asked_for_where_the_session_has_the_clock(tmp_path: Path) -> None:
    port = FakePort({"a": Plan(), "b": Plan()})
    found = Scenery(tmp_path, port, stage=JobStage.CORRECTNESS, every_kind=False).judge(kernel(1), kernel(2))
    assert [one.verdict for kinds in found for one in kinds.values()] == [None, None]
    assert {job.stage for job, _ in port.submitted} == {JobStage.CORRECTNESS}


def test_the_end_of_the_session_ends_the_workers(tmp_path: Path) -> None:
    scenery = Scenery(tmp_path, FakePort({"a": Plan()}))
    scenery.dealer.close()
    assert scenery.port.closed
