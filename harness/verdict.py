"""The verdict as a sum type: judging a candidate ends in exactly one of these classes."""

from __future__ import annotations

import signal as signals
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from harness.shapes import Shape


class Gate(StrEnum):
    """The gates, in the order in which a candidate passes them."""

    POLICY = "policy"
    COMPILE = "compile"
    AUDIT = "audit"
    SHAPES = "shapes"
    VALUES = "values"
    CONDUCT = "conduct"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class At:
    """The gate of a rejection, and the shape and data seed if it happened during a call."""

    gate: Gate
    shape: Shape | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Counterexample:
    """The first wrong element that an oracle found.

    `got` and `expected` are text ("nan (0x7fc01234)", "1.5"), because JSON cannot carry NaN payloads.
    """

    oracle: str
    detail: str
    row: int | None = None
    col: int | None = None
    got: str = ""
    expected: str = ""
    # All of C as a coarse grid, a text per row of blocks: see `harness.judge.reference.wrong_blocks`. Empty when only a
    # part of C was compared.
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShapeTiming:
    """One shape of the timed suite: medians and least times of both sides, the ratio with its interval, share of the
    peak.

    Noise only adds time, so the least times vary least (Chen and Revels 2016); `ratio` is that of the medians.
    `error` and `baseline_error` are ‖C − A·B‖ / ‖A·B‖ (Frobenius norms, A·B in f64) over sampled rows of timed products
    of random reals; None in records of older versions.
    """

    shape: Shape
    time_ns: float
    baseline_time_ns: float
    min_time_ns: float
    min_baseline_time_ns: float
    ratio: float
    ratio_low: float
    ratio_high: float
    gflops: float
    percent_of_peak: float
    pairs: int
    error: float | None = None
    baseline_error: float | None = None


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Rates of the machine that bound every kernel: FMA with the kernel's number of threads (GFLOP/s), and reading each
    level of the memory with one core (GB/s), as measured by `harness.clock.floor.measure`.
    """

    fma_gflops: float
    l1_gbps: float
    l2_gbps: float
    l3_gbps: float
    memory_gbps: float


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The suite's ratio to BLAS if the kernel did everywhere as at secret `shapes` near and between the timed ones, and
    its 95 % interval; see `harness.clock.elsewhere.over_the_suite`.
    """

    ratio: float
    ratio_low: float
    ratio_high: float
    shapes: tuple[Shape, ...]


def is_clearly_lower(elsewhere_high: float, ratio_low: float) -> bool:
    """Whether the ratio at secret shapes is below that of the suite beyond both intervals, so that it counts."""
    return elsewhere_high < ratio_low


class Claimed(NamedTuple):
    """The ratio that a kernel may claim, with its 95 % interval."""

    ratio: float
    ratio_low: float
    ratio_high: float


