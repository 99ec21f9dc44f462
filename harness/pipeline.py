"""From a candidate to its verdict, gate by gate. Every way of judging goes through here.

`pytest --generate`, a single candidate, the CI gate and the round table's Tester all use the same Inspection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness import machine as machines
from harness.announce import Announce
from harness.candidate import Candidate, ThreadClass
from harness.errors import HarnessFaultError
from harness.operation.operations import OperationName
from harness.settings import Settings
from harness.shapes import Shape
from harness.verdict import Accepted, At, Gate, HarnessError, PolicyViolation, Rejection, Score, Verdict

if TYPE_CHECKING:
    from harness.clock.duel import Duel
    from harness.clock.session import ClockSession
    from harness.clock.worker_pair import Rival
    from harness.compile.rustc import CompiledKernel
    from harness.compile.tools import Tools
    from harness.judge.examination import Examination, Examined
    from harness.judge.scheme_levels import SchemeLevels
    from harness.judge.worker.calls import Program


@dataclass(frozen=True, slots=True)
class GatePassed:
    """The result of a gate that found nothing wrong; `notes` are facts for -v in plain types."""

    gate: Gate
    seconds: float
    notes: dict[str, Any] = field(default_factory=dict)


def require_limits(suite: str, cores: tuple[int, ...]) -> None:
    """Raise UserError when a limit of the shell or the container is too low to judge kernels at these shapes."""
    from harness.clock import suites
    from harness.compile.rustc import MEMORY_LIMIT_BYTES
    from harness.judge.launch import pool_sizes
    from harness.judge.worker import ulimits
    from harness.judge.worker.limits import limits_for

    threads = pool_sizes("all", len(cores))[-1]
    shapes = [shape for name in OperationName for shape in suites.parse(suites.name_for(suite, name))]
    ulimits.require(max(MEMORY_LIMIT_BYTES, limits_for(shapes, threads, cores).memory_bytes))


class SharedTools:
    """What all candidates of a session share: tools, machine, baseline and clock, each created on first use."""

    def __init__(self, settings: Settings, say: Announce) -> None:
        self.settings = settings
        self.say = say
        self.machine = machines.read()

    @cached_property
    def tools(self) -> Tools:
        """Toolchain, host and inspector; raises UserError when one is not available."""
        from harness.compile.tools import prepare

        return prepare(self.say, sandboxed=not self.settings.unsandboxed)

    @cached_property
    def clock(self) -> ClockSession:
        """The clock's session: baseline, peak, A/A control; raises UserError for a bad baseline or suite."""
        from harness.clock.session import ClockSession

        return ClockSession.open(self.settings, self.tools, self.machine, self.say)

    def facts(self, threads: str, operation: OperationName) -> dict[str, Any]:
        """Machine, toolchain, baseline and the operation's suite, for records and comparisons of the thread class "1"
        or "all".
        """
        from harness.clock.suites import name_for

        return {
            "machine": self.machine.as_record(),
            "machine_fingerprint": self.machine.identity(threads),
            "toolchain": self.tools.toolchain.fingerprint,
            "baseline": str(self.clock.baseline),
            "suite": name_for(self.settings.suite, operation),
        }

    def make_ready(self, marked: str) -> None:
        """Open everything that judging needs; raises UserError with one line when something is missing.

        marked: where a session without a sandbox leaves its mark, for the line that says so.
        """
        require_limits(self.settings.suite, self.machine.cores)
        host = self.tools.host
        if self.settings.unsandboxed:
            self.say(f"UNSANDBOXED: candidates run with your rights; {marked}")
        else:
            from harness.judge.worker import sandbox

            sandbox.require(host)
        # Opening the clock finds the baseline and parses the suite; both raise UserError when they are bad.
        assert self.clock.suite


