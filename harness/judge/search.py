"""Searching with Hypothesis: draw shapes and seeds until an oracle finds a failure, then shrink it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harness.judge.kernel_runner import KernelRunner, Rejected
from harness.judge.mixing import levels_shown
from harness.judge.oracles.oracle import AppliesTo, Oracle
from harness.judge.strategies import drawn
from harness.shapes import Shape
from harness.verdict import At, Inconclusive, Rejection, Timeout, Wrong

# Number of data seeds that Hypothesis may choose from, and the first one; both are offsets from the secret
# seed.
OFFSETS = 1 << 16
FIRST_OFFSET = 1 << 20
# Largest edge of the square that is examined when a shape itself shows no scheme.
LARGEST_SQUARE = 600
# k of the product that is examined instead above that edge. A scheme that pads to a square mixes rows there too, and
# other kernels finish quickly.
FLAT = 16


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A failed check: shape, seed of the data, and the rejection."""

    shape: Shape
    seed: int
    rejection: Rejection


class ObjectionError(AssertionError):
    """Raised inside Hypothesis when a check fails."""


def judge(runner: KernelRunner, oracle: Oracle, shape: Shape, seed: int) -> Rejection | None:
    """Run one check of one oracle; returns the rejection, or None when it passes or does not apply at this shape.

    Whether a kernel is a fast scheme is decided shape by shape. An oracle for fast schemes applies where the kernel
    shows one. What an oracle for classical kernels finds is no defect there.
    """
    classical = oracle.applies_to is AppliesTo.CLASSICAL
    if oracle.applies_to is AppliesTo.FAST_SCHEME and not _shows_a_scheme(runner, oracle, shape, seed):
        return None
    if classical and runner.examination.levels.get(shape, 0):
        return None
    runner.checks += 1
    try:
        found = oracle.check(runner, shape, seed)
    except Rejected as outcome:
        return outcome.rejection
    if found is None or (classical and _shows_a_scheme(runner, oracle, shape, seed)):
        return None
    if runner.examination.operation.has_forms and not oracle.needs_forms:
        found = replace(found, detail=f"{found.detail} (called with {runner.last_call})")
    return Wrong(replace(found, oracle=oracle.name), At(oracle.gate, shape, seed))


def _shows_a_scheme(runner: KernelRunner, oracle: Oracle, shape: Shape, seed: int) -> bool:
    """Whether the kernel shows a fast scheme at this shape, or at the square around it if the oracle says so."""
    edge = max(shape)
    around = Shape(edge, edge if edge <= LARGEST_SQUARE else FLAT, edge)
    asked = [shape, around] if oracle.counts_padding else [shape]
    return any(_levels(runner, there, seed) for there in asked)


def _levels(runner: KernelRunner, shape: Shape, seed: int) -> int:
    """The levels that the kernel shows at a shape; examined once per shape."""
    levels = runner.examination.levels
    if shape not in levels:
        levels[shape] = levels_shown(runner, shape, seed)
    return levels[shape]


@dataclass(slots=True)
class _Search:
    """Remembers every answer, so that Hypothesis gets the same answer for the same input after the budget is spent."""

    runner: KernelRunner
    oracle: Oracle
    checks: int
    least: int
    effort_s: float
    alike: type | None
    answers: dict[tuple[Shape, int], Rejection | None] = field(default_factory=dict)
    last: FailedCheck | None = None
    hung: bool = False

    def look(self, shape: Shape, offset: int) -> None:
        """Raise when the check fails; do nothing once the budget is spent or a call timed out."""
        seed = self.runner.examination.seed_at(FIRST_OFFSET + offset)
        if (shape, seed) not in self.answers:
            if self.spent():
                return
            before_s = self.runner.effort_s
            self.answers[shape, seed] = judge(self.runner, self.oracle, shape, seed)
            self.effort_s -= self.runner.effort_s - before_s
        rejection = self.answers[shape, seed]
        self.hung = self.hung or isinstance(rejection, Timeout | Inconclusive)
        if rejection is not None and (self.alike is None or isinstance(rejection, self.alike)):
            self.last = FailedCheck(shape, seed, rejection)
            raise ObjectionError

    def spent(self) -> bool:
        """Whether to stop checking. After a time-out, too: each further attempt would cost the full limit again."""
        done = len(self.answers)
        return self.hung or done >= self.checks or (self.effort_s <= 0 and done >= self.least)


def search(
    runner: KernelRunner,
    oracle: Oracle,
    largest: Shape,
    checks: tuple[int, int],
    effort_s: float,
    alike: type | None = None,
) -> FailedCheck | None:
    """Draw shapes within `largest` and check them; returns the shrunk failure, or None.

    `checks` are the least and the largest number of them; in between, checking ends after `effort_s` seconds of CPU
    time (`KernelRunner.effort_s`).

    With `alike`, only rejections of that type count, so that shrinking does not move from one defect to another.

    The example database (Examination.database) is keyed by candidate and oracle, so that the next run starts with what
    failed in this one. Without a database, the draws follow from the secret seed. Seeds drawn by Hypothesis are offsets
    from the secret seed.
    """
    least, most = checks
    hunt = _Search(runner, oracle, most * 3, least, effort_s, alike)
    try:
        _hypothesis_test(hunt, largest, most)()
    except ObjectionError:
        return hunt.last
    return None


def _hypothesis_test(hunt: _Search, largest: Shape, most: int) -> Callable[[], None]:
    """A test of Hypothesis with at most `most` examples within `largest`; raises ObjectionError for a failed check."""
    import hypothesis
    from hypothesis import HealthCheck, Phase
    from hypothesis import strategies as st
    from hypothesis.database import DirectoryBasedExampleDatabase

    examination, oracle = hunt.runner.examination, hunt.oracle
    database = None if examination.database is None else DirectoryBasedExampleDatabase(examination.database)

    @hypothesis.settings(
        max_examples=most,
        deadline=None,
        database=database,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        phases=(Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.given(drawn(largest, oracle.smallest), st.integers(0, OFFSETS - 1))
    def check(shape: Shape, offset: int) -> None:
        hunt.look(shape, offset)

    digest = f"{examination.nodeid}::{oracle.name}".encode()
    check.hypothesis.inner_test._hypothesis_internal_add_digest = digest  # type: ignore[attr-defined]
    # Repeatable from the secret seed; Hypothesis does not use a database together with a seed.
    return check if database is not None else hypothesis.seed(examination.seed)(check)
