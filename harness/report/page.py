"""The report of a run as one self-contained HTML page: no network, readable without its script, nothing of it run that
comes from candidates or models.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from harness.report.axes import Figure, chart_style
from harness.report.conversations import minds
from harness.report.findings import Findings, findings
from harness.report.genealogy import genealogy
from harness.report.heat_map import LOST, heat_map, legend
from harness.report.history import history, other_machines
from harness.report.kernel_details import kernel_sections
from harness.report.machine_kinds import kinds_section, machine_kinds
from harness.report.markup import Markup, join, tag
from harness.report.pieces import fold, scroll_box, table
from harness.report.progress_chart import bars, kernel_link, progress, what_happened
from harness.report.roofline import roofline
from harness.report.run_story import RunStory
from harness.report.schedule_map import schedule_map
from harness.report.wrong_elements import wrong_elements
from harness.verdict import name

FILE = "report.html"
_HERE = Path(__file__).parent


def style() -> str:
    """The page's style sheet: that of the charts, then its own."""
    return chart_style() + (_HERE / "page.css").read_text(encoding="utf-8")


def script(live: bool = False) -> str:
    """The page's script: sorting, filtering and keys; `live` adds what follows a run. Without it everything is still
    there to read.
    """
    names = ("page.js", "live.js") if live else ("page.js",)
    return "".join((_HERE / name).read_text(encoding="utf-8") for name in names)


def page(story: RunStory, version: int | None = None) -> str:
    """HTML text of the whole page. With a `version` it is a page that LiveServer serves, and follows the run."""
    title = f"round table: {', '.join(one.run_id for one in story.heads)}"
    return _document(title, _conditions(story), _sections(story), story.heads[-1].machine, version)


def waiting_page(run_id: str, sentence: str, version: int) -> str:
    """HTML text of a page of LiveServer without a story: nothing has happened yet, or it cannot be told."""
    return _document(f"round table: {run_id}", sentence, [], "", version)


def _document(
    title: str, conditions: str, sections: Sequence[Markup], machine: str, version: int | None
) -> str:
    live = version is not None
    follows = tag("p", "Live: reload to see what is new.", id="live", role="status")
    body = [
        tag("a", "Skip to the kernels", href="#kernels", class_="skip"),
        tag("header", tag("h1", title), tag("p", conditions, id="conditions"), *([follows] if live else [])),
        tag("main", *sections, data_version=version),
        tag("footer", tag("p", "Made by python -m harness.report from the journal of the run and the records of this "
            f"machine. {machine}. Keys: j and k move between kernels, Enter opens, d shows the difference from the "
            "parent, / filters, ? tells the keys.")),
    ]  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        + tag("meta", http_equiv="Content-Security-Policy", content=content_security_policy(live))
        + tag("meta", name="viewport", content="width=device-width, initial-scale=1")
        + tag("meta", name="referrer", content="no-referrer")
        + tag("title", title)
        + f"<style>{style()}</style></head><body>"
        + join(body)
        + f"<script>{script(live)}</script></body></html>\n"
    )


