"""Hints beside a rejection: they name a common mistake, and stay away from kernels with another one."""

from __future__ import annotations

import numpy as np

from harness.judge import examine
from harness.judge.hints import ADDS, ORDER, SUBTRACTS
from harness.judge.worker.calls import F32
from harness.verdict import Crash, Wrong, describe
from tests.judge.fakes import Kernel, examination_for


def told(kernel: Kernel) -> str:
    """The text of the rejection at the shapes gate."""
    rejection = examine.shapes(examination_for(kernel))
    assert isinstance(rejection, Wrong | Crash)
    return describe(rejection)


def test_a_product_that_is_added_to_c_is_told() -> None:
    def adds(a: F32, b: F32, c: F32) -> None:
        c += a @ b

    assert ADDS in told(adds)


def test_swapped_extents_are_told() -> None:
    def swaps_k_and_n(a: F32, b: F32, c: F32) -> None:
        if a.shape[1] != b.shape[1]:
            raise IndexError
        c[...] = a @ b

    assert ORDER in told(swaps_k_and_n)


def test_nan_in_place_of_infinity_is_told() -> None:
    def subtracts(a: F32, b: F32, c: F32) -> None:
        c[...] = a @ b
        c[np.isinf(c)] = np.nan

    rejection = examine.values(examination_for(subtracts))
    assert isinstance(rejection, Wrong)
    assert SUBTRACTS in describe(rejection)


def test_another_mistake_gets_no_hint() -> None:
    def zeros(a: F32, b: F32, c: F32) -> None:
        c[...] = np.zeros_like(c)

    line = told(zeros)
    assert ADDS not in line
    assert ORDER not in line
