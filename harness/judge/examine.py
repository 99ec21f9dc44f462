"""The examination: is it the product (shapes), to the last bit that f32 allows (values), and does it behave (conduct)?

Each gate walks its oracles in order and ends at the first objection, which is then shrunk. A gate returns Examined or a
verdict, never raises for what a candidate did.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace

from harness.errors import UserError
from harness.judge.examination import SEED_BITS, Examination, Examined
from harness.judge.kernel_runner import KernelRunner, Rejected, placement_of
from harness.judge.oracles import Oracle, at_gate, named, normwise
from harness.judge.search import FailedCheck, judge, search
from harness.judge.strategies import is_strip
from harness.judge.worker.calls import Placement
from harness.settings import Profile
from harness.shapes import Shape
from harness.verdict import At, Gate, OutOfMemory, Rejection, Timeout, Wrong

__all__ = ["Examination", "Examined", "case_string", "conduct", "parse_case", "replay", "shapes", "values"]

# How many shapes hypothesis draws, and for how many seconds of checking at most.
DRAWN = {Profile.QUICK: (25, 0.5), Profile.DEFAULT: (60, 1.5), Profile.THOROUGH: (400, 20.0)}
# What shrinking a counterexample may cost.
SHRINK_CHECKS = 60
SHRINK_SECONDS = 1.0
# Elements of a matrix that a case given by hand may ask for.
LARGEST_MATRIX = 1 << 26
# Edge of the largest cube in which a fast scheme is looked for that objections at longish shapes hint at.
LARGEST_CUBE = 1100
# The naive loop takes milliseconds for a strip. Who takes longer than this has made a square of it: the next octave
# takes eight times as long, and to run out of time there is no fault; nobody waits for more than the second figure.
# Nor is it a fault to run out of memory at a strip: with a square's copies, or with a thread for every row: how many
# times A, B and C of the square, and how much address space for a thread.
SQUARES, ROW_BYTES = 10, 4 << 20
SQUARED_S, TOO_LONG_S = 0.1, 0.5
DRAWN_LARGEST = Shape(130, 130, 130)
# One is shrunk already, the other measures time, which says nothing about small shapes.
UNSHRUNK = ("drawn", "blindness")


def shapes(examination: Examination) -> Examined | Rejection:
    """Structure: exact integers at fixed, timed and drawn shapes, basis probing, guard placements, poisoned C."""
    return _gate(examination, Gate.SHAPES)


def values(examination: Examination) -> Examined | Rejection:
    """Precision and special values; decides whether the kernel is componentwise or only normwise stable."""
    return _gate(examination, Gate.VALUES)


def conduct(examination: Examination) -> Examined | Rejection:
    """Behaviour: determinism, memory of former calls, what the kernel leaves behind."""
    return _gate(examination, Gate.CONDUCT)


def replay(examination: Examination, case: str) -> Examined | Rejection:
    """Run exactly one case, as `case_string` wrote it. Raises UserError when the text is not a case."""
    shape, seed, oracle = parse_case(case)
    start = time.monotonic()
    with KernelRunner(examination, oracle.gate) as runner:
        rejection = judge(runner, oracle, shape, seed)
        if rejection is None or _fast_scheme(runner, oracle, FailedCheck(shape, seed, rejection)):
            return _passed(runner, start)
        examination.case = case
        return rejection


def case_string(shape: Shape, seed: int, oracle: str) -> str:
    """ "65x67x63:1234:exact": all that is needed to replay a check."""
    return f"{shape}:{seed}:{oracle}"


def parse_case(case: str) -> tuple[Shape, int, Oracle]:
    """Shape, seed and oracle of a case string; raises UserError that shows the form."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})x(\d{1,5}):(\d{1,15}):([a-z-]+)", case.strip())
    if found is None:
        raise UserError(
            f"'{case}' is not a case; the form is SHAPE:SEED:ORACLE, for example 65x67x63:1234:exact"
        )
    m, k, n, seed = (int(text) for text in found.groups()[:4])
    if seed >= 1 << SEED_BITS:
        raise UserError(f"seed {seed} is too large; seeds are below 2^{SEED_BITS}")
    oracle = named(found.group(5))
    if max(m * k, k * n, m * n) > LARGEST_MATRIX:
        raise UserError(f"{m}x{k}x{n} is too large to replay; a matrix may have {LARGEST_MATRIX} elements")
    if min(m, k, n) < oracle.smallest:
        raise UserError(f"{oracle.name} needs every extent to be at least {oracle.smallest}")
    return Shape(m, k, n), seed, oracle


def _gate(examination: Examination, gate: Gate) -> Examined | Rejection:
    """The gate's oracles in order; at the first objection that stands, its shrunk case is the verdict."""
    start = time.monotonic()
    with KernelRunner(examination, gate) as runner:
        for oracle in at_gate(examination, gate):
            if oracle.classical and examination.numerics == "normwise":
                continue
            case = _first_objection(runner, oracle)
            if case is not None and not _fast_scheme(runner, oracle, case):
                return _rejected(runner, oracle, case)
        for oracle in normwise.ORACLES if gate is Gate.VALUES and examination.numerics == "normwise" else ():
            case = _first_objection(runner, oracle)
            if case is not None:
                return _rejected(runner, oracle, case)
        if gate is Gate.CONDUCT and examination.remarks and "leftovers" not in examination.disabled:
            return examination.remarks[0]
        return _passed(runner, start)