class Inspection:
    """One candidate's way through the gates; every gate runs at most once."""

    def __init__(self, candidate: Candidate, shared: SharedTools) -> None:
        self.candidate = candidate
        self.shared = shared
        self.verdict: Verdict | None = None
        self.passed: dict[Gate, GatePassed] = {}
        self.library: CompiledKernel | None = None
        self._built: Program | None = None
        self._steps: dict[Gate, Callable[[], dict[str, Any] | Verdict]] = {
            Gate.POLICY: self._policy,
            Gate.COMPILE: self._compile,
            Gate.AUDIT: self._audit,
            Gate.SHAPES: self._shapes,
            Gate.VALUES: self._values,
            Gate.CONDUCT: self._conduct,
            Gate.CLOCK: self._clock,
        }

    @property
    def threads(self) -> ThreadClass:
        """The thread class: the command line's, else the manifest's."""
        chosen = self.shared.settings.threads
        return self.candidate.manifest.threads if chosen is None else "all" if chosen == "all" else 1

    @property
    def rejection(self) -> Rejection | None:
        """The rejection; None while the candidate has passed every gate so far, and once it is accepted."""
        return None if self.verdict is None or isinstance(self.verdict, Accepted) else self.verdict

    @property
    def numerics(self) -> str:
        """ "componentwise", or "normwise" for Strassen-like kernels that the values gate or the clock recognised."""
        return self.examination.numerics if Gate.VALUES in self.passed else "componentwise"

    def through(self, gate: Gate) -> GatePassed | Rejection:
        """Run all gates up to and including `gate`; gates that were passed are not run again."""
        for step in Gate:
            if self.rejection is not None:
                return self.rejection
            if step not in self.passed:
                self._run(step)
            if step is gate:
                break
        return self.rejection or self.passed[gate]

    def _run(self, gate: Gate) -> None:
        """Run one gate. Only faults of the harness are caught; they become HarnessError and never blame the
        candidate.
        """
        began = time.monotonic()
        try:
            outcome = self._steps[gate]()
        except HarnessFaultError as fault:
            outcome = HarnessError(str(fault), At(gate))
        if isinstance(outcome, dict):
            self.passed[gate] = GatePassed(gate, time.monotonic() - began, outcome)
            return
        self.verdict = outcome
        if isinstance(outcome, Accepted):
            self.passed[gate] = GatePassed(gate, time.monotonic() - began)

    def _policy(self) -> dict[str, Any] | Rejection:
        from harness.compile import policy

        report = policy.check(
            self.candidate.source, self.candidate.manifest.tier, self.shared.tools.inspector
        )
        return report if isinstance(report, PolicyViolation) else {"unsafe_blocks": report.unsafe_blocks}

    def _compile(self) -> dict[str, Any] | Rejection:
        from harness.compile import rustc

        candidate = self.candidate
        built = rustc.compile_kernel(
            candidate.source, candidate.manifest.tier, self.shared.tools, candidate.operation
        )
        if not isinstance(built, rustc.CompiledKernel):
            return built
        self.library = built
        return {
            "warnings": len(built.warnings),
            "cached": built.cached,
            "compile_s": round(built.compile_s, 2),
        }

    def _audit(self) -> dict[str, Any] | Rejection:
        from harness.compile import audit

        assert self.library is not None
        report = audit.check(self.library, self.shared.tools)
        return report if isinstance(report, PolicyViolation) else {}

    @cached_property
    def examination(self) -> Examination:
        """The state of the judging gates for this kernel: workers, secret seed, shapes, thread class."""
        from harness.judge.launch import prepare_examination

        return prepare_examination(
            self._program,
            host=self.shared.tools.host,
            settings=self.shared.settings,
            machine=self.shared.machine,
            threads=self.threads,
            timed_shapes=self._timed_shapes,
            database_key=f"{self.candidate.name}:{self.candidate.source_hash}",
            trusted=self._built is not None,
            operation=self.candidate.operation,
            tier=self.candidate.manifest.tier,
        )

    @property
    def _timed_shapes(self) -> tuple[Shape, ...]:
        """The extents of the suite, without layouts."""
        suite = self.shared.clock.suite_of(self._program)
        return tuple(dict.fromkeys(shape.plain for shape in suite))

    @classmethod
    def of_trusted(cls, candidate: Candidate, program: Program, shared: SharedTools) -> Inspection:
        """The inspection of a yardstick: Cargo builds it from a lock file, so it starts at the first judging gate."""
        inspection = cls(candidate, shared)
        inspection._built = program
        for gate in (Gate.POLICY, Gate.COMPILE, Gate.AUDIT):
            inspection.passed[gate] = GatePassed(gate, 0.0, {"trusted": True})
        return inspection

    @property
    def _program(self) -> Program:
        from harness.judge.worker.calls import Abi, Program

        if self._built is not None:
            return self._built
        assert self.library is not None
        return Program(self.library.path, self.library.symbol, Abi(self.candidate.operation.abi))

    @property
    def case(self) -> str | None:
        """The case that replays the counterexample, if the judge found one."""
        return self.examination.case if Gate.AUDIT in self.passed else None

    def _shapes(self) -> dict[str, Any] | Rejection:
        from harness.judge import examine

        return _notes(examine.shapes(self.examination))

    def _values(self) -> dict[str, Any] | Rejection:
        from harness.judge import examine

        return _notes(examine.values(self.examination))

    def _conduct(self) -> dict[str, Any] | Rejection:
        from harness.judge import examine

        return _notes(examine.conduct(self.examination))

    @cached_property
    def _levels(self) -> SchemeLevels:
        """The levels of a fast scheme that the kernel has shown in the judging gates, and at the timed shapes that are
        too large for them: there a scheme may begin.
        """
        from harness.judge.scheme_levels import SchemeLevels
        from harness.judge.strategies import timed

        # At timed shapes where no classical oracle failed, the kernel counts as classical (0 levels).
        classical = dict.fromkeys(timed(self.examination), 0)
        shown = classical | self.examination.levels
        levels = SchemeLevels(shown, self.candidate.manifest.scheme, self._ask_levels)
        asked = levels.asked_at(self._timed_shapes, classical_too=True)
        # What was found only now counts for the verdict's numerics as well.
        self.examination.levels |= {shape: count for shape, count in asked.shown.items() if count}
        return asked

    def _ask_levels(self, shape: Shape) -> int:
        """The levels of a fast scheme that the kernel shows at a shape that the judging gates did not examine."""
        from harness.judge.kernel_runner import KernelRunner
        from harness.judge.mixing import levels_shown

        with KernelRunner(self.examination, Gate.CLOCK) as runner:
            return levels_shown(runner, shape, self.examination.seed)

    def as_rival(self) -> Rival:
        """The kernel as the rival of a duel; it must have passed the judging gates."""
        from harness.clock.worker_pair import Rival

        assert Gate.CONDUCT in self.passed
        return Rival(self.candidate.name, self._program, self._levels)

    def duel(self, rival: Rival) -> Duel | Rejection:
        """Time the kernel against `rival`; it must have passed the judging gates.

        Raises HarnessFaultError when the rival fails.
        """
        from harness.clock.duel import duel

        return duel(self.as_rival(), rival, str(self.threads), self.shared.clock)

    def _clock(self) -> Verdict:
        from harness.clock import measure

        score = measure.score(self._program, str(self.threads), self.shared.clock, self._levels)
        if not isinstance(score, Score):
            return score
        return Accepted(score, tier=self.candidate.manifest.tier, numerics=self.examination.numerics)


def _notes(outcome: Examined | Rejection) -> dict[str, Any] | Rejection:
    """The notes of a passed judging gate as a dict, or the rejection unchanged."""
    from harness.judge.examination import Examined

    return dict(outcome.notes) if isinstance(outcome, Examined) else outcome
