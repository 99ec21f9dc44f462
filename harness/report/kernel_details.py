"""What the page tells of each kernel when it is opened: verdict, replay command, proposal, diff to parent, source."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence

from harness.report.conversations import conversations
from harness.report.markup import Markup, join, tag, text
from harness.report.pieces import code_box, fold, place_of, scroll_box
from harness.report.progress_chart import what_happened
from harness.report.run_story import RunStory, StoryKernel
from harness.report.table import error_at_largest, error_cell
from harness.verdict import CompileError, Score

# Bytes of sources and diffs on one page. A page of forty kernels stays below 2 MB, which browsers of phones open.
SOURCE_BUDGET_BYTES = 1_300_000
_CONTEXT_LINES = 3


def kernel_sections(story: RunStory) -> Markup:
    """One closed <details> per kernel in the order judged. Sources are given to the fastest kernels first, as long as
    the page stays small; for the others the page says where their source is.
    """
    left = SOURCE_BUDGET_BYTES
    bodies: dict[int, Markup] = {}
    for kernel in story.ranked:
        source = fold(
            f"{place_of(kernel)}-source", "Source", [code_box(kernel.source)], f"{len(kernel.source)} bytes"
        )
        code = join([*_diffs(kernel), source])
        size = len(code.encode())
        if size > left:
            code = tag(
                "p", "Source and diff are left out to keep this page small: ", tag("code", _path(kernel))
            )
        left -= min(left, size if size <= left else 0)
        bodies[kernel.number] = code
    spoken = conversations(story)
    return join(
        _section(kernel, story, [spoken.get(kernel.number, Markup()), bodies[kernel.number]])
        for kernel in story.kernels
    )


def _section(kernel: StoryKernel, story: RunStory, last: Sequence[Markup]) -> Markup:
    here = place_of(kernel)
    ratio = f"{kernel.score.claimed.ratio:.3f}" if kernel.score else str(kernel.outcome)
    summary = tag("summary", f"{kernel.number}. {kernel.name}: {ratio} ", tag("small", kernel.title))
    facts = tag("dl", *_facts(kernel, story))
    timing = [_shapes(kernel.score)] if kernel.score else []
    diagnostics = (
        [fold(f"{here}-rustc", "Diagnostics of rustc", [code_box(kernel.verdict.diagnostics)])]
        if isinstance(kernel.verdict, CompileError) and kernel.verdict.diagnostics
        else []
    )
    proposal = fold(
        f"{here}-proposal",
        "Proposal",
        [code_box(json.dumps(kernel.proposal, indent=1, ensure_ascii=False, default=str))],
    )
    body = [facts, *timing, *diagnostics, proposal, *last]
    return tag("details", summary, *body, class_="kernel", id=here)


def _facts(kernel: StoryKernel, story: RunStory) -> list[Markup]:
    pairs: list[tuple[str, str]] = [
        ("verdict", what_happened(kernel)),
        ("replay", tag("code", kernel.replay)),
        ("generation", str(kernel.generation)),
        ("parents", ", ".join(kernel.parents) or "none"),
        ("proposed by", kernel.model),
        ("written as", kernel.how),
        ("verified", "; ".join(kernel.facts)),
        ("fast scheme", _fast_scheme(kernel)),
        ("passages", join(_citations(kernel, story))),
        ("memory", "remembered" if kernel.remembered else "not remembered"),
    ]
    return [part for term, said in pairs if said for part in (tag("dt", term), tag("dd", said))]


def _fast_scheme(kernel: StoryKernel) -> str:
    """The scheme of a bilinear schedule, from which extent on it is used, and its error beside that of BLAS."""
    schedule = kernel.proposal.get("schedule") or {}
    bilinear = schedule.get("bilinear") if isinstance(schedule, dict) else None
    if not isinstance(bilinear, dict):
        return ""
    said = f"{bilinear.get('scheme')}, at most {bilinear.get('levels')} level(s), where every extent is at least "
    said += f"{bilinear.get('cutoff')}"
    error = error_at_largest(kernel.score.per_shape) if kernel.score else ""
    return f"{said}; {error}" if error else said


def _citations(kernel: StoryKernel, story: RunStory) -> list[str]:
    """The papers that the proposal names; those of the library lead to their lessons."""
    places = {paper.id: place for place, paper in enumerate(story.papers)}
    found: list[str] = []
    for name in kernel.passages:
        known = tag("a", name, href=f"#paper-{places[name]}") if name in places else name
        found += [", ", known] if found else [known]
    return found


def _shapes(score: Score) -> Markup:
    heads = (
        "shape",
        "ratio",
        "low",
        "high",
        "ms",
        "BLAS ms",
        "GFLOP/s",
        "% of peak",
        "pairs",
        "error",
        "BLAS error",
    )
    rows = [
        tag("tr", tag("th", str(t.shape), scope="row"), *(tag("td", cell) for cell in (
            f"{t.ratio:.3f}", f"{t.ratio_low:.3f}", f"{t.ratio_high:.3f}", f"{t.time_ns / 1e6:.4g}",
            f"{t.baseline_time_ns / 1e6:.4g}", f"{t.gflops:.1f}", f"{t.percent_of_peak:.0f}", str(t.pairs),
            error_cell(t.error), error_cell(t.baseline_error),
        )))
        for t in score.per_shape
    ]  # fmt: skip
    head = tag("tr", *(tag("th", name, scope="col") for name in heads))
    return scroll_box(
        "timing and relative error of every shape", tag("table", tag("thead", head), tag("tbody", *rows))
    )


def _diffs(kernel: StoryKernel) -> list[Markup]:
    """The difference from each parent whose source is known."""
    found = []
    for place, (parent, source) in enumerate(kernel.parent_sources.items()):
        lines = list(
            difflib.unified_diff(
                source.splitlines(),
                kernel.source.splitlines(),
                parent,
                kernel.name,
                lineterm="",
                n=_CONTEXT_LINES,
            )
        )
        changed = sum(one[:1] in "+-" for one in lines[2:])
        body = _diff(lines) if lines else tag("p", "No line differs.")
        name = f"{place_of(kernel)}-difference-{place}"
        found.append(fold(name, f"Difference from {parent}", [body], f"{changed} lines", kind="difference"))
    return found


def _diff(lines: Sequence[str]) -> Markup:
    kinds = {"+": "ins", "-": "del", "@": "at"}
    marked = [
        tag("span", text(one + "\n", keep="\n\t"), class_=kinds[one[0]])
        if one[:1] in kinds
        else text(one + "\n", keep="\n\t")
        for one in lines
    ]
    return scroll_box("difference", tag("pre", tag("code", *marked)))


def _path(kernel: StoryKernel) -> str:
    return f"candidates/{kernel.name}/kernel.rs"