def _fast_scheme(runner: KernelRunner, oracle: Oracle, case: FailedCheck) -> bool:
    """Whether this objection is what a fast bilinear scheme cannot help; puts the candidate into the normwise tier."""
    if not oracle.classical or not isinstance(case.rejection, Wrong):
        return False
    edge = max(case.shape)
    try:
        found = normwise.crosstalk(runner, case.shape, case.seed)
        if not found and 4 * min(case.shape) < edge <= LARGEST_CUBE:
            # Padded to a square, a few rows have only zeros to be mixed with: what it is shows in a full one.
            found = normwise.crosstalk(runner, Shape(edge, edge, edge), case.seed, bits=1)
    except Rejected:
        return False
    if found:
        runner.examination.numerics = "normwise"
    return found


def _rejected(runner: KernelRunner, oracle: Oracle, case: FailedCheck) -> Rejection:
    case = _shrunk(runner, oracle, case)
    runner.examination.case = case_string(case.shape, case.seed, oracle.name)
    return case.rejection


def _passed(runner: KernelRunner, start: float) -> Examined:
    notes: dict[str, str | int | float] = {
        "checks": runner.checks,
        "calls": runner.calls,
        "seed": runner.examination.seed,
    }
    notes["seconds"] = round(time.monotonic() - start, 3)
    if runner.gate is Gate.VALUES:
        notes["numerics"] = runner.examination.numerics
    return Examined(runner.gate, notes)


def _first_objection(runner: KernelRunner, oracle: Oracle) -> FailedCheck | None:
    if oracle.name == "drawn":
        return search(runner, oracle, DRAWN_LARGEST, *DRAWN[runner.examination.profile])
    cases = [
        (shape, runner.examination.seed_at(index))
        for index, shape in enumerate(oracle.plan(runner.examination))
    ]
    if oracle.together is not None:
        return _objection_together(runner, oracle, cases)
    return _objection_singly(runner, oracle, cases)


def _objection_singly(
    runner: KernelRunner, oracle: Oracle, cases: Sequence[tuple[Shape, int]]
) -> FailedCheck | None:
    slow = spent = 0.0
    for shape, seed in cases:
        strip = oracle.elongated or is_strip(shape)
        if strip and slow > TOO_LONG_S:
            continue
        rejection = judge(runner, oracle, shape, seed)
        if strip and isinstance(rejection, OutOfMemory) and _could_be_honest(shape, rejection):
            continue
        if strip and isinstance(rejection, Timeout) and slow > SQUARED_S:
            slow = float("inf")
            continue
        if rejection is not None:
            return FailedCheck(shape, seed, rejection)
        took = runner.last.elapsed_ns / 1e9 if runner.last is not None else 0.0
        slow, spent = max(slow, took if strip else 0.0), spent + took
        if spent > oracle.patience_s:
            return None
    return None


def _could_be_honest(shape: Shape, outcome: OutOfMemory) -> bool:
    """Whether a kernel that pads to a square, or starts a thread for every row, could need more than it was given.

    What a dying kernel says is its own word, so its shape must bear it out. Below 1024 nothing is forgiven.
    """
    edge = 1 << (max(shape) - 1).bit_length()
    return max(3 * 4 * edge**2 * SQUARES, shape.m * ROW_BYTES) > outcome.limit_bytes


def _objection_together(
    runner: KernelRunner, oracle: Oracle, cases: list[tuple[Shape, int]]
) -> FailedCheck | None:
    """All cases of one placement in one round trip; only when something is wrong, one by one to find which."""
    assert oracle.together is not None
    for placement in Placement:
        group = [case for case in cases if placement_of(case[1]) is placement]
        if not group:
            continue
        runner.checks += len(group)
        try:
            found = oracle.together(runner, group)
        except Rejected as outcome:
            where = outcome.rejection.at.shape or group[0][0]
            case = FailedCheck(where, group[0][1], outcome.rejection)
        else:
            if found is None:
                continue
            shape, seed, wrong = found
            case = FailedCheck(
                shape, seed, Wrong(replace(wrong, oracle=oracle.name), At(oracle.gate, shape, seed))
            )
        return _objection_singly(runner, oracle, group) or case
    return None


def _shrunk(runner: KernelRunner, oracle: Oracle, case: FailedCheck) -> FailedCheck:
    """The smallest failure of the same kind at or below this shape that a fresh process shows too, else this one."""
    kind = type(case.rejection)
    if kind is Timeout or oracle.name in UNSHRUNK:
        return case
    largest = Shape(*(min(extent, limit) for extent, limit in zip(case.shape, DRAWN_LARGEST, strict=True)))
    smaller = search(runner, oracle, largest, SHRINK_CHECKS, SHRINK_SECONDS, kind)
    if smaller is None:
        return case
    runner.close()
    again = judge(runner, oracle, smaller.shape, smaller.seed)
    return FailedCheck(smaller.shape, smaller.seed, again) if isinstance(again, kind) else case
