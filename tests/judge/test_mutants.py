"""Every oracle is effective: each has a mutant that it alone rejects; with the oracle disabled the mutant passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from harness.judge import examine
from harness.judge.examination import Examination, LaunchJudgeWorker
from harness.judge.oracles import REGISTRY
from harness.judge.oracles.oracle import AppliesTo
from harness.judge.worker.calls import F32, Ran, Slot, Surroundings
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import At, Cheat, Rejection, Wrong
from tests.judge.fakes import (
    FakeWorker,
    examination_around,
    examination_for,
    honest,
    launching,
)
from tests.judge.mutants import MUTANTS, is_real, lab_of

pytestmark = pytest.mark.slow


def judge(examination: Examination) -> Rejection | None:
    """All three gates; the rejection, or None when the kernel passes."""
    for gate in (examine.shapes, examine.values, examine.conduct):
        outcome = gate(examination)
        if not isinstance(outcome, examine.Examined):
            return outcome
    return None


# Oracles whose shapes are no fixed list either, or are timed ones as well.
ALSO_UNLISTED = {
    "timed-shapes": ("crossed-operands",),
    "drawn": (
        "dirty-scratch",
        "permutations",
        "same-slice",
        "large-calls",
        "call-count",
        "medium-growth",
        "long-history",
        "thread-growth",
        "shape-growth",
        "long-stack",
    ),
    "wide-mantissa": ("large-calls",),
    "reals-everywhere": ("practical-larger", "resolution"),
    "special-mixture": ("large-calls",),
}


# Oracles of earlier gates that meet a mutant first.
MET_BEFORE = {"crossed-operands": ("resolution",)}


def test_every_oracle_has_a_mutant() -> None:
    # The oracles for fast schemes have theirs in test_oracles.py, those that need threads in test_surroundings.py;
    # leftovers and blindness have tests of their own below; those of growth, stacks and sizes in test_growth.py and
    # test_closed_doors.py; those of sgemm have theirs in test_sgemm_oracles.py.
    of_matmul = [oracle for oracle in REGISTRY if not oracle.needs_forms]
    listed = {oracle.name for oracle in of_matmul if oracle.applies_to is not AppliesTo.FAST_SCHEME}
    elsewhere = {
        "leftovers",
        "blindness",
        "medium-growth",
        "elongated-growth",
        "thread-growth",
        "shape-growth",
        "long-stack",
        "beyond-32-bits",
        "small-stack",
        "other-cores",
        "other-cores-large",
        "idle-elsewhere",
        "at-once",
    }
    assert listed - elsewhere == set(MUTANTS) - {"poison"}


@pytest.fixture(params=MUTANTS)
def oracle(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_oracle_rejects_its_mutant_and_no_other_oracle_does(oracle: str) -> None:
    mutant = MUTANTS[oracle]
    before = MET_BEFORE.get(oracle, ())
    verdict = judge(lab_of(launching(mutant), *before))
    assert isinstance(verdict, Wrong)
    assert verdict.counterexample.oracle == oracle or oracle == "poison"
    assert judge(lab_of(launching(mutant), oracle, *before, *ALSO_UNLISTED.get(oracle, ()))) is None


@pytest.mark.parametrize(
    ("launch", "trick"),
    [
        (launching(lambda: honest, fp_env_restored=False), "floating-point environment"),
        (launching(lambda: honest, idle_ns=15_000_000), "threads left running"),
        (launching(lambda: honest, elapsed_ns=20_000_000, cpu_ns=39_000_000), "more threads than declared"),
    ],
)
def test_leftovers_are_rejected_at_conduct(launch: LaunchJudgeWorker, trick: str) -> None:
    def examination(*disabled: str) -> Examination:
        return examination_around(launch, profile=Profile.QUICK, disabled=frozenset(disabled))

    verdict = judge(examination())
    assert isinstance(verdict, Cheat)
    assert verdict.trick == trick
    assert verdict.at.gate == "conduct"
    assert judge(examination("leftovers")) is None


@pytest.mark.parametrize(("times", "guilty"), [(1.1, False), (2.0, True)])
def test_a_kernel_that_is_slow_on_reals_is_rejected_at_conduct(times: float, guilty: bool) -> None:
    class Picky(FakeWorker):
        def run(
            self,
            slots: Sequence[Slot],
            *,
            at: At,
            limit_s: float,
            inspect: bool = False,
            surroundings: Surroundings = Surroundings.ONE_BY_ONE,
        ) -> Ran | Rejection:
            slow = is_real(slots[0].a) and is_real(slots[0].b)
            self.ran["cpu_ns"] = self.ran["elapsed_ns"] = int(1e6 * (times if slow else 1))
            return super().run(slots, at=at, limit_s=limit_s, inspect=inspect)

    @contextmanager
    def launch(_: Sequence[Shape]) -> Iterator[FakeWorker]:
        yield Picky(honest)

    verdict = judge(examination_around(launch, profile=Profile.QUICK))
    if guilty:
        assert isinstance(verdict, Cheat)
        assert verdict.trick == "speed depends on the data"
        assert (
            judge(examination_around(launch, profile=Profile.QUICK, disabled=frozenset({"blindness"})))
            is None
        )
    else:
        assert verdict is None


def test_changed_inputs_are_rejected_at_conduct() -> None:
    def kernel(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        a[...] = 0

    verdict = judge(examination_for(kernel, profile=Profile.QUICK))
    assert isinstance(verdict, Cheat)
    assert verdict.trick == "inputs changed"
