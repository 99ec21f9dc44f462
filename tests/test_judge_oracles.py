"""The oracles against kernels in Python: the honest pass every gate, each mutant is killed where it should be."""

from __future__ import annotations

import numpy as np
import pytest

from harness.judge import examine
from harness.judge.calls import F32
from harness.verdict import Wrong
from tests.judge_fakes import Kernel, lab_for, naive


def test_naive_passes() -> None:
    for gate in (examine.shapes, examine.values, examine.conduct):
        assert isinstance(gate(lab_for(naive)), examine.Passed)


def zeros(a: F32, b: F32, c: F32) -> None:
    c[...] = 0


def reads_c(a: F32, b: F32, c: F32) -> None:
    c += a @ b


@pytest.mark.parametrize("kernel", [zeros, reads_c])
def test_wrong_structure_is_found_and_replays(kernel: Kernel) -> None:
    lab = lab_for(kernel)
    verdict = examine.shapes(lab)
    assert isinstance(verdict, Wrong)
    assert lab.case is not None
    assert examine.replay(lab, lab.case) == verdict or np.isnan(float(verdict.counterexample.got.split()[0]))
