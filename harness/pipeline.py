"""One way through the house: from a candidate to its verdict, gate by gate.

`pytest --generate`, a single candidate, the CI gate and the round table's Tester all walk this way and no other.
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
from harness.settings import Settings
from harness.verdict import Accepted, At, Gate, HarnessError, PolicyViolation, Rejection, Score, Verdict

if TYPE_CHECKING:
    from harness.clock.session import ClockSession
    from harness.compile.rustc import CompiledKernel
    from harness.compile.tools import Tools
    from harness.judge.examination import Examination, Examined
    from harness.judge.worker.calls import Program


@dataclass(frozen=True, slots=True)
class GatePassed:
    """A gate let the candidate through; `notes` are facts worth showing under -v, in plain types."""

    gate: Gate
    seconds: float
    notes: dict[str, Any] = field(default_factory=dict)


class SharedTools:
    """What all candidates of a session share: tools, machine, baseline, clock. Built when first needed."""

    def __init__(self, settings: Settings, say: Announce) -> None:
        self.settings = settings
        self.say = say
        self.machine = machines.read()

    @cached_property
    def tools(self) -> Tools:
        """The toolchain, the host and the inspector; raises UserError where one cannot be had."""
        from harness.compile.tools import prepare

        return prepare(self.say, sandboxed=not self.settings.unsandboxed)

    @cached_property
    def clock(self) -> ClockSession:
        """The clock's session: baseline, peak, A/A control; raises UserError for a bad baseline or suite."""
        from harness.clock.session import ClockSession

        return ClockSession.open(self.settings, self.tools, self.machine, self.say)


class Inspection:
    """One candidate on its way through the gates; every gate runs at most once."""

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
        """The thread class in force; the command line overrules the manifest."""
        chosen = self.shared.settings.threads
        return self.candidate.manifest.threads if chosen is None else "all" if chosen == "all" else 1

    @property
    def rejection(self) -> Rejection | None:
        """The rejection that ended the way, if one did."""
        return None if self.verdict is None or isinstance(self.verdict, Accepted) else self.verdict

    @property
    def numerics(self) -> str:
        """ "componentwise", or "normwise" for Strassen-like kernels that the values gate recognised."""
        return self.examination.numerics if Gate.VALUES in self.passed else "componentwise"

    def through(self, gate: Gate) -> GatePassed | Rejection:
        """Walk up to and including `gate`; gates already passed are not run again."""
        for step in Gate:
            if self.rejection is not None:
                return self.rejection
            if step not in self.passed:
                self._run(step)
            if step is gate:
                break
        return self.rejection or self.passed[gate]

    def _run(self, gate: Gate) -> None:
        """One gate; only the harness's own faults are caught, and they are never the candidate's."""
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

        built = rustc.compile_kernel(self.candidate.source, self.candidate.manifest.tier, self.shared.tools)
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
        """What the judge needs to run this kernel: fresh workers, a secret seed, shapes, the thread class."""
        from harness.judge.launch import prepare_examination

        return prepare_examination(
            self._program,
            host=self.shared.tools.host,
            settings=self.shared.settings,
            machine=self.shared.machine,
            threads=self.threads,
            timed_shapes=self.shared.clock.suite,
            database_key=f"{self.candidate.name}:{self.candidate.source_hash}",
            trusted=self._built is not None,
        )

    @classmethod
    def of_trusted(cls, candidate: Candidate, program: Program, shared: SharedTools) -> Inspection:
        """A yardstick: a crate that Cargo built from a lock file, so that the way begins at the first judging gate."""
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
        return Program(self.library.path, self.library.symbol, Abi.KERNEL)

    @property
    def case(self) -> str | None:
        """The case that replays the counterexample, when the judge found one."""
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

    def _clock(self) -> Verdict:
        from harness.clock import measure

        score = measure.score(self._program, str(self.threads), self.shared.clock, self.examination.numerics)
        if not isinstance(score, Score):
            return score
        return Accepted(score, tier=self.candidate.manifest.tier, numerics=self.examination.numerics)


def _notes(outcome: Examined | Rejection) -> dict[str, Any] | Rejection:
    """The notes of the judge's pass in plain types, or its rejection as it is."""
    from harness.judge.examination import Examined

    return dict(outcome.notes) if isinstance(outcome, Examined) else outcome
