"""Jobs, outcomes and the handshake as JSON of plain types, checked on arrival: names, bounds, fingerprints."""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.candidate import MAX_SOURCE_BYTES, Candidate, Manifest
from harness.durable import refuse_constant
from harness.fleet.possible import impossible, legible
from harness.machine import Machine
from harness.roundtable.runlog import codec
from harness.settings import Profile, Settings
from harness.verdict import Accepted, At, Gate, Inconclusive, Verdict, one_line
from harness.visible import visible

FORMAT: Literal[1] = 1
# Bytes of one message: a source of 1 MiB, escaped, and the diagnostics of rustc.
MAX_MESSAGE_BYTES = 8 << 20
# The gates that need no clock.
JUDGING = tuple(gate for gate in Gate if gate is not Gate.CLOCK)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,199}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
# For people: nothing in it moves a cursor or reorders a line.
Line = Annotated[str, Field(max_length=500), AfterValidator(visible)]
# With the layout, alpha and beta of a form of sgemm, where it has one.
_SHAPE = r"\d{1,9}x\d{1,9}x\d{1,9}(:[nt0-9+*./]{2,100})?"
# What replays a counterexample; it is shown as part of a command.
Case = Annotated[str, Field(pattern=rf"^{_SHAPE}:\d{{1,15}}:[a-z-]{{1,60}}$")]
Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
ShapeText = Annotated[str, Field(pattern=f"^{_SHAPE}$")]
# A name, or every shape written out.
SuiteText = Annotated[str, Field(max_length=50_000)]


class WireError(Exception):
    """A message that is not what was agreed; the text says what is wrong with it."""


