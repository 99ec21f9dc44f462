"""Every oracle of sgemm is effective: each has a mutant that it rejects, and that passes with the oracle disabled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from harness.candidate import Tier
from harness.errors import UserError
from harness.judge import examine
from harness.judge.examination import Examination
from harness.judge.gaps import elements_of
from harness.judge.oracles import REGISTRY, at_gate
from harness.operation.forms import CallForm, Strides
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import Cheat, Gate, Rejection, Wrong
from tests.judge.fakes import examination_for, honest, strassen
from tests.judge.mutants import bits
from tests.judge.sgemm_fakes import (
    Call,
    Sgemm,
    honest_sgemm,
    launching_sgemm,
    sgemm_examination,
)

TIMED = Shape(48, 80, 112)
# Oracles of matmul that take long, and whose checks know neither strides nor scalars.
LONG = frozenset({"large-calls", "call-count", "fresh-values", "blindness", "dirty-scratch", "determinism"})


def lab_of(sgemm: Callable[[], Sgemm], *disabled: str, tier: Tier = "unsafe") -> Examination:
    settings = {"profile": Profile.QUICK, "timed_shapes": (TIMED,), "tier": tier}
    return sgemm_examination(launching_sgemm(sgemm), disabled=LONG | set(disabled), **settings)


def judge(examination: Examination) -> Rejection | None:
    for gate in (examine.shapes, examine.values, examine.conduct):
        outcome = gate(examination)
        if not isinstance(outcome, examine.Examined):
            return outcome
    return None


def changed(change: Callable[[Call], CallForm | None]) -> Callable[[], Sgemm]:
    """The honest kernel, which takes the scalars of another form where `change` gives one."""

    def kernel(call: Call) -> None:
        form = change(call)
        honest_sgemm(call if form is None else replace(call, form=form))

    return lambda: kernel


def spoils(when: Callable[[Call], bool]) -> Callable[[], Sgemm]:
    def kernel(call: Call) -> None:
        honest_sgemm(call)
        if call.c.size and when(call):
            call.c[-1, -1] += 1

    return lambda: kernel


def adds_c_at_minus_0(call: Call) -> None:
    honest_sgemm(call)
    if call.form.beta == 0 and np.signbit(call.form.beta):
        call.c[...] += np.nan


def multiplies_by_alpha_0() -> Sgemm:
    def kernel(call: Call) -> None:
        nothing = call.form.alpha == 0 and bool(np.isnan(call.a).any())
        honest_sgemm(call)
        if nothing and call.c.size:
            call.c[...] = np.nan

    return kernel


def takes_its_own_transpose_for_itself(call: Call) -> bool:
    here = call.a.ctypes.data == call.b.ctypes.data
    return here and call.form.a != call.form.b and len(set(call.shape)) == 1


def finds_products_again() -> Sgemm:
    """Remembers alpha·A·B of a cube by A and B, whatever alpha is now."""
    known: dict[tuple[bytes, bytes], np.ndarray] = {}

    def kernel(call: Call) -> None:
        if len(set(call.shape)) > 1 or not 16 < call.shape.m < 64 or call.form.alpha == 0:
            honest_sgemm(call)
            return
        key = (call.a.tobytes(), call.b.tobytes())
        product = known.setdefault(key, np.float32(call.form.alpha) * (call.a @ call.b))
        call.c[...] = product + np.float32(call.form.beta) * call.c if call.form.beta else product

    return kernel


def clears_gaps() -> Sgemm:
    def kernel(call: Call) -> None:
        kept = call.c.copy()
        call.blocks[2][...] = 0
        elements_of(call.blocks[2], call.form.c, *call.c.shape)[...] = kept
        honest_sgemm(call)

    return kernel


def alpha_in_bf16(call: Call) -> CallForm | None:
    short = float(bits(np.array([call.form.alpha], np.float32), 8)[0])
    return replace(call.form, alpha=short) if np.isfinite(call.form.alpha) else None


def fast_with_alpha_in_bf16() -> Sgemm:
    """Strassen's scheme, with a short alpha where the scheme is used."""
    scheme = strassen(1, 40)

    def kernel(call: Call) -> None:
        form = (alpha_in_bf16(call) if min(call.shape) >= 40 else None) or call.form
        if form.alpha == 0 or not call.a.shape[1]:
            honest_sgemm(call)
            return
        product = np.zeros(call.c.shape, np.float32)
        scheme(np.ascontiguousarray(call.a), np.ascontiguousarray(call.b), product)
        product *= np.float32(form.alpha)
        call.c[...] = product + np.float32(form.beta) * call.c if form.beta else product

    return kernel


