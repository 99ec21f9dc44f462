"""The Proposer's knowledge: accepted kernels, what was tried, what failed and why."""

from __future__ import annotations

from dataclasses import dataclass

from harness.durable import JsonObject
from harness.minds.protocol import Hint, Trial
from harness.roundtable.agents.archive import Archive, Entry
from harness.roundtable.agents.table import Table
from harness.roundtable.conversation.interfaces import RememberedKernel
from harness.roundtable.conversation.messages import TEMPLATE, Coded, Judged, Proposed
from harness.roundtable.runlog import codec
from harness.verdict import Accepted, HarnessError, Inconclusive, Verdict, describe, name

_EVERYTHING = 1_000_000
# Schedules taken over from each other kind of machine.
_HINTS = 2


@dataclass(frozen=True, slots=True)
class Attempt:
    """One judged kernel of this run."""

    coded: Coded
    verdict: Verdict

    @property
    def summary(self) -> str:
        """One line: what was tried, and the result."""
        proposal = self.coded.manifest.get("proposal") or {}
        idea = f"{self.coded.candidate} ({proposal.get('algorithm', '?')})"
        return f"{idea}: {name(self.verdict)}: {describe(self.verdict)}"


def attempts(table: Table) -> list[Attempt]:
    """Every judged kernel of this run, in order."""
    coded = {m.content.candidate: m.content for m in table.events if isinstance(m.content, Coded)}
    judged = [m.content for m in table.events if isinstance(m.content, Judged)]
    return [Attempt(coded[each.candidate], codec.from_plain(each.verdict)) for each in judged]


def archive(table: Table) -> Archive:
    """The best kernels of this machine class and thread class; as long as there are none, those of other machines."""
    kept = [
        one
        for one in table.memory.best(_EVERYTHING, table.machine.machine_class, table.threads)
        if is_comparable(table, one)
    ]
    here = [one for one in kept if one.machine_class == table.machine.machine_class]
    return Archive(_entry(one) for one in here or kept)


def is_comparable(table: Table, one: RememberedKernel) -> bool:
    """Whether a kernel's ratio means the same as this run's: the same operation, suite and baseline.

    On another machine, the same library counts, because it selects other code there.
    """
    if one.machine_class == table.machine.machine_class:
        same = one.baseline == table.baseline
    else:
        same = one.baseline.partition(" ")[0] == table.baseline.partition(" ")[0]
    operation, suite = table.settings.operation, table.settings.suite
    return same and one.operation == operation and one.suite == suite


def _entry(one: RememberedKernel) -> Entry:
    return Entry(
        name=one.name,
        source=one.source,
        schedule=one.schedule,
        algorithm=str((one.proposal or {}).get("algorithm", "unnamed")),
        ratio=one.ratio,
        ratio_low=one.ratio_low,
        threads=one.threads,
        tier=one.tier,
    )


def trials(table: Table) -> list[Trial]:
    """Judged template kernels of this machine and thread class, oldest first, from which the tuner learns, and the
    schedules that were only timed briefly.

    A rejected kernel counts as failed; nothing is learned from an inconclusive one.
    """
    wanted = table.machine.machine_class
    past = [one for one in reversed(table.memory.latest(_EVERYTHING, wanted)) if one.machine_class == wanted]
    found = {
        one.name: Trial(one.name, dict(one.schedule), one.ratio)
        for one in past
        if one.schedule is not None and one.threads == table.threads and is_comparable(table, one)
    }
    for attempt in attempts(table):
        proposal = attempt.coded.manifest.get("proposal") or {}
        if attempt.coded.how == TEMPLATE and "schedule" in proposal:
            score = attempt.verdict.score if isinstance(attempt.verdict, Accepted) else None
            found[attempt.coded.candidate] = Trial(
                attempt.coded.candidate,
                proposal["schedule"],
                score.claimed.ratio if score is not None else None,
                conclusive=not isinstance(attempt.verdict, Inconclusive | HarnessError),
                by_shape={str(one.shape): one.ratio for one in score.per_shape} if score is not None else {},
            )
    return [*found.values(), *_screened(table, {table.schedules.key(one.schedule) for one in found.values()})]


def refused(table: Table, judged: list[Trial]) -> list[Trial]:
    """Proposals of this run that never became one of the `judged` kernels; they count as failed trials."""
    key = table.schedules.key
    known = {key(trial.schedule) for trial in judged}
    # With workers, kernels of this generation may wait for the judge: not proposed again, and nothing is learned.
    waiting = {key(one["schedule"]) for one in _waiting(table)}
    found = []
    for index, message in enumerate(table.events):
        event = message.content
        if isinstance(event, Proposed) and key(event.proposal["schedule"]) not in known:
            known.add(key(event.proposal["schedule"]))
            told = key(event.proposal["schedule"]) not in waiting
            found.append(Trial(f"refused-{index}", event.proposal["schedule"], None, told))
    return found


def _waiting(table: Table) -> list[JsonObject]:
    """The proposals of this run whose kernels are written and not judged."""
    judged = {one.candidate for one in table.judged()}
    coded = [
        m.content for m in table.events if isinstance(m.content, Coded) and m.content.candidate not in judged
    ]
    proposals = [one.manifest.get("proposal") or {} for one in coded]
    return [proposal for proposal in proposals if "schedule" in proposal]


def tried(table: Table) -> list[Trial]:
    """All schedules that need not be proposed again: judged, timed briefly, or refused."""
    judged = trials(table)
    return [*judged, *refused(table, judged)]


def hints(table: Table) -> list[Hint]:
    """The fastest schedules of other machines, best first, at most two of each machine class."""
    found: dict[str, list[Hint]] = {}
    for one in table.memory.best(_EVERYTHING, threads=table.threads):
        if one.machine_class != table.machine.machine_class and one.schedule and is_comparable(table, one):
            found.setdefault(one.machine_class, []).append(Hint(dict(one.schedule), one.machine_class))
    return [hint for kind in found.values() for hint in kind[:_HINTS]]


def _screened(table: Table, judged: set[str]) -> list[Trial]:
    """The schedules of this run that were timed briefly and not judged, by their latest timing."""
    found = {}
    for message in table.events:
        if isinstance(message.content, Proposed):
            for one in message.content.screened:
                key = table.schedules.key(one.schedule)
                if key not in judged:
                    ratios = {} if one.ratio is None else dict.fromkeys(one.shapes, one.ratio)
                    found[key] = Trial(
                        f"screened {key}", one.schedule, one.ratio, judged=False, by_shape=ratios
                    )
    return list(found.values())
