"""The portfolio of a run over several kinds of machine: the best kernel of each kind, to be exported together."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.machine import Machine
from harness.verdict import Accepted, Verdict


@dataclass(frozen=True, slots=True)
class KindResult:
    """What one kind of machine found about one candidate; `verdict` None where it was not timed."""

    machine: Machine
    candidate: str
    verdict: Verdict | None


def label(machine: Machine) -> str:
    """A short name of a kind of machine: vector unit and the beginning of the fingerprint, "avx2-872d"."""
    return kind_label(machine.vector, machine.fingerprint)


def kind_label(vector: str, fingerprint: str) -> str:
    """The label of a kind of machine of which only these two are at hand."""
    return f"{vector}-{fingerprint[:4]}"


def best(results: Sequence[KindResult]) -> dict[str, tuple[KindResult, Accepted]]:
    """The accepted kernel with the highest lower end of its interval, for each fingerprint."""
    found: dict[str, tuple[KindResult, Accepted]] = {}
    for one in results:
        if not isinstance(one.verdict, Accepted):
            continue
        kind, low = one.machine.fingerprint, one.verdict.score.claimed.ratio_low
        if kind not in found or low > found[kind][1].score.claimed.ratio_low:
            found[kind] = (one, one.verdict)
    return found


def lines(results: Sequence[KindResult]) -> list[str]:
    """A line per kind of machine, and the command that exports their kernels; empty with one kind only."""
    found = best(results)
    if len({one.machine.fingerprint for one in results}) < 2 or not found:
        return []
    told = [
        f"best on {label(one.machine)} ({one.machine.machine_class}): {one.candidate}, "
        f"{verdict.score.claimed.ratio:.3f}x BLAS"
        for one, verdict in found.values()
    ]
    return [*told, f"portfolio: {export_command([one.candidate for one, _ in found.values()])}"]


def export_command(candidates: Iterable[str]) -> str:
    """The command that makes one crate of these candidates, each named once."""
    names = " ".join(f"candidates/{shlex.quote(name)}" for name in dict.fromkeys(candidates))
    return f"python -m harness.export {names} --to FOLDER"