@dataclass(frozen=True, slots=True)
class Score:
    """The result of the clock: ratio_to_blas = t_blas / t_candidate; above 1 is faster than BLAS.

    `ratio`, `ratio_low`, `ratio_high` are the geometric mean over the suite and its 95 % interval. `aa_low`, `aa_high`
    are the interval of the session's A/A control (BLAS against BLAS). `elsewhere` is None in records of older versions.
    """

    ratio: float
    ratio_low: float
    ratio_high: float
    per_shape: tuple[ShapeTiming, ...]
    threads: int
    baseline: str
    aa_low: float
    aa_high: float
    elsewhere: Elsewhere | None = None
    # The ratio to the baseline's library with the kernels that it chooses itself; None where the baseline has them.
    installed_ratio: float | None = None
    # The machine's limits at the time; None in records of older versions.
    ceilings: Ceilings | None = None

    @property
    def is_tuned_to_the_suite(self) -> bool:
        """Whether the kernel is slower at secret shapes than at the timed ones, beyond both intervals."""
        return self.elsewhere is not None and is_clearly_lower(self.elsewhere.ratio_high, self.ratio_low)

    @property
    def claimed(self) -> Claimed:
        """The ratio that counts for claims, --min-ratio and the memory: elsewhere's when it is clearly lower."""
        counts = self.elsewhere if self.elsewhere is not None and self.is_tuned_to_the_suite else self
        return Claimed(counts.ratio, counts.ratio_low, counts.ratio_high)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Every gate passed. Only accepted kernels enter the memory."""

    score: Score
    tier: str
    numerics: str = "componentwise"


@dataclass(frozen=True, slots=True)
class CompileError:
    """rustc refused the source; `diagnostics` is its rendered text, trimmed."""

    summary: str
    diagnostics: str
    at: At = At(Gate.COMPILE)


@dataclass(frozen=True, slots=True)
class PolicyViolation:
    """The source names, or the binary contains, something that a candidate may not use."""

    rule: str
    detail: str
    line: int | None = None
    at: At = At(Gate.POLICY)


@dataclass(frozen=True, slots=True)
class Wrong:
    """The result is not the product."""

    counterexample: Counterexample
    at: At


@dataclass(frozen=True, slots=True)
class Crash:
    """Killed by a signal other than a panic, a limit or the sandbox; `detail` describes the memory access."""

    signal: int
    at: At
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Panic:
    """Rust panicked; `message` is untrusted text."""

    message: str
    at: At


@dataclass(frozen=True, slots=True)
class Timeout:
    """Not finished within the time limit, which is derived from the naive reference."""

    limit_s: float
    at: At


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """Exceeded the memory limit, which is derived from the shape."""

    limit_bytes: int
    at: At


@dataclass(frozen=True, slots=True)
class Cheat:
    """Cheating; `trick` names it in a few words, `detail` is the evidence."""

    trick: str
    detail: str
    at: At


@dataclass(frozen=True, slots=True)
class TooFast:
    """Faster than physically possible: `time_ns` is below the floor `floor_ns`. `hint`: what to do, or empty."""

    time_ns: float
    floor_ns: float
    at: At
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """The machine is too busy for a verdict; nothing enters the memory.

    At the clock, the kernel is correct as far as tested, but the timing is not reliable. At an earlier gate, a call or
    rustc did not end because it got no core.
    """

    noise: str
    at: At = At(Gate.CLOCK)


@dataclass(frozen=True, slots=True)
class HarnessError:
    """The harness failed; the candidate is not blamed."""

    detail: str
    at: At


Rejection: TypeAlias = (
    CompileError
    | PolicyViolation
    | Wrong
    | Crash
    | Panic
    | Timeout
    | OutOfMemory
    | Cheat
    | TooFast
    | Inconclusive
    | HarnessError
)
Verdict: TypeAlias = Accepted | Rejection


def name(verdict: Verdict) -> str:
    """The name of the verdict in records: the class name, for example "PolicyViolation"."""
    return type(verdict).__name__


def describe(verdict: Verdict) -> str:
    """One line that says what happened, without the replay command."""
    match verdict:
        case Accepted(score=s):
            there = f", elsewhere {s.elsewhere.ratio:.2f}x" if s.elsewhere is not None else ""
            counts = ", which counts" if s.is_tuned_to_the_suite else ""
            interval = f"[{s.ratio_low:.2f}, {s.ratio_high:.2f}]"
            return f"{s.ratio:.2f}x BLAS {interval}{there}{counts}, {s.threads} thread(s)"
        case CompileError(summary=summary):
            return f"does not compile: {summary}"
        case PolicyViolation(rule=rule, detail=detail, line=line):
            where = f"line {line}: " if line else ""
            return f"{where}{detail} ({rule})"
        case Wrong(counterexample=c):
            element = (
                f" at [{c.row}, {c.col}]: got {c.got}, expected {c.expected}" if c.row is not None else ""
            )
            return f"wrong{_at(verdict.at)}, oracle {c.oracle}, {c.detail}{element}"
        case Crash(signal=number, detail=detail):
            return f"killed by {signal_name(number)}{_at(verdict.at)}" + (
                f": {one_line(detail)}" if detail else ""
            )
        case Panic(message=message):
            return f"panicked{_at(verdict.at)}: {one_line(message)}"
        case Timeout(limit_s=limit):
            return f"not finished after {limit:.1f} s{_at(verdict.at)}"
        case OutOfMemory(limit_bytes=limit):
            return f"wanted more than the {limit / 2**20:.0f} MiB allowed{_at(verdict.at)}"
        case Cheat(trick=trick, detail=detail):
            return f"{trick}{_at(verdict.at)}: {one_line(detail)}"
        case TooFast(time_ns=t, floor_ns=floor, hint=hint):
            least = f"({floor / 1e3:.1f} µs)"
            return f"{t / 1e3:.1f} µs{_at(verdict.at)} is faster than this machine can be {least}{hint}"
        case Inconclusive(noise=noise, at=At(gate=Gate.CLOCK)):
            return f"correct, but not timed: {noise}"
        case Inconclusive(noise=noise):
            return f"not judged to the end{_at(verdict.at)}: {noise}"
        case HarnessError(detail=detail):
            return f"the harness failed, not the candidate{_at(verdict.at)}: {one_line(detail)}"


def signal_name(number: int) -> str:
    """The signal's name, "SIGSEGV" for 11, or "signal 64" when it has none."""
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def one_line(text: str, limit: int = 300) -> str:
    """Untrusted text as one printable line of at most `limit` characters."""
    flat = " ".join("".join(ch if ch.isprintable() else " " for ch in text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _at(at: At) -> str:
    shape = f" at {at.shape}" if at.shape is not None else ""
    seed = f" seed {at.seed}" if at.seed is not None else ""
    return shape + seed
