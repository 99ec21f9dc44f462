"""Mutants that count their calls and go wrong at some number of them."""

from __future__ import annotations

import numpy as np

from harness.judge.reference import shape_of
from harness.judge.worker.calls import F32
from tests.judge.fakes import Kernel, honest


def does_nothing_after_500_calls() -> Kernel:
    calls = [0]

    def kernel(a: F32, b: F32, c: F32) -> None:
        calls[0] += shape_of(a, b) == (8, 8, 8)
        if calls[0] <= 500:
            honest(a, b, c)

    return kernel


def wrong_from_the_tenth_large_call_on() -> Kernel:
    calls = [0]

    def kernel(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        calls[0] += min(shape_of(a, b)) > 900
        if calls[0] >= 10:
            c[-1] = 0

    return kernel


def wrong_after_400_medium_calls() -> Kernel:
    calls = [0]

    def kernel(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        calls[0] += 64 < min(shape_of(a, b)) <= max(shape_of(a, b)) < 200
        if calls[0] > 400:
            c[-1] = 0

    return kernel


def loses_an_update_in_one_call() -> Kernel:
    calls = [0]

    def kernel(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        calls[0] += shape_of(a, b) == (97, 160, 130)
        if calls[0] == 9:
            c[40] -= np.outer(a[40, -1], b[-1])[0]

    return kernel
