"""Oracles on data as it comes in practice, another kind on either side: probabilities, images, activations."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from harness.judge import strategies
from harness.judge.examination import Examination
from harness.judge.inputs import PRACTICAL, practical_reals
from harness.judge.kernel_runner import KernelRunner
from harness.judge.oracles.oracle import AppliesTo, Oracle
from harness.judge.oracles.values import all_within_bound, within_bound
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import Counterexample, Gate


def practical(runner: KernelRunner, shape: Shape, seed: int) -> Counterexample | None:
    """Reals of practical_reals, against f64: each element within the componentwise bound.

    Kills a coarser arithmetic, or a shortcut, that waits for data of one sign and magnitude, far from zero, mostly
    zero, whole on one side only, in order, or of few distinct values. An honest kernel passes because the bound holds
    for any data. The mean error is left out: sums of ordered terms go far up and come back, and are rounded meanwhile.
    """
    return within_bound(runner, shape, seed, practical_reals)


def practical_batch(
    runner: KernelRunner, cases: Sequence[tuple[Shape, int]]
) -> tuple[Shape, int, Counterexample] | None:
    """`practical` for many small cases of one placement in one round trip; returns the first wrong one."""
    return all_within_bound(runner, cases, practical_reals)


def small(examination: Examination) -> Iterator[Shape]:
    """Small shapes, each pair of kinds twice; the quick profile has each pair once."""
    draw = random.Random(examination.seed)
    pairs = len(PRACTICAL) * (len(PRACTICAL) + 1)
    for _ in range(pairs if examination.profile is Profile.QUICK else 2 * pairs):
        yield strategies.secret(draw, 9, 40)


def larger(examination: Examination) -> Iterator[Shape]:
    """Secret shapes of 131 … 260, one for each kind."""
    draw = random.Random(examination.seed)
    for _ in PRACTICAL:
        yield strategies.secret(draw, 131, 260)


ORACLES = (
    Oracle(
        "practical",
        Gate.VALUES,
        practical,
        small,
        applies_to=AppliesTo.CLASSICAL,
        smallest=1,
        batch=practical_batch,
    ),
    Oracle(
        "practical-larger",
        Gate.VALUES,
        practical,
        larger,
        applies_to=AppliesTo.CLASSICAL,
        smallest=1,
        patience_s=2.0,
    ),
)
