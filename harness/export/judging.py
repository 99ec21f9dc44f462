"""Judges candidates before they are taken into a crate: the pipeline's gates, the claim, the tier, the features."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import records, saved_timings
from harness.candidate import Candidate, Manifest, load
from harness.errors import UserError
from harness.export.source_text import CpuNeeds, cpu_needs
from harness.export.variants import UNITS, as_candidate, variant_source
from harness.pipeline import Inspection, SharedTools
from harness.verdict import Accepted, Gate, describe
from harness.visible import shown_in

NORMWISE = "normwise"


class RefusedError(UserError):
    """A candidate that is not taken into a crate, although the command was right."""


@dataclass(frozen=True, slots=True)
class TakenKernel:
    """An accepted kernel with its full record; `foreign` names features of its code that this machine lacks.

    `variants` holds the source for each vector unit for which portable code is compiled apart; `judged_units` are those
    that this machine can run.
    """

    candidate: Candidate
    verdict: Accepted
    record: dict[str, Any]
    threads: str
    needs: CpuNeeds
    foreign: tuple[str, ...]
    variants: Mapping[str, str]
    judged_units: frozenset[str]


def load_all(folders: list[Path], allow_normwise: bool) -> list[Candidate]:
    """The candidates; raises UserError for one that cannot be read, and for what is known before judging."""
    found = [load(folder.resolve()) for folder in folders]
    hashes = [candidate.source_hash for candidate in found]
    for index, candidate in enumerate(found):
        if candidate.source_hash in hashes[:index]:
            raise UserError(f"{candidate.name}: its kernel is named twice; name each kernel once")
        if candidate.manifest.expect == "rejected":
            raise UserError(
                f"{candidate.name}: an exhibit that must be rejected; only accepted kernels are taken"
            )
        if candidate.manifest.scheme is not None and not allow_normwise:
            raise UserError(_normwise(candidate.name))
    return found


def judge(candidate: Candidate, shared: SharedTools, allow_normwise: bool) -> TakenKernel:
    """Judge a candidate through all gates, as `pytest FOLDER` does, and what belongs to it in a crate.

    Raises RefusedError when it is rejected or could not be timed, when its claim differs from today's timing, when it
    is of the normwise tier without permission, and when nobody has judged its code for the features that it needs.
    """
    inspection = Inspection(candidate, shared)
    shared.say(f"judging {candidate.name}")
    inspection.through(Gate.CLOCK)
    verdict = inspection.verdict
    if not isinstance(verdict, Accepted):
        assert verdict is not None
        raise RefusedError(f"{candidate.name}: not taken: {records.outcome_of(verdict)}: {describe(verdict)}")
    shared.say(f"{candidate.name}: accepted: {describe(verdict)}")
    threads = str(inspection.threads)
    facts = shared.facts(threads, candidate.manifest.operation)
    _require_claim(candidate, verdict, facts, threads)
    if verdict.numerics == NORMWISE and not allow_normwise:
        raise RefusedError(_normwise(candidate.name))
    needs, foreign = _needs(candidate, shared)
    around = records.Circumstances(
        threads, inspection.numerics, not shared.settings.unsandboxed, _public_path(candidate, shared)
    )  # fmt: skip
    record = records.full_record(records.record_of(candidate, verdict, around), candidate, verdict, facts)
    variants = {} if needs.features else _variants(candidate, shared)
    judged = frozenset(unit for unit in variants if set(UNITS[unit]) <= present_features(shared))
    return TakenKernel(candidate, verdict, record, threads, needs, foreign, variants, judged)


def present_features(shared: SharedTools) -> set[str]:
    """The features of this CPU, by rustc's names."""
    return set(shared.tools.toolchain.native.partition(": ")[2].split())


def _public_path(candidate: Candidate, shared: SharedTools) -> str:
    """The candidate's folder in the checkout; elsewhere only its name, because a crate is published."""
    inside = candidate.folder.is_relative_to(shared.settings.root)
    return shown_in(shared.settings.root, candidate.folder) if inside else candidate.name


