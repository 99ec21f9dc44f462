"""The examination as a whole, with kernels in Python: tiers, shrinking, budgets, replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.judge import examine
from harness.judge.examination import SEED_BITS, Examination, secret_seed
from harness.judge.oracles import REGISTRY
from harness.judge.reference import shape_of
from harness.judge.worker.calls import F32
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import Crash, Rejection, Timeout, Wrong, describe
from tests.judge.fakes import Kernel, examination_around, examination_for, honest, launching, naive, strassen

GATES = (examine.shapes, examine.values, examine.conduct)


def judge(examination: Examination) -> Rejection | str:
    for gate in GATES:
        outcome = gate(examination)
        if not isinstance(outcome, examine.Examined):
            return outcome
    return examination.numerics


def wide_accumulator(a: F32, b: F32, c: F32) -> None:
    c[...] = a.astype(np.float64) @ b.astype(np.float64)


def pairwise(a: F32, b: F32, c: F32) -> None:
    c[...] = (a[:, :, None] * b[None, :, :]).sum(axis=1) if a.size * b.shape[1] < 1 << 21 else a @ b


def backwards(a: F32, b: F32, c: F32) -> None:
    naive(a[:, ::-1], b[::-1], c)


def other_path_at_edges(a: F32, b: F32, c: F32) -> None:
    """Whole tiles in f32, the edges with FMA (computed in f64): two kinds of rounding within one C."""
    m, n = a.shape[0] // 8 * 8, b.shape[1] // 8 * 8
    wide_accumulator(a, b, c)
    whole = np.empty((m, n), np.float32)
    naive(a[:m], b[:, :n], whole)
    c[:m, :n] = whole


@pytest.mark.slow
@pytest.mark.parametrize(
    "kernel", [naive, honest, wide_accumulator, pairwise, backwards, other_path_at_edges]
)
def test_honest_kernels_pass(kernel: Kernel) -> None:
    assert judge(examination_for(kernel)) == "componentwise"


@pytest.mark.slow
@pytest.mark.parametrize(("levels", "smallest"), [(1, 2), (2, 16), (3, 2), (2, 200)])
def test_fast_schemes_get_their_own_tier(levels: int, smallest: int) -> None:
    examination = examination_for(strassen(levels, smallest), timed_shapes=(Shape(256, 256, 256),))
    assert judge(examination) == "normwise"


@pytest.mark.slow
def test_a_fast_scheme_is_held_componentwise_where_it_mixes_nothing() -> None:
    examination = examination_for(strassen(2, 300), timed_shapes=(Shape(256, 256, 256),))
    assert judge(examination) == "normwise"
    assert examination.levels.get(Shape(256, 256, 256), 0) == 0
    assert {max(shape) > 300 for shape, levels in examination.levels.items() if levels} == {True}


def test_noise_is_not_taken_for_a_fast_scheme() -> None:
    rng = np.random.default_rng(1)

    def noisy(a: F32, b: F32, c: F32) -> None:
        c[...] = (a @ b) * (1 + (a != np.rint(a)).any() * 1e-4 * rng.random(c.shape))

    assert isinstance(examine.values(examination_for(noisy)), Wrong)


def drops_last_row(a: F32, b: F32, c: F32) -> None:
    honest(a, b, c)
    if a.shape[0] >= 5 and b.shape[1] >= 3:
        c[-1] = 0


def test_the_counterexample_is_shrunk_named_and_replays() -> None:
    examination = examination_for(drops_last_row)
    verdict = examine.shapes(examination)
    assert isinstance(verdict, Wrong)
    assert verdict.at.shape is not None
    assert (verdict.at.shape.m, verdict.at.shape.n) == (5, 3)
    assert verdict.counterexample.row == 4
    assert examination.case is not None
    assert examination.case.startswith(f"{verdict.at.shape}:{verdict.at.seed}:")
    assert examine.replay(examination, examination.case) == verdict
    text = describe(verdict)
    assert "\n" not in text
    assert all(part in text for part in (str(verdict.at.shape), str(verdict.at.seed), "got 0.0"))
    assert isinstance(examine.replay(examination_for(honest), examination.case), examine.Examined)


def counting(kernel: Kernel) -> tuple[Kernel, list[Shape]]:
    seen: list[Shape] = []

    def counted(a: F32, b: F32, c: F32) -> None:
        seen.append(shape_of(a, b))
        kernel(a, b, c)

    return counted, seen


def test_a_time_out_is_not_shrunk() -> None:
    def hangs(a: F32, b: F32, c: F32) -> None:
        raise TimeoutError

    kernel, seen = counting(hangs)
    assert isinstance(examine.shapes(examination_for(kernel)), Timeout)
    assert len(seen) == 1


def test_a_crash_is_shrunk_within_bounds_and_never_in_a_dead_worker() -> None:
    def crashes(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        if a.shape[1] > 3:
            raise IndexError

    kernel, seen = counting(crashes)
    verdict = examine.shapes(examination_for(kernel))
    assert isinstance(verdict, Crash)
    assert verdict.at.shape == Shape(0, 4, 0)
    assert len(seen) < 3 * examine.SHRINK_CHECKS[1]


def test_a_failure_found_by_hypothesis_is_tried_first_the_next_time(tmp_path: Path) -> None:
    def wrong_in_a_corner(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        if min(a.shape[0], a.shape[1], b.shape[1]) > 60 and c.size % 2:
            c[0, 0] += 1

    listed = {oracle.name for oracle in REGISTRY} - {"drawn"}

    def examination(kernel: Kernel) -> Examination:
        return examination_for(
            kernel, database=tmp_path, profile=Profile.THOROUGH, disabled=frozenset(listed)
        )

    first = examine.shapes(examination(wrong_in_a_corner))
    kernel, seen = counting(wrong_in_a_corner)
    second = examine.shapes(examination(kernel))
    assert isinstance(first, Wrong)
    assert isinstance(second, Wrong)
    assert first.at.shape is not None
    assert min(seen[0]) > 60


def test_a_kernel_that_fails_only_in_a_batch_is_still_rejected() -> None:
    def factory() -> Kernel:
        calls = [0]

        def tires(a: F32, b: F32, c: F32) -> None:
            calls[0] += 1
            honest(a, b, c)
            if calls[0] == 30:
                c += 1

        return tires

    assert isinstance(judge(examination_around(launching(factory))), Wrong)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("65x67:12:exact", "form is SHAPE:SEED:ORACLE"),
        ("65x67x63:12:nonsense", "no oracle 'nonsense'; the oracles are:"),
        ("1x1x1:999999999999999:exact", "too large"),
        ("0x1x1:1:nonfinite", "at least 1"),
        ("99999x99999x1:1:exact", "too large to replay"),
    ],
)
def test_a_malformed_case_is_reported_in_one_line(case: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        examine.replay(examination_for(honest), case)


def test_every_oracle_documents_what_it_kills_and_why_honest_kernels_pass() -> None:
    for oracle in REGISTRY:
        text = oracle.check.__doc__ or ""
        assert "Kills" in text
        assert "honest" in text


def test_seeds_are_fresh_unless_chosen() -> None:
    drawn: Callable[[], int] = lambda: secret_seed(None)  # noqa: E731
    assert len({drawn() for _ in range(20)}) == 20
    assert all(0 <= drawn() < 1 << SEED_BITS for _ in range(20))
    assert secret_seed(7) == 7


@pytest.mark.parametrize("profile", Profile)
def test_profiles_run_different_numbers_of_checks(profile: Profile) -> None:
    passed = examine.shapes(examination_for(honest, profile=profile))
    assert isinstance(passed, examine.Examined)
    least = {Profile.QUICK: 110, Profile.DEFAULT: 300, Profile.THOROUGH: 650}[profile]
    assert least <= int(passed.notes["checks"]) < 3 * least
