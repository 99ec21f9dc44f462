"""A duel: two kernels timed against each other in one session, as the clock times a kernel against BLAS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from harness.clock.pairs import Plan, Samples
from harness.clock.session import ClockSession
from harness.clock.worker_pair import Rival
from harness.errors import UserError
from harness.judge.scheme_levels import SchemeLevels
from harness.judge.worker.calls import Abi
from harness.shapes import Shape
from harness.verdict import Rejection

# A duel gets this many times the clock's budget, to resolve differences of 0.5 % in the mean of five shapes.
BUDGETS = 6.0
# Half-width of one shape's interval, as a fraction, at which the shape is done.
TARGET = 0.006
# Largest number of process pairs.
MAX_PROCESSES = 240


class Standing(StrEnum):
    """Who is faster, beyond the 95 % interval."""

    FASTER = "faster"
    SLOWER = "slower"
    LEVEL = "level"


def standing_of(low: float, high: float) -> Standing:
    """The standing for an interval of t_rival / t_candidate."""
    return Standing.FASTER if low > 1 else Standing.SLOWER if high < 1 else Standing.LEVEL


@dataclass(frozen=True, slots=True)
class DuelShape:
    """One shape of a duel: t_rival / t_candidate with its 95 % interval."""

    shape: Shape
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Duel:
    """t_rival / t_candidate: geometric mean over the suite with its 95 % interval, and every shape; above 1 the
    candidate is faster than its rival.
    """

    rival: str
    ratio: float
    low: float
    high: float
    seconds: float
    per_shape: tuple[DuelShape, ...]

    def __str__(self) -> str:
        return f"{self.ratio:.3f}x [{self.low:.3f}, {self.high:.3f}]"

    @property
    def standing(self) -> Standing:
        """Whether the candidate is faster than its rival, beyond the interval of the mean."""
        return standing_of(self.low, self.high)

    @property
    def lost(self) -> tuple[Shape, ...]:
        """The shapes at which the candidate is slower, beyond the interval of that shape."""
        return tuple(one.shape for one in self.per_shape if standing_of(one.low, one.high) is Standing.SLOWER)


def duel(candidate: Rival, rival: Rival, thread_class: str, session: ClockSession) -> Duel | Rejection:
    """Time `candidate` against `rival` over the session's suite; both have passed the judging gates or are
    trusted.

    A rejection is the candidate's. Waits for the clock's lock. Raises HarnessFaultError when the rival fails.
    """
    threads, began_s, suite = (
        session.threads(thread_class),
        session.now_s(),
        session.suite_of(candidate.program),
    )
    _must_compute_the_same(candidate, rival)
    with session.alone(threads):
        control = session.control(threads)
        budget_s = session.for_suite(BUDGETS * session.settings.clock_budget_s, suite)
        plan = Plan(suite, budget_s, target=TARGET, max_processes=MAX_PROCESSES)
        levels = _either(candidate.levels, rival.levels, suite)
        samples = session.race(plan, candidate.program, threads, levels, rival=rival)
        if not isinstance(samples, Samples):
            return samples
    rng = np.random.default_rng(session.seed())
    mean = samples.mean(rng).widened(control.bias)
    shapes = [(shape, samples.interval(shape, rng).widened(control.bias)) for shape in samples.plan.shapes]
    return Duel(
        rival.name,
        mean.ratio,
        mean.low,
        mean.high,
        session.now_s() - began_s,
        tuple(DuelShape(shape, found.ratio, found.low, found.high) for shape, found in shapes),
    )


def _must_compute_the_same(candidate: Rival, rival: Rival) -> None:
    """Raises UserError when one is a matmul kernel and the other an sgemm kernel: they cannot be called alike."""
    kinds = {candidate.program.abi, rival.program.abi}
    if {Abi.KERNEL, Abi.SGEMM} <= kinds:
        raise UserError(
            f"{candidate.name} and {rival.name} cannot be timed against each other: one computes matmul, the other "
            "sgemm; choose a rival of the same operation, or a library with cblas_sgemm"
        )


def _either(one: SchemeLevels, other: SchemeLevels, shapes: tuple[Shape, ...]) -> SchemeLevels:
    """Levels that leave both kernels room for the sums of their schemes."""
    return SchemeLevels({shape: max(one.at(shape), other.at(shape)) for shape in shapes})
