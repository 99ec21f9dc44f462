"""What every worker does with a job: judge it as any candidate is judged here, and say what was found."""

from __future__ import annotations

import platform
import time
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness import machine as machines
from harness import shapes
from harness.announce import Announce
from harness.caches import usable_cache
from harness.candidate import Candidate, Manifest
from harness.errors import CandidateError, HarnessFaultError, SandboxError, UserError
from harness.fleet import wire
from harness.fleet.version import source_digest
from harness.fleet.wire import Conditions, Job, JobOutcome, JobStage, PassedGate, WorkerFacts
from harness.machine import Machine
from harness.pipeline import GatePassed, Inspection, SharedTools
from harness.places import ROOT
from harness.roundtable.runlog import codec
from harness.schedule.vector_units import UNITS
from harness.settings import Settings
from harness.verdict import At, Gate, HarnessError, Verdict

if TYPE_CHECKING:
    from harness.compile.toolchain import Toolchain


def facts(shared: SharedTools) -> WorkerFacts:
    """What this machine says of itself; opens toolchain, baseline and sandbox. Raises UserError for what is missing."""
    return WorkerFacts(
        version=source_digest(),
        toolchain=shared.tools.toolchain.fingerprint,
        compiler=compiler(shared.tools.toolchain),
        baseline=str(shared.clock.baseline),
        python=platform.python_version(),
        sandboxed=_is_sandboxed(shared),
        machine=wire.plain_machine(shared.machine),
    )


def compiler(toolchain: Toolchain) -> str:
    """The version, commit and LLVM of rustc: what must be equal on all machines of a fleet."""
    return f"rustc {toolchain.version} ({toolchain.commit[:9]}, LLVM {toolchain.llvm})"


def _is_sandboxed(shared: SharedTools) -> bool:
    from harness.judge.worker import sandbox

    if shared.settings.unsandboxed:
        return False
    try:
        sandbox.require(shared.tools.host)
    except SandboxError:
        return False
    return True


def narrowed(machine: Machine, unit: str) -> Machine:
    """The machine without the vector units wider than `unit`, as which a worker may offer itself; "" changes nothing.

    Raises UserError when the machine does not have the unit.
    """
    if unit in ("", machine.vector):
        return machine
    keep = set(UNITS[unit].cpu_features) if unit in UNITS else set()
    wider = {name for other in UNITS.values() for name in other.cpu_features} - keep
    wider |= {name for name in machine.isa if name.startswith("avx512") and unit != "avx512"}
    found = replace(machine, isa=tuple(name for name in machine.isa if name not in wider))
    if found.vector != unit:
        raise UserError(f"--vector {unit}: this machine has {machine.vector}; name a narrower unit or none")
    return found


class JobJudge:
    """Judges jobs one after the other in this process; tools, baseline and A/A control are kept between them."""

    def __init__(self, say: Announce, unit: str = "", place: int = 0, places: int = 1) -> None:
        """`unit` offers a narrower vector unit. Of `places` judges on one machine this one has number `place`: all see
        all cores, but each pins its kernels to a share of its own and runs no more oracles side by side than that, so
        that budgets of wall time give as much evidence as to a judge that is alone.
        """
        self._say = say
        machine = narrowed(machines.read(), unit)
        self._share = max(1, len(machine.cores) // places)
        turn = place * self._share % len(machine.cores)
        self._machine = replace(machine, cores=machine.cores[turn:] + machine.cores[:turn])
        self._cache, _ = usable_cache()
        self._shared = lru_cache(maxsize=4)(self._open)

    def _settings(self, conditions: Conditions | None) -> Settings:
        plain = Settings(root=ROOT, cache=self._cache, results=self._cache / "fleet", memory="")
        if conditions is None:
            return plain
        return replace(
            plain,
            suite=conditions.suite,
            profile=conditions.profile,
            threads=conditions.threads,
            seed=conditions.seed,
            clock_budget_s=conditions.clock_budget_s,
            core_type=conditions.core_type,
        )

    def _open(self, conditions: Conditions | None) -> SharedTools:
        shared = SharedTools(self._settings(conditions), self._say)
        shared.machine = self._machine
        return shared

    def facts(self) -> WorkerFacts:
        """What this worker says of itself; see `facts`."""
        return facts(self._shared(None))

    def judge(self, job: Job) -> JobOutcome:
        """Judge one job. A failure of this machine becomes the verdict HarnessError, which blames no kernel."""
        began = time.monotonic()
        if job.fingerprint != self._machine.fingerprint:
            return _failed(
                job, f"sent to machine {self._machine.fingerprint}, meant for {job.fingerprint}", began
            )
        try:
            manifest = Manifest.model_validate(job.manifest)
            candidate = Candidate(job.candidate, ROOT / "candidates" / job.candidate, job.source, manifest)
            inspection = Inspection(candidate, self._shared(job.conditions))
            inspection.through(Gate.AUDIT)
            if inspection.rejection is None:
                examination = inspection.examination
                examination.other_launches = examination.other_launches[: self._share - 1]
            _run(inspection, job)
        except (UserError, HarnessFaultError, CandidateError, ValueError) as error:
            return _failed(job, str(error), began)
        return outcome_of(inspection, job, time.monotonic() - began)


def _run(inspection: Inspection, job: Job) -> None:
    if job.stage is JobStage.CORRECTNESS:
        inspection.through(Gate.CONDUCT)
        return
    if job.stage is JobStage.TIMING:
        take_over(inspection, job.levels, {gate: GatePassed(gate, 0.0) for gate in _EXAMINING})
    inspection.through(Gate.CLOCK)


_EXAMINING = (Gate.SHAPES, Gate.VALUES, Gate.CONDUCT)


def take_over(inspection: Inspection, levels: dict[str, int], passed: dict[Gate, GatePassed]) -> None:
    """Build the kernel here and take its correctness from another judge of the same vector unit."""
    inspection.through(Gate.AUDIT)
    if inspection.rejection is None:
        inspection.passed |= passed
        inspection.examination.levels |= {shapes.read(text): count for text, count in levels.items()}


def outcome_of(inspection: Inspection, job: Job, seconds: float) -> JobOutcome:
    """What an inspection has found, in plain types."""
    examined = Gate.AUDIT in inspection.passed
    levels = inspection.examination.levels if examined else {}
    return JobOutcome(
        ticket=job.ticket,
        fingerprint=job.fingerprint,
        passed=[
            PassedGate(gate=one.gate, seconds=one.seconds, notes=_plain_notes(one.notes))
            for one in inspection.passed.values()
        ],
        verdict=None if inspection.verdict is None else codec.to_plain(inspection.verdict),
        levels={str(shape): count for shape, count in levels.items()},
        numerics=inspection.examination.numerics if examined else "componentwise",
        case=inspection.case,
        seconds=seconds,
    )


def _plain_notes(notes: dict[str, Any]) -> dict[str, Any]:
    """The notes whose values are plain; the others are for people beside the judge only."""
    return {
        str(key)[:500]: value[:500] if isinstance(value, str) else value
        for key, value in notes.items()
        if isinstance(value, str | int | float | None)
    }


def _failed(job: Job, why: str, began: float) -> JobOutcome:
    verdict: Verdict = HarnessError(why, At(Gate.POLICY))
    return JobOutcome(
        ticket=job.ticket,
        fingerprint=job.fingerprint,
        passed=[],
        verdict=codec.to_plain(verdict),
        seconds=time.monotonic() - began,
    )
