"""The three judging gates: shapes (is it the product?), values (is every bit correct?), conduct (does it behave?).

Each gate runs its oracles in order and stops at the first failure, which is then shrunk. A gate returns Examined or a
rejection and never raises because of what a candidate did.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace

from harness.errors import UserError
from harness.judge.examination import SEED_BITS, Examination, Examined
from harness.judge.hints import with_hint
from harness.judge.kernel_runner import KernelRunner, Rejected, placement_of
from harness.judge.oracles import at_gate, named
from harness.judge.oracles.oracle import AppliesTo, Oracle
from harness.judge.parallel import first_objection
from harness.judge.search import FailedCheck, judge, search
from harness.judge.strategies import is_elongated
from harness.judge.worker.calls import Placement
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import At, Gate, Inconclusive, OutOfMemory, Rejection, Timeout, Wrong

__all__ = ["Examination", "Examined", "case_string", "conduct", "parse_case", "replay", "shapes", "values"]

# Per profile: the least and the largest number of shapes that hypothesis draws, and the CPU seconds after which it
# stops in between.
DRAWN_SHAPES = {
    Profile.QUICK: ((8, 25), 0.5),
    Profile.DEFAULT: ((20, 60), 1.5),
    Profile.THOROUGH: ((100, 400), 20.0),
}
# Largest extents of a drawn or shrunk shape.
DRAWN_LARGEST = Shape(130, 130, 130)
# Least and largest number of checks for shrinking one counterexample, and the CPU seconds for it.
SHRINK_CHECKS = (0, 60)
SHRINK_S = 1.0
# Most elements of a matrix in a case given with --case.
MAX_CASE_ELEMENTS = 1 << 26
# Honest kernels may pad elongated shapes to a square or spawn a thread per row. Further elongated shapes are skipped
# once one took SKIP_AFTER_S; a time-out is forgiven once one took FORGIVE_TIMEOUT_S. Out-of-memory is forgiven where
# PADDED_COPIES copies of A, B and C padded to a square, or THREAD_BYTES of address space per row, exceed the limit.
# All elongated shapes of a gate take at most about ELONGATED_S. In seconds of the worker's CPU time.
SKIP_AFTER_S, FORGIVE_TIMEOUT_S, ELONGATED_S = 0.5, 0.1, 2.0
PADDED_COPIES, THREAD_BYTES = 10, 4 << 20


def shapes(examination: Examination) -> Examined | Rejection:
    """Structure: exact integers at fixed, timed and drawn shapes, basis probing, guard pages, poisoned C."""
    return _run_gate(examination, Gate.SHAPES)


def values(examination: Examination) -> Examined | Rejection:
    """Precision and special values; decides whether the kernel is componentwise or only normwise stable."""
    return _run_gate(examination, Gate.VALUES)


def conduct(examination: Examination) -> Examined | Rejection:
    """Behaviour: determinism, state kept between calls, changed inputs, threads left running."""
    return _run_gate(examination, Gate.CONDUCT)


def replay(examination: Examination, case: str) -> Examined | Rejection:
    """Run exactly one case, as `case_string` wrote it. Raises UserError when the text is not a case."""
    shape, seed, oracle = parse_case(case)
    if oracle.needs_forms and not examination.operation.has_forms:
        raise UserError(
            f"{oracle.name} is for kernels of sgemm; this one is a {examination.operation.name} kernel"
        )
    start = time.monotonic()
    with KernelRunner(examination, oracle.gate) as runner:
        rejection = judge(runner, oracle, shape, seed)
        if rejection is None:
            return _examined(runner, start)
        examination.case = case
        return rejection


def case_string(shape: Shape, seed: int, oracle: str) -> str:
    """The text that replays a check, for example "65x67x63:1234:exact"."""
    return f"{shape}:{seed}:{oracle}"


def parse_case(case: str) -> tuple[Shape, int, Oracle]:
    """Shape, seed and oracle of a case string; raises UserError that shows the expected form."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})x(\d{1,5}):(\d{1,15}):([a-z-]+)", case.strip())
    if found is None:
        raise UserError(
            f"'{case}' is not a case; the form is SHAPE:SEED:ORACLE, for example 65x67x63:1234:exact"
        )
    m, k, n, seed = (int(text) for text in found.groups()[:4])
    if seed >= 1 << SEED_BITS:
        raise UserError(f"seed {seed} is too large; seeds are below 2^{SEED_BITS}")
    oracle = named(found.group(5))
    if max(m * k, k * n, m * n) > MAX_CASE_ELEMENTS:
        raise UserError(f"{m}x{k}x{n} is too large to replay; a matrix may have {MAX_CASE_ELEMENTS} elements")
    if min(m, k, n) < oracle.smallest:
        raise UserError(f"{oracle.name} needs every extent to be at least {oracle.smallest}")
    return Shape(m, k, n), seed, oracle


def _run_gate(examination: Examination, gate: Gate) -> Examined | Rejection:
    """Run the gate's oracles; the first objection in their order is shrunk and returned."""
    start = time.monotonic()
    oracles = at_gate(examination, gate)
    reports = any(oracle.reports_remarks for oracle in oracles)
    # What is known from earlier gates comes first: a changed input would show as a wrong product in the next call.
    if examination.remarks and reports:
        return examination.remarks[0]
    with KernelRunner(examination, gate) as runner:
        for group in _groups(oracles):
            if not _applies(group[0], examination):
                continue
            found = first_objection(runner, group, _first_failure)
            if found is not None:
                return _rejected(runner, *found)
        if examination.remarks and reports:
            return examination.remarks[0]
        return _examined(runner, start)


