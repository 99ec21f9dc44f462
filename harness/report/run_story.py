"""A finished or interrupted run as the page tells it: read from its journal and from this machine's records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import records
from harness.candidate import load
from harness.corpus import manifest
from harness.corpus.manifest import Paper
from harness.durable import JsonObject
from harness.errors import CandidateError, UserError
from harness.records import Circumstances, Outcome
from harness.report import libraries
from harness.report.libraries import LibraryRatio
from harness.roundtable.conversation.messages import (
    Coded,
    GaveUp,
    Judged,
    NotCoded,
    Proposed,
    RememberedIt,
    Role,
    Screened,
    SentBack,
    Verified,
)
from harness.roundtable.runlog import codec, journal
from harness.roundtable.runlog.journal import RunHeader, RunHistory
from harness.roundtable.runlog.transcript import RecordedAnswer, read_answers
from harness.verdict import Accepted, Score, Verdict, describe


@dataclass(frozen=True, slots=True)
class StoryKernel:
    """One kernel of a run. `number` counts from 1 in the order written; `verdict` is None when it was not judged.

    `parent_sources` has the sources of those parents that could be found, in the run or in the folder of candidates.
    """

    number: int
    name: str
    generation: int
    parents: tuple[str, ...]
    model: str
    how: str
    proposal: dict[str, Any]
    facts: tuple[str, ...]
    passages: tuple[str, ...]
    title: str
    source: str
    verdict: Verdict | None
    remembered: bool
    replay: str
    parent_sources: dict[str, str]
    # The exchanges with language models that led to this kernel; for a repaired one, those since the one before.
    answers: tuple[RecordedAnswer, ...] = ()

    @property
    def score(self) -> Score | None:
        """The timing of an accepted kernel; None for every other."""
        return self.verdict.score if isinstance(self.verdict, Accepted) else None

    @property
    def outcome(self) -> Outcome:
        """What the verdict means; a kernel without one is not judged to the end."""
        return Outcome.UNJUDGED if self.verdict is None else records.outcome_of(self.verdict)


@dataclass(frozen=True, slots=True)
class RefusedProposal:
    """A proposal that was sent back before any code was written, or a slot that was given up."""

    where: str
    by: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunStory:
    """One or several runs of one machine, toolchain and suite. `history` holds this machine's records, oldest first.

    `ended` is why the last run ended, None while it can be resumed.
    """

    heads: tuple[RunHeader, ...]
    kernels: tuple[StoryKernel, ...]
    refused: tuple[RefusedProposal, ...]
    tokens: int
    spent_s: float
    ended: str | None
    history: tuple[JsonObject, ...] = ()
    # The records of other machines in the same results, one group per machine.
    elsewhere: tuple[tuple[JsonObject, ...], ...] = ()
    # Whether the run goes on while this is told.
    running: bool = False
    # All exchanges with language models, and the papers of the library that proposals name.
    answers: tuple[RecordedAnswer, ...] = ()
    papers: tuple[Paper, ...] = ()
    # Schedules that were timed briefly for a shortlist and not judged.
    screened: tuple[Screened, ...] = ()
    # Other libraries on this machine, as far as they were timed against the baseline of this run.
    libraries: tuple[LibraryRatio, ...] = ()

    @property
    def accepted(self) -> list[StoryKernel]:
        """The accepted kernels, the fastest first, by the ratio that counts."""
        return sorted((k for k in self.kernels if k.score), key=lambda kernel: -_ratio(kernel))

    @property
    def ranked(self) -> list[StoryKernel]:
        """The accepted kernels, the fastest first; then the others in the order judged."""
        return self.accepted + self.others

    @property
    def others(self) -> list[StoryKernel]:
        """The kernels that were not accepted, in the order judged."""
        return [kernel for kernel in self.kernels if not kernel.score]


def find_runs(names: Sequence[str], results: Path) -> list[Path]:
    """The folders of the runs that a person named, by id or by path; without names, the newest run.

    Raises UserError when there is no such run.
    """
    if not names:
        newest = journal.newest(results)
        if not newest:
            raise UserError(f"no run under {results}; start one with: pytest --generate 4")
        return [newest[0].parent]
    folders = [Path(name) if (Path(name) / journal.JOURNAL).is_file() else results / name for name in names]
    for name, folder in zip(names, folders, strict=True):
        if not (folder / journal.JOURNAL).is_file():
            known = ", ".join(path.parent.name for path in journal.newest(results)[:5]) or "none"
            raise UserError(f"{name}: no such run under {results}; the newest are: {known}")
    return folders


def read_story(folders: Sequence[Path], results: Path, candidates: Path) -> RunStory:
    """The story of these runs. Raises UserError when a journal cannot be read, or when the runs are not comparable:
    ratios of different machines, toolchains, operations or suites belong on different pages.
    """
    histories = [journal.read(folder) for folder in folders]
    conditions = {(h.head.fingerprint, h.head.toolchain, h.head.operation, h.head.suite) for h in histories}
    if len(conditions) > 1:
        raise UserError(
            "these runs differ in machine, toolchain, operation or suite, so their ratios cannot be compared; make a "
            "page for each"
        )
    known = records.read(results, histories[0].head.fingerprint)
    replays = {(str(one.get("candidate")), str(one.get("reason"))): str(one.get("replay")) for one in known}
    kernels: list[StoryKernel] = []
    refused: list[RefusedProposal] = []
    answers: list[RecordedAnswer] = []
    for folder, history in zip(folders, histories, strict=True):
        found = read_answers(folder / journal.TRANSCRIPT)
        behind = _behind_kernels(history, found)
        answers += found
        kernels += [
            replace(kernel, answers=behind.get(kernel.name, ()))
            for kernel in _kernels(history, replays, candidates, len(kernels))
        ]
        refused += _refused(history)
    return RunStory(
        heads=tuple(history.head for history in histories),
        kernels=tuple(kernels),
        refused=tuple(refused),
        tokens=sum(history.tokens for history in histories),
        spent_s=sum(history.spent_s for history in histories),
        ended=histories[-1].ended,
        history=tuple(known),
        elsewhere=_other_machines(results, histories[0].head.fingerprint),
        answers=tuple(answers),
        papers=_cited(kernels),
        screened=tuple(one for history in histories for one in _screened(history)),
        libraries=_libraries(kernels, results, histories[0].head.fingerprint),
    )


def _other_machines(results: Path, fingerprint: str) -> tuple[tuple[JsonObject, ...], ...]:
    """`fingerprint` may be followed by the number of cores (`Machine.identity`)."""
    here = records.file_of(results, fingerprint.partition("-")[0])
    names = sorted(path.stem for path in here.parent.glob("*.jsonl"))
    return tuple(tuple(records.read(results, name)) for name in names if name != here.stem)


def _libraries(kernels: Sequence[StoryKernel], results: Path, fingerprint: str) -> tuple[LibraryRatio, ...]:
    """Those of `make bench`, which writes beside the folder of local results."""
    baselines = [kernel.score.baseline for kernel in kernels if kernel.score is not None]
    return (
        libraries.measured(results.parent / libraries.FILE, fingerprint, baselines[-1]) if baselines else ()
    )


def _screened(history: RunHistory) -> list[Screened]:
    contents = [message.content for message in history.messages]
    return [one for content in contents if isinstance(content, Proposed) for one in content.screened]


def _cited(kernels: Sequence[StoryKernel]) -> tuple[Paper, ...]:
    """The papers of the shipped library that proposals name, in its order; none where there is no library."""
    named = {passage for kernel in kernels for passage in kernel.passages}
    try:
        return tuple(paper for paper in manifest.read() if paper.id in named) if named else ()
    except UserError:
        return ()


def _behind_kernels(
    history: RunHistory, answers: Sequence[RecordedAnswer]
) -> dict[str, tuple[RecordedAnswer, ...]]:
    """The exchanges that led to each kernel: all of the Proposer's for the first of a slot, and the Coder's since the
    kernel before. The Coder's attempts count kernels and answers without one.
    """
    tries: dict[tuple[int, int], int] = {}
    told: dict[tuple[int, int], int] = {}
    found = {}
    for message in history.messages:
        slot = (message.turn.generation, message.turn.slot)
        if not isinstance(message.content, Coded | NotCoded):
            continue
        number = tries[slot] = tries.get(slot, -1) + 1
        if isinstance(message.content, Coded):
            last = told.get(slot, -1)
            found[message.content.candidate] = tuple(
                one
                for one in answers
                if (one.generation, one.slot) == slot
                and (last < one.attempt <= number if one.role == Role.CODER else last < 0)
            )
            told[slot] = number
    return found


def _kernels(
    history: RunHistory, replays: dict[tuple[str, str], str], candidates: Path, before: int
) -> list[StoryKernel]:
    """The kernels of one run in the order written; `before` is the number of kernels of earlier runs."""
    verdicts: dict[str, Verdict] = {}
    remembered: set[str] = set()
    proposals: dict[tuple[int, int], Proposed] = {}
    facts: dict[tuple[int, int], tuple[str, ...]] = {}
    written: list[tuple[Coded, Proposed | None, tuple[str, ...], int]] = []
    for message in history.messages:
        slot = (message.turn.generation, message.turn.slot)
        match message.content:
            case Proposed() as proposed:
                proposals[slot] = proposed
            case Verified(facts=found):
                facts[slot] = tuple(found)
            case Coded() as coded:
                written.append((coded, proposals.get(slot), facts.get(slot, ()), slot[0]))
            case Judged(candidate=name, verdict=plain):
                verdicts[name] = _verdict(name, plain)
            case RememberedIt(candidate=name):
                remembered.add(name)
    sources = {coded.candidate: coded.source for coded, *_ in written}
    return [
        _kernel(before + number, one, verdicts, remembered, sources, replays, candidates)
        for number, one in enumerate(written, start=1)
    ]


def _kernel(
    number: int,
    written: tuple[Coded, Proposed | None, tuple[str, ...], int],
    verdicts: dict[str, Verdict],
    remembered: set[str],
    sources: dict[str, str],
    replays: dict[tuple[str, str], str],
    candidates: Path,
) -> StoryKernel:
    coded, proposed, facts, generation = written
    name = coded.candidate
    parents = tuple(str(parent) for parent in coded.manifest.get("parents") or ())
    if not parents and coded.manifest.get("parent"):
        parents = (str(coded.manifest["parent"]),)
    found = {parent: sources.get(parent) or _source_on_disk(candidates, parent) for parent in parents}
    return StoryKernel(
        number=number,
        name=name,
        generation=generation,
        parents=parents,
        model=str(coded.manifest.get("model") or (proposed.model if proposed else "")),
        how=coded.how,
        proposal=dict(proposed.proposal if proposed else coded.manifest.get("proposal") or {}),
        facts=facts,
        passages=tuple(proposed.passages) if proposed else (),
        title=str(coded.manifest.get("title") or ""),
        source=coded.source,
        verdict=verdicts.get(name),
        remembered=name in remembered,
        replay=_replay(name, coded.manifest, verdicts.get(name), replays),
        parent_sources={parent: source for parent, source in found.items() if source},
    )


def _verdict(name: str, plain: JsonObject) -> Verdict:
    try:
        return codec.from_plain(plain)
    except ValueError:
        raise UserError(
            f"the journal's verdict on {name} is not of this version of the round table"
        ) from None


def _replay(
    name: str, manifest: JsonObject, verdict: Verdict | None, replays: dict[tuple[str, str], str]
) -> str:
    """The command that repeats the verdict: that of the record of this very verdict, which knows the case, else one
    made anew. The same kernel may have been judged again later, with another outcome.
    """
    target = f"candidates/{name}"
    if verdict is None:
        return f"pytest {target}"
    around = Circumstances(str(manifest.get("threads", 1)), "", sandboxed=True, target=target)
    return replays.get((name, describe(verdict))) or records.replay_command(around, verdict)


def _source_on_disk(candidates: Path, name: str) -> str | None:
    """The source of a parent from an earlier run; None when its folder is gone or `name` is no plain folder name."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        return None
    try:
        return load(candidates / name).source
    except (CandidateError, OSError):
        return None


def _refused(history: RunHistory) -> list[RefusedProposal]:
    found = []
    for message in history.messages:
        match message.content:
            case SentBack(by=by, reasons=reasons):
                found.append(RefusedProposal(str(message.turn), by, tuple(reasons)))
            case GaveUp(reason=reason):
                found.append(RefusedProposal(str(message.turn), str(message.sender), (reason,)))
    return found


def _ratio(kernel: StoryKernel) -> float:
    return kernel.score.claimed.ratio if kernel.score else 0.0
