"""Hints about common mistakes: found by a few more products after a rejection, told beside it, and never a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.judge.inputs import generator, small_integers
from harness.judge.kernel_runner import KernelRunner, Rejected
from harness.judge.reference import exact_f32
from harness.shapes import Shape
from harness.verdict import Crash, Panic, Rejection, Wrong

ADDS = "it adds A·B to what C held before; C must be overwritten"
# A compensated sum (Kahan, Neumaier) subtracts an infinite sum from itself.
SUBTRACTS = (
    "NaN where infinity is due; a compensated sum takes its correction only while the sum is finite, "
    "or reaches over all of k"
)
ORDER = "it is right where k equals n only; the order of the arguments is (m, k, n, a, b, c)"
# Shapes where k and n differ, and where they are equal.
DIFFERENT, EQUAL = (Shape(3, 4, 6), Shape(3, 6, 4)), (Shape(3, 4, 4), Shape(5, 6, 6))


def with_hint(runner: KernelRunner, rejection: Rejection) -> Rejection:
    """The same rejection, with a hint in its text when the mistake is a common one."""
    if not isinstance(rejection, Wrong | Panic | Crash):
        return rejection
    found = (
        ADDS if _adds(runner) else ORDER if _swaps(runner) else SUBTRACTS if _subtracts(rejection) else None
    )
    if found is None:
        return rejection
    match rejection:
        case Wrong(counterexample=wrong):
            return replace(rejection, counterexample=replace(wrong, detail=f"{found}; {wrong.detail}"))
        case Panic(message=message):
            return replace(rejection, message=f"{message} ({found})")
        case Crash(detail=detail):
            return replace(rejection, detail=f"{detail} ({found})" if detail else found)


def _adds(runner: KernelRunner) -> bool:
    """Whether C becomes what it was plus A·B, for small integers."""
    rng = generator(1)
    a, b = small_integers(rng, EQUAL[0])
    former = small_integers(rng, Shape(EQUAL[0].m, EQUAL[0].n, EQUAL[0].n))[0] + np.float32(64)
    try:
        return bool((runner.product_onto(a, b, former) == former + exact_f32(a, b)).all())
    except Rejected:
        return False


def _subtracts(rejection: Rejection) -> bool:
    """Whether an element is NaN that should be an infinity."""
    if not isinstance(rejection, Wrong):
        return False
    wrong = rejection.counterexample
    return wrong.got.startswith("nan") and wrong.expected.endswith("inf")


def _swaps(runner: KernelRunner) -> bool:
    """Whether a matmul's products are right where k equals n, and none is where they differ."""
    return (
        not runner.examination.operation.has_forms
        and all(_right(runner, shape) for shape in EQUAL)
        and not any(_right(runner, shape) for shape in DIFFERENT)
    )


def _right(runner: KernelRunner, shape: Shape) -> bool:
    a, b = small_integers(generator(1), shape)
    try:
        return bool((runner.product(a, b, 1) == exact_f32(a, b)).all())
    except Rejected:
        return False