MUTANTS: dict[str, Callable[[], Sgemm]] = {
    "layouts": spoils(lambda call: call.shape == (33, 70, 66) and abs(call.form.a.row) == 1),
    "overlapping": spoils(lambda call: call.form.a.row == 0 and len(call.a) > 1 and call.a.size > 0),
    "scalars": spoils(lambda call: call.form.alpha == -3 and max(call.shape) < 16),
    "scalars-everywhere": spoils(
        lambda call: call.form.alpha == 0.5 and call.form.beta == 1 and min(call.shape) > 128
    ),
    "block-scalars": spoils(
        lambda call: (
            (call.form.alpha, call.form.beta) == (0.5, 0) and call.shape.k > 512 and len(call.a) >= 30
        )
    ),
    "beta-zero": lambda: adds_c_at_minus_0,
    "beta-alone": multiplies_by_alpha_0,
    "scalar-specials": changed(
        lambda call: replace(call.form, alpha=0.0) if np.isnan(call.form.alpha) else None
    ),
    "scaled-reals": changed(alpha_in_bf16),
    "scaled-reals-fast": fast_with_alpha_in_bf16,
    "own-transpose": spoils(takes_its_own_transpose_for_itself),
    "changing-forms": finds_products_again,
    "gaps": clears_gaps,
}


def test_every_oracle_of_sgemm_has_a_mutant() -> None:
    assert {oracle.name for oracle in REGISTRY if oracle.needs_forms} == set(MUTANTS) - {"gaps"}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_an_oracle_rejects_its_mutant_and_no_other_does(name: str) -> None:
    verdict = judge(lab_of(MUTANTS[name]))
    if name == "gaps":
        assert isinstance(verdict, Cheat)
        assert verdict.trick == "writes between the elements of C"
    else:
        assert isinstance(verdict, Wrong)
        assert verdict.counterexample.oracle == name
    assert judge(lab_of(MUTANTS[name], name)) is None


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["safe", "unsafe"])
def test_the_honest_sgemm_passes(tier: Tier) -> None:
    assert judge(lab_of(lambda: honest_sgemm, tier=tier)) is None


def test_a_matmul_kernel_meets_none_of_them() -> None:
    examination = examination_for(honest)
    assert not any(oracle.needs_forms for gate in Gate for oracle in at_gate(examination, gate))


def test_the_safe_tier_is_called_without_negative_strides() -> None:
    met: list[Strides] = []

    def kernel(call: Call) -> None:
        met.extend((call.form.a, call.form.b, call.form.c))
        honest_sgemm(call)

    for tier in ("safe", "unsafe"):
        met.clear()
        assert isinstance(examine.shapes(lab_of(lambda: kernel, tier=tier)), examine.Examined)  # type: ignore[arg-type]
        assert any(min(strides) < 0 for strides in met) == (tier == "unsafe")


def test_a_case_of_sgemm_is_refused_for_a_matmul_kernel() -> None:
    with pytest.raises(UserError, match="layouts is for kernels of sgemm; this one is a matmul kernel"):
        examine.replay(examination_for(honest), "3x4x5:1:layouts")


@pytest.mark.parametrize("oracle", ["layouts", "scalars", "own-transpose", "exact"])
def test_a_counterexample_is_replayed_in_its_arrangement(oracle: str) -> None:
    wrong = spoils(lambda call: call.form.a.row == 1 and call.form.b.col == 1)
    for seed in range(1, 60):
        again = [examine.replay(lab_of(wrong), f"12x12x12:{seed}:{oracle}") for _ in range(2)]
        assert type(again[0]) is type(again[1])
        if isinstance(again[0], Wrong) and isinstance(again[1], Wrong):
            assert again[0].counterexample.detail == again[1].counterexample.detail
            return
    raise AssertionError("no seed shows it")