@cache
def content_security_policy(live: bool = False) -> str:
    """Nothing is loaded and nothing runs but this style sheet and this script, by their hashes. A `live` page also
    asks its own server what is new.
    """
    asks = "connect-src 'self'; " if live else ""
    return (
        f"default-src 'none'; style-src {_hash(style())}; script-src {_hash(script(live))}; {asks}"
        "base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _conditions(story: RunStory) -> str:
    head = story.heads[-1]
    models = ", ".join(sorted({model for one in story.heads for model in one.models.values()}))
    what = f"{head.operation}, suite {head.suite}"
    return f"{head.machine}; {head.toolchain}; {what}; proposed by {models}; seed {head.seed}."


def _sections(story: RunStory) -> list[Markup]:
    found = findings(story)
    parts = [_first_screen(found)]
    if story.kernels:
        kinds = machine_kinds(story)
        parts += [kinds_section(story, kinds)] if kinds else []
        parts += [_figure(progress(story)), _figure(bars(story))]
        parts += [_figure(genealogy(story))]
        parts += [_heat(story)] if story.accepted else []
        parts += [_figure(one) for one in (roofline(story), schedule_map(story)) if one is not None]
        parts += [_rejected(story)] if story.others or story.refused else []
    parts += [minds(story)] if story.answers else []
    past = history(story)
    parts += [_figure(past)] if past is not None else []
    others = other_machines(story)
    parts += [_other_machines(others)] if others else []
    if story.kernels:
        title = tag(
            "h2", "Every kernel: verdict, replay command, proposal, difference from its parent, source"
        )
        parts.append(tag("section", title, kernel_sections(story), id="kernels"))
    parts += [_papers(story)] if story.papers else []
    return parts


def _first_screen(found: Findings) -> Markup:
    answers = [
        ("What was found", found.found),
        ("How sure", found.sure),
        ("How far from the limit", found.limit),
    ]
    answers += [("What it took", found.cost)]
    told = [part for term, said in answers if said for part in (tag("dt", term), tag("dd", said))]
    steps = [tag("li", f"{step.why}: ", tag("code", step.command)) for step in found.steps]
    return tag(
        "section", tag("h2", "The result"), tag("dl", *told), tag("h3", "What to try next"), tag("ul", *steps),
        class_="first", id="result",
    )  # fmt: skip


def _figure(figure: Figure) -> Markup:
    numbers = tag(
        "details",
        tag("summary", "The numbers"),
        scroll_box(f"numbers: {figure.title}", table(figure.columns, figure.rows)),
        id=f"{figure.anchor}-numbers",
    )
    return tag(
        "section",
        tag("h2", figure.title),
        tag("p", figure.caption),
        scroll_box(f"chart: {figure.title}", figure.picture),
        numbers,
        id=figure.anchor,
    )


def _heat(story: RunStory) -> Markup:
    title = "Where each kernel is faster or slower than BLAS: ratio per shape, m x k x n"
    known = ", ".join(dict.fromkeys(one.name for one in story.libraries))
    beside = (
        f"Below the kernels: {known}, as make bench timed them here."
        if known
        else "Other libraries appear here after make bench on this machine."
    )
    return tag(
        "section",
        tag("h2", title),
        tag("p", "The large number is the ratio to BLAS, the small one the share of the machine's peak. "
            f"{LOST} marks a cell that is lost: the whole interval is behind BLAS or the best library. {beside}"),
        legend(),
        scroll_box("ratio per shape", heat_map(story)),
        id="heat",
    )  # fmt: skip


def _other_machines(rows: list[list[str]]) -> Markup:
    columns = ("machine", "fastest kernel", "ratio", "low", "high", "baseline", "when (UTC)")
    return tag(
        "section",
        tag("h2", "The fastest kernel of each other machine in these results, with this suite"),
        tag(
            "p",
            "Every ratio is to BLAS on the machine of its row; ratios of different machines are not comparable.",
        ),
        scroll_box("other machines", table(columns, rows)),
        id="machines",
    )


def _papers(story: RunStory) -> Markup:
    """The lessons of the papers that proposals name, as the library has them."""
    shown = [
        fold(
            f"paper-{place}",
            f"{paper.title} ({paper.year})",
            [tag("ul", *(tag("li", lesson) for lesson in paper.lessons))],
            paper.id,
        )
        for place, paper in enumerate(story.papers)
    ]
    return tag("section", tag("h2", "What the cited papers teach"), *shown, id="papers")


def _rejected(story: RunStory) -> Markup:
    rows = []
    for kernel in story.others:
        at = getattr(kernel.verdict, "at", None)
        verdict = name(kernel.verdict) if kernel.verdict is not None else "not judged"
        gate = str(at.gate) if at is not None else ""
        rows.append([kernel_link(kernel), gate, verdict, what_happened(kernel), tag("code", kernel.replay)])
    parts = [tag("h2", "What was refused: by which gate, why, and how to see it again")]
    if rows:
        parts.append(
            scroll_box(
                "kernels that were not accepted",
                table(("kernel", "gate", "verdict", "reason", "replay"), rows),
            )
        )
        parts += wrong_elements(story.others)
    if story.refused:
        refused = [[one.where, one.by, "; ".join(one.reasons)] for one in story.refused]
        shown = scroll_box("proposals sent back", table(("slot", "by", "reasons"), refused))
        title = f"Proposals sent back before any kernel was written: {len(refused)}"
        parts.append(tag("details", tag("summary", title), shown, id="sent-back"))
    return tag("section", *parts, id="rejected")
