"""The genealogy of a run as an arc diagram: one row per kernel, an arc to each parent."""

from __future__ import annotations

from harness.report.axes import KINDS, Figure, dot, svg, words
from harness.report.markup import Markup, anchor, join, tag
from harness.report.progress_chart import kernel_link
from harness.report.run_story import RunStory, StoryKernel
from harness.verdict import one_line

_ROW, _TOP = 24.0, 44.0


def genealogy(story: RunStory) -> Figure:
    """Kernels from top to bottom in the order judged; parents that are not of this run come first, as squares."""
    inside = {kernel.name for kernel in story.kernels}
    outside = list(dict.fromkeys(p for k in story.kernels for p in k.parents if p not in inside))
    rows = {name: _TOP + _ROW * place for place, name in enumerate(outside)}
    rows |= {k.name: _TOP + _ROW * (len(outside) + k.number - 1) for k in story.kernels}
    longest = max((rows[k.name] - rows[p] for k in story.kernels for p in k.parents), default=_ROW)
    x = 24.0 + min(140.0, 12.0 + longest * 0.35)
    arcs = [_arc(x, rows[p], rows[k.name]) for k in story.kernels for p in k.parents]
    marks: list[str] = []
    for name in outside:
        square = tag("rect", x=x - 5, y=rows[name] - 5, width=10, height=10)
        marks += [tag("g", tag("title", f"{name}, from an earlier run"), square, class_="outside")]
        marks += [words(x + 14, rows[name] + 4, f"{one_line(name, 24)}, earlier", "muted")]
    for kernel in story.kernels:
        marks += _kernel(kernel, x, rows[kernel.name])
    note = words(8, 16, "judged later: further down; g is the generation", "muted")
    height = _TOP + _ROW * len(rows) + 4
    return Figure(
        anchor="genealogy",
        title="Which kernel comes from which: parents above, descendants below",
        caption="Each arc leads from a kernel to a parent whose proposal it changes. Circles are accepted, crosses are "
        "not, squares are kernels of earlier runs. A kernel without an arc was proposed afresh.",
        picture=svg(x + 330, height, f"genealogy of {len(story.kernels)} kernels", note, *arcs, *marks),
        columns=("judged", "kernel", "generation", "parents", "proposed by", "ratio", "outcome"),
        rows=[_row(story, kernel) for kernel in story.kernels],
    )


def _arc(x: float, parent: float, child: float) -> Markup:
    if child <= parent:
        return Markup()
    bend = x - min(140.0, 12.0 + (child - parent) * 0.35)
    path = f"M{x - 6:.1f} {parent:.1f}C{bend:.1f} {parent:.1f} {bend:.1f} {child:.1f} {x - 6:.1f} {child:.1f}"
    return tag("path", d=path, class_="arc")


def _kernel(kernel: StoryKernel, x: float, y: float) -> list[str]:
    ratio = f"{kernel.score.claimed.ratio:.3f}" if kernel.score else str(kernel.outcome)
    target = anchor(kernel.number, kernel.name)
    told = f"g{kernel.generation} {one_line(kernel.name, 24)}  {ratio}"
    return [dot(x, y, KINDS[kernel.outcome], f"{kernel.name}: {ratio}", target), words(x + 14, y + 4, told)]


def _row(story: RunStory, kernel: StoryKernel) -> list[str]:
    known = {one.name: one for one in story.kernels}
    parents = [kernel_link(known[p]) if p in known else tag("span", p) for p in kernel.parents]
    listed = join([part for p in parents for part in (Markup(", "), p)][1:])
    ratio = f"{kernel.score.claimed.ratio:.3f}" if kernel.score else ""
    return [
        str(kernel.number), kernel_link(kernel), str(kernel.generation), listed or "none", kernel.model, ratio,
        kernel.outcome,
    ]  # fmt: skip