class WireMessage(BaseModel):
    """A frozen message; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT


class JobStage(StrEnum):
    """The part of judging that a job asks for: the gates before the clock, the clock alone, or all gates."""

    CORRECTNESS = "correctness"
    TIMING = "timing"
    WHOLE = "whole"


class Conditions(WireMessage):
    """The settings of the session that a verdict depends on; `seed` None lets the judge draw its own secret one."""

    suite: SuiteText
    profile: Profile
    threads: Literal["1", "all"] | None
    seed: int | None = Field(default=None, ge=0)
    clock_budget_s: float = Field(gt=0, le=1e5, allow_inf_nan=False)
    core_type: Line

    @staticmethod
    def of(settings: Settings) -> Conditions:
        """The conditions of a session."""
        return Conditions(
            suite=settings.suite,
            profile=settings.profile,
            threads=settings.threads,
            seed=settings.seed,
            clock_budget_s=settings.clock_budget_s,
            core_type=settings.core_type,
        )


class Job(WireMessage):
    """One judging. `ticket` names it; `levels` (a shape's text: levels of a fast scheme) are what the gates before the
    clock found, for the stage `timing`.
    """

    ticket: Name
    candidate: Name
    source: str = Field(max_length=MAX_SOURCE_BYTES)
    manifest: dict[str, Any]
    stage: JobStage
    conditions: Conditions
    attempt: int = Field(ge=1, le=100)
    # The machine that is to judge; another one declines.
    fingerprint: Digest
    levels: dict[ShapeText, Annotated[int, Field(ge=0, le=64)]] = Field(default_factory=dict)

    @staticmethod
    def manifest_of(candidate: Candidate) -> dict[str, Any]:
        """The manifest of a candidate in plain types, for a job."""
        return candidate.manifest.model_dump(mode="json", exclude_defaults=True)


class PassedGate(WireMessage):
    """A gate that found nothing wrong, as `GatePassed`."""

    gate: Gate
    seconds: Seconds
    notes: dict[Line, bool | int | float | Line | None] = Field(default_factory=dict)


class JobOutcome(WireMessage):
    """The result of a job: the gates passed in order, and the verdict, None for correct kernels that were not timed."""

    ticket: Name
    fingerprint: Digest
    passed: list[PassedGate] = Field(max_length=len(Gate))
    verdict: Annotated[dict[str, Any], AfterValidator(legible)] | None
    levels: dict[ShapeText, Annotated[int, Field(ge=0, le=64)]] = Field(default_factory=dict)
    numerics: Literal["componentwise", "normwise"] = "componentwise"
    case: Case | None = None
    # Seconds that the judging took on the worker.
    seconds: Seconds

    @property
    def decoded(self) -> Verdict | None:
        """The verdict as its type."""
        return None if self.verdict is None else codec.from_plain(self.verdict)


class WorkerFacts(WireMessage):
    """What a worker says of itself before it gets a job."""

    version: Digest
    toolchain: Line
    # rustc's version and commit, without the host's triple: equal on machines of different architectures.
    compiler: Line
    baseline: Line
    python: Line
    sandboxed: bool
    machine: dict[str, Any]

    @property
    def of_machine(self) -> Machine:
        """The machine as its type."""
        return _machines().validate_python(self.machine)

    def refusal(self, here: WorkerFacts) -> str | None:
        """Why this worker cannot judge for a session with the facts `here`; None when it can."""
        if self.version != here.version:
            return f"it has version {self.version} of the harness, this session {here.version}"
        if self.compiler != here.compiler:
            return f"it has {one_line(self.compiler, 80)}, this session {one_line(here.compiler, 80)}"
        if not self.sandboxed:
            return "it has no sandbox"
        return None


@cache
def _machines() -> TypeAdapter[Machine]:
    return TypeAdapter(Machine)


def plain_machine(machine: Machine) -> dict[str, Any]:
    """A machine in plain types, for WorkerFacts."""
    found: dict[str, Any] = _machines().dump_python(machine, mode="json")
    return found


Read = TypeVar("Read", Job, JobOutcome, WorkerFacts)


def write(message: WireMessage) -> str:
    """One line of JSON."""
    return message.model_dump_json()


def read(kind: type[Read], text: str) -> Read:
    """The message in a line of JSON; raises WireError for anything else."""
    if len(text) > MAX_MESSAGE_BYTES:
        raise WireError(f"a message of {len(text)} characters; at most {MAX_MESSAGE_BYTES} are taken")
    try:
        found = kind.model_validate(json.loads(text, parse_constant=refuse_constant))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise WireError(one_line(f"{kind.__name__}.{where}: {first['msg']}", 200)) from None
    except (ValueError, RecursionError) as error:
        raise WireError(one_line(f"not JSON: {error}", 200)) from None
    if isinstance(found, WorkerFacts):
        _check_machine(found)
    return found


def read_outcome(text: str, job: Job) -> JobOutcome:
    """The outcome of `job`; raises WireError when it is that of another job or machine, or no possible verdict."""
    found = read(JobOutcome, text)
    if found.ticket != job.ticket:
        raise WireError(f"the outcome of {found.ticket} instead of {job.ticket}")
    if found.fingerprint != job.fingerprint:
        raise WireError(f"the outcome of machine {found.fingerprint} instead of {job.fingerprint}")
    if [one.gate for one in found.passed] != list(Gate)[: len(found.passed)]:
        raise WireError("gates are missing or out of order")
    _check_verdict(found, job)
    return found


def _check_verdict(found: JobOutcome, job: Job) -> None:
    try:
        verdict = found.decoded
    except (ValueError, TypeError) as error:
        raise WireError(one_line(f"not a verdict: {error}", 200)) from None
    through = len(found.passed)
    if verdict is None:
        if job.stage is not JobStage.CORRECTNESS or through != len(JUDGING):
            raise WireError("no verdict, and not all gates were passed")
        return
    if isinstance(verdict, Accepted):
        if job.stage is JobStage.CORRECTNESS or through != len(Gate):
            raise WireError("accepted without having passed every gate")
        why = impossible(verdict, job.conditions.suite, Manifest.model_validate(job.manifest))
        if why is not None:
            raise WireError(why)
    elif through == len(Gate) or list(Gate).index(verdict.at.gate) > through:
        # A later step may object to what belongs to an earlier gate: the audit names broken rules of the policy.
        raise WireError(f"rejected at {verdict.at.gate} after {through} gates")


def _check_machine(facts: WorkerFacts) -> None:
    """The machine's record must be one, of bounded size."""
    try:
        machine = facts.of_machine
    except ValidationError as error:
        raise WireError(one_line(f"machine: {error.errors()[0]['msg']}", 200)) from None
    texts = (machine.cpu, machine.arch, machine.os, *machine.isa)
    if any(len(text) > 200 or not text.isprintable() for text in texts) or len(machine.isa) > 100:
        raise WireError("machine: a text is too long or not printable")
    if not 1 <= len(machine.cores) <= 4096:
        raise WireError("machine: 1 to 4096 cores are expected")


def unfinished(job: Job, why: str) -> JobOutcome:
    """The outcome of a job that no worker finished: nothing is said against the kernel."""
    reached = Gate.CLOCK if job.stage is JobStage.TIMING else Gate.POLICY
    passed = [PassedGate(gate=gate, seconds=0.0) for gate in (JUDGING if reached is Gate.CLOCK else ())]
    verdict = Inconclusive(one_line(why), At(reached))
    return JobOutcome(
        ticket=job.ticket,
        fingerprint=job.fingerprint,
        passed=passed,
        verdict=codec.to_plain(verdict),
        seconds=0.0,
    )