def _has_claim_elsewhere(candidate: Candidate, shared: SharedTools) -> bool:
    claim = candidate.manifest.claim
    return claim is not None and claim.machine.partition("-")[0] not in ("", shared.machine.fingerprint)


def _normwise(name: str) -> str:
    return (
        f"{name}: a fast scheme, whose error is bounded by the largest elements only; --allow-normwise takes it and "
        "puts the bound into the crate's documentation"
    )


def _require_claim(candidate: Candidate, verdict: Accepted, facts: dict[str, Any], threads: str) -> None:
    claim = candidate.manifest.claim
    if claim is None:
        return
    now = saved_timings.of_score(verdict.score, facts, threads)
    found = saved_timings.compare(now, saved_timings.of_claim(claim, threads))
    if found.kind in (saved_timings.Comparable.FASTER, saved_timings.Comparable.SLOWER):
        raise RefusedError(
            f"{candidate.name}: not taken: its claim differs, {found.kind} today ({found.why}); correct [claim] in "
            "candidate.toml, or try again on an idle machine"
        )


def _needs(candidate: Candidate, shared: SharedTools) -> tuple[CpuNeeds, tuple[str, ...]]:
    """The features that the code needs, and those of them that this machine lacks."""
    arch = shared.machine.arch
    present = present_features(shared)
    vectors = tuple(
        sorted(feature for feature in present if feature.startswith(("avx", "fma", "sse4", "neon")))
    )
    if candidate.manifest.tier == "safe":
        return replace(cpu_needs(candidate.source, {}), features={}), ()
    needs = cpu_needs(candidate.source, {arch: vectors})
    foreign = tuple(feature for feature in needs.features.get(arch, ()) if feature not in present)
    if needs.features and arch not in needs.features:
        foreign = tuple(feature for names in needs.features.values() for feature in names)
    if foreign and not _has_claim_elsewhere(candidate, shared):
        raise RefusedError(
            f"{candidate.name}: not taken: its code for {', '.join(foreign)} cannot run on this machine, so nobody has "
            "judged it; export it where it runs, or give it the [claim] of a machine that judged it"
        )
    return needs, foreign


def _variants(candidate: Candidate, shared: SharedTools) -> dict[str, str]:
    """The variants of portable code that rustc accepts and that, where this CPU can run them, pass the judging gates.

    A unit that this CPU lacks is left out, unless the kernel was made for it and has another machine's [claim].
    """
    schedule = (candidate.manifest.proposal or {}).get("schedule")
    made_for = schedule.get("isa") if isinstance(schedule, dict) else None
    present = present_features(shared)
    found = {}
    for unit in UNITS if shared.machine.arch == "x86_64" else []:
        runs_here = set(UNITS[unit]) <= present
        if not runs_here and not (unit == made_for and _has_claim_elsewhere(candidate, shared)):
            continue
        source = variant_source(candidate.source, unit)
        given = candidate.manifest
        manifest = Manifest(
            operation=given.operation, threads=given.threads, tier="unsafe", scheme=given.scheme
        )
        text = as_candidate(source, given.operation, given.tier)
        twin = Candidate(f"{candidate.name}-{unit}", candidate.folder, text, manifest)
        inspection = Inspection(twin, shared)
        inspection.through(Gate.CONDUCT if runs_here else Gate.COMPILE)
        rejection = inspection.rejection
        if rejection is None:
            found[unit] = source
            continue
        if records.outcome_of(rejection) is not records.Outcome.REJECTED:
            raise RefusedError(f"{candidate.name}: not taken: its copy for {unit}: {describe(rejection)}")
        shared.say(f"{candidate.name}: not compiled for {unit} apart: {describe(rejection)}")
    return found


def today() -> str:
    """The date in UTC, as YYYY-MM-DD."""
    return time.strftime("%Y-%m-%d", time.gmtime())
