"""Runs on disk for the tests of the page: a journal and records, written by the code that writes real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import records
from harness.candidate import Candidate, Manifest
from harness.durable import append_line
from harness.report.run_story import RunStory, read_story
from harness.roundtable.conversation.messages import (
    Coded,
    Event,
    GroupChatMessage,
    Judged,
    ProposalSlot,
    Proposed,
    RememberedIt,
    Role,
    Screened,
    SentBack,
    Verified,
)
from harness.roundtable.runlog import codec
from harness.roundtable.runlog.journal import Journal, RunHeader
from harness.shapes import Shape
from harness.verdict import (
    Accepted,
    At,
    Ceilings,
    CompileError,
    Counterexample,
    Gate,
    Inconclusive,
    Panic,
    Score,
    ShapeTiming,
    TooFast,
    Verdict,
    Wrong,
)

RUN = "60j0f1"
SHAPES = tuple(Shape(n, n, n) for n in (64, 128, 256, 512, 1024))
CEILINGS = Ceilings(102.6, 197.0, 110.0, 62.0, 23.5)
HEAD = RunHeader(
    run_id=RUN,
    generations=4,
    population=1,
    seed=7,
    models={"*": "builtin"},
    machine="a CPU / x86_64 avx2",
    fingerprint="0123456789ab",
    toolchain="rustc 1.95.0 (x86_64-unknown-linux-gnu)",
    suite="default",
)


def accepted(ratio: float) -> Accepted:
    """A verdict with this ratio; small shapes are faster, as they are in reality."""
    timings = tuple(
        ShapeTiming(
            shape=shape,
            time_ns=shape.flops / 80.0,
            baseline_time_ns=shape.flops / 80.0 * each,
            min_time_ns=shape.flops / 82.0,
            min_baseline_time_ns=shape.flops / 82.0 * each,
            ratio=each,
            ratio_low=each * 0.98,
            ratio_high=each * 1.02,
            gflops=80.0,
            percent_of_peak=78.0,
            pairs=40,
            error=3.1e-7,
            baseline_error=1.9e-7,
        )
        for place, shape in enumerate(SHAPES)
        for each in [ratio * (1.3 - 0.15 * place)]
    )
    score = Score(ratio, ratio * 0.99, ratio * 1.01, timings, 1, "OpenBLAS 0.3 (Haswell)", 0.985, 1.02)
    score = replace(score, ceilings=CEILINGS)
    return Accepted(score, "unsafe")


REJECTIONS: tuple[Verdict, ...] = (
    TooFast(1000.0, 500_000.0, At(Gate.CLOCK, SHAPES[2])),
    Wrong(
        Counterexample("exact", "5 of 15 elements differ", 0, 4, "77.0", "-76.0", ("..+", "..+", "..#")),
        At(Gate.SHAPES, Shape(3, 2, 5), 9),
    ),
    CompileError("mismatched types", "error[E0308]: mismatched types\n --> kernel.rs:3:5"),
    Panic("index out of bounds", At(Gate.SHAPES, Shape(0, 1, 2), 3)),
    Inconclusive("the A/A control is too wide"),
)


def write_run(
    results: Path,
    verdicts: list[Verdict | None],
    *,
    run: str = RUN,
    title: str = "packed 6x16",
    source: str = "pub fn matmul() {}\n",
    schedule: dict[str, Any] | None = None,
    **more: Any,
) -> Path:
    """A run with one kernel per verdict, each the child of the one before; `more` are fields of the header."""
    head = HEAD.model_copy(update={"run_id": run} | more)
    journal = Journal(results / run)
    journal.begin(head)
    parent: list[str] = []
    for number, verdict in enumerate(verdicts, start=1):
        name = f"gen-{run}-{number:03d}"
        tried = {"family": "packed", "mr": 4 + 2 * (number % 2), "nr": 16, "kc": 128 << number % 4}
        tried |= {"pack_a": title, title: title, "bilinear": None}
        brief = [Screened(schedule=tried | {"kc": 768}, ratio=0.9), Screened(schedule={}, ratio=None)]
        proposal = {"algorithm": title, "why": title, "schedule": schedule or tried}
        manifest = {"parents": parent, "model": title, "title": title, "generation": number}
        text = source + f"// {number}\n"
        events: list[tuple[Role, Event]] = [
            (Role.PROPOSER, SentBack(by="coder", reasons=[title])),
            (
                Role.PROPOSER,
                Proposed(
                    proposal=proposal,
                    parents=parent,
                    model=title,
                    prompt_hash="0",
                    passages=[title],
                    screened=brief,
                ),
            ),
            (Role.MANAGER, Verified(facts=[title])),
            (Role.CODER, Coded(candidate=name, source=text, manifest=manifest, how=title)),
        ]
        if verdict is not None:
            events.append((Role.TESTER, Judged(candidate=name, verdict=codec.to_plain(verdict))))
            _record(results, head, name, text, verdict)
        if isinstance(verdict, Accepted):
            events.append((Role.TESTER, RememberedIt(candidate=name, memory_id="1")))
        for sender, content in events:
            turn = ProposalSlot(generation=number, slot=0)
            journal.record(GroupChatMessage(sender=sender, turn=turn, content=content), 0, 60.0 * number)
        parent = [name] if isinstance(verdict, Accepted) else parent
    journal.end("finished", 0, 60.0 * len(verdicts))
    journal.close()
    return results / run


# Another kind of machine, as its records describe it.
WIDE = {"cpu": "a wider CPU", "arch": "x86_64", "vector": "avx512"}


def judged_elsewhere(
    results: Path,
    name: str,
    verdict: Verdict,
    machine: dict[str, Any] = WIDE,
    fingerprint: str = "fedcba987654",
) -> None:
    """The record of a kernel of `write_run` that another kind of machine has judged, too."""
    head = HEAD.model_copy(update={"fingerprint": fingerprint})
    _record(results, head, name, "", verdict, machine=machine)


def _record(results: Path, head: RunHeader, name: str, source: str, verdict: Verdict, **more: Any) -> None:
    candidate = Candidate(name, Path("candidates") / name, source, Manifest())
    around = records.Circumstances("1", "componentwise", sandboxed=True, target=f"candidates/{name}")
    record = records.record_of(candidate, verdict, around)
    facts = {
        "machine_fingerprint": head.fingerprint,
        "toolchain": head.toolchain,
        "baseline": "OpenBLAS 0.3 (Haswell)",
        "suite": head.suite,
    } | more
    entry = records.full_record(
        replace(record, replay=f"pytest candidates/{name} --case known"), candidate, verdict, facts
    )
    append_line(records.file_of(results, head.fingerprint.partition("-")[0]), entry)


def story_of(results: Path, verdicts: list[Verdict | None], **more: Any) -> RunStory:
    """The story of a run that `write_run` writes."""
    return read_story([write_run(results, verdicts, **more)], results, results / "candidates")


def forty() -> list[Verdict | None]:
    """Forty verdicts, thirty of them accepted with ratios that rise slowly."""
    return [
        REJECTIONS[n // 4 % len(REJECTIONS)] if n % 4 == 1 else accepted(0.8 + 0.01 * n) for n in range(40)
    ]