def _groups(oracles: Sequence[Oracle]) -> list[list[Oracle]]:
    """The oracles in order, cut into groups whose members may run side by side.

    Those for fast schemes follow the others, which find the shapes at which the kernel shows one. Those that need the
    machine for themselves come last, one by one.
    """
    fast = [oracle for oracle in oracles if oracle.applies_to is AppliesTo.FAST_SCHEME and not oracle.alone]
    alone = [[oracle] for oracle in oracles if oracle.alone]
    first = [oracle for oracle in oracles if oracle not in fast and not oracle.alone]
    return [group for group in (first, fast, *alone) if group]


def _applies(oracle: Oracle, examination: Examination) -> bool:
    """Oracles for fast schemes are left out for a kernel that has shown no scheme at any shape so far."""
    return oracle.applies_to is not AppliesTo.FAST_SCHEME or examination.numerics == "normwise"


def _rejected(runner: KernelRunner, oracle: Oracle, failure: FailedCheck) -> Rejection:
    failure = _shrunk(runner, oracle, failure)
    runner.examination.case = case_string(failure.shape, failure.seed, oracle.name)
    return with_hint(runner, failure.rejection)


def _examined(runner: KernelRunner, start: float) -> Examined:
    notes: dict[str, str | int | float] = {
        "checks": runner.checks,
        "calls": runner.calls,
        "seed": runner.examination.seed,
    }
    notes["seconds"] = round(time.monotonic() - start, 3)
    if runner.gate is Gate.VALUES:
        notes["numerics"] = runner.examination.numerics
    return Examined(runner.gate, notes)


def _first_failure(runner: KernelRunner, oracle: Oracle) -> FailedCheck | None:
    if oracle.searched:
        return search(runner, oracle, DRAWN_LARGEST, *DRAWN_SHAPES[runner.examination.profile])
    planned = enumerate(oracle.plan(runner.examination))
    cases = [
        (shape, runner.examination.seed_at(index))
        for index, shape in planned
        if min(shape) >= oracle.smallest
    ]
    if oracle.batch is not None:
        return _check_in_batches(runner, oracle, cases)
    return _check_one_by_one(runner, oracle, cases)


def _check_one_by_one(
    runner: KernelRunner, oracle: Oracle, cases: Sequence[tuple[Shape, int]]
) -> FailedCheck | None:
    slowest_s = spent_s = 0.0
    for shape, seed in cases:
        elongated = oracle.elongated or is_elongated(shape)
        if elongated and (slowest_s > SKIP_AFTER_S or runner.elongated_s > ELONGATED_S):
            continue
        before_s = runner.cpu_s
        rejection = judge(runner, oracle, shape, seed)
        runner.elongated_s += runner.cpu_s - before_s if elongated else 0.0
        if elongated and isinstance(rejection, OutOfMemory) and _may_need_more(shape, rejection):
            continue
        if elongated and isinstance(rejection, Timeout) and slowest_s > FORGIVE_TIMEOUT_S:
            slowest_s = float("inf")
            continue
        if rejection is not None:
            return FailedCheck(shape, seed, rejection)
        took_s = runner.last.cpu_ns / 1e9 if runner.last is not None else 0.0
        slowest_s = max(slowest_s, took_s if elongated else 0.0)
        spent_s += runner.cpu_s - before_s
        if spent_s > oracle.patience_s:
            return None
    return None


def _may_need_more(shape: Shape, outcome: OutOfMemory) -> bool:
    """Whether an honest kernel that pads to a square, or spawns a thread per row, could exceed its memory limit.

    The message of a dying kernel is untrusted, so the estimate rests on the shape alone. With the default
    limit of 640 MiB, a failure is forgiven from 161 rows or an extent of 2049 on.
    """
    edge = 1 << (max(shape) - 1).bit_length()
    return max(3 * 4 * edge**2 * PADDED_COPIES, shape.m * THREAD_BYTES) > outcome.limit_bytes


def _check_in_batches(
    runner: KernelRunner, oracle: Oracle, cases: list[tuple[Shape, int]]
) -> FailedCheck | None:
    """Check all cases of one placement in one round trip; after a failure, one by one to find the failing case."""
    assert oracle.batch is not None
    for placement in Placement:
        group = [case for case in cases if placement_of(case[1]) is placement]
        if not group:
            continue
        runner.checks += len(group)
        try:
            found = oracle.batch(runner, group)
        except Rejected as outcome:
            where = outcome.rejection.at.shape or group[0][0]
            failure = FailedCheck(where, group[0][1], outcome.rejection)
        else:
            if found is None:
                continue
            shape, seed, wrong = found
            at = At(oracle.gate, shape, seed)
            failure = FailedCheck(shape, seed, Wrong(replace(wrong, oracle=oracle.name), at))
        alone = _check_one_by_one(runner, oracle, group)
        if alone is not None or not runner.examination.levels.get(failure.shape, 0):
            return alone or failure
    return None


def _shrunk(runner: KernelRunner, oracle: Oracle, failure: FailedCheck) -> FailedCheck:
    """A smaller failure of the same kind that a fresh process reproduces; the given one when there is none."""
    kind = type(failure.rejection)
    if kind in (Timeout, Inconclusive) or not oracle.shrinkable:
        return failure
    largest = Shape(*(min(extent, limit) for extent, limit in zip(failure.shape, DRAWN_LARGEST, strict=True)))
    smaller = search(runner, oracle, largest, SHRINK_CHECKS, SHRINK_S, kind)
    if smaller is None:
        return failure
    runner.close()
    again = judge(runner, oracle, smaller.shape, smaller.seed)
    return FailedCheck(smaller.shape, smaller.seed, again) if isinstance(again, kind) else failure
