"""The heat map: the ratio to BLAS of every accepted kernel at every timed shape, as a table with coloured cells."""

from __future__ import annotations

from itertools import pairwise

from harness.report.markup import Markup, join, tag
from harness.report.progress_chart import kernel_link
from harness.report.run_story import RunStory
from harness.verdict import ShapeTiming

# Upper bounds of the classes h0 … h6 in page.css; a ratio at or above the last is h6.
BOUNDS = (0.7, 0.85, 0.97, 1.03, 1.15, 1.3)


def heat_map(story: RunStory) -> Markup:
    """One row per accepted kernel, the fastest first; one column per shape. Empty when no kernel was accepted."""
    accepted = [(kernel, kernel.score) for kernel in story.accepted if kernel.score is not None]
    if not accepted:
        return Markup()
    shapes = list(dict.fromkeys(str(t.shape) for _, score in accepted for t in score.per_shape))
    head = tag("tr", tag("th", "kernel", scope="col"), *(tag("th", shape, scope="col") for shape in shapes))
    body = []
    for kernel, score in accepted:
        timed = {str(timing.shape): timing for timing in score.per_shape}
        cells = [_cell(timed.get(shape)) for shape in shapes]
        body.append(tag("tr", tag("th", kernel_link(kernel), scope="row"), *cells))
    return tag("table", tag("thead", head), tag("tbody", join(body)), class_="heat sortable")


def legend() -> Markup:
    """The colours in words: slower than BLAS, level, faster."""
    edges = [
        f"below {BOUNDS[0]:g}",
        *(f"{low:g} to {high:g}" for low, high in pairwise(BOUNDS)),
    ]
    edges.append(f"{BOUNDS[-1]:g} and more")
    return tag(
        "p", *(tag("span", edge, class_=f"key h{number}") for number, edge in enumerate(edges)), class_="keys"
    )


def shade(ratio: float) -> int:
    """The number of the colour class of a ratio, 0 (much slower than BLAS) … 6 (much faster)."""
    return sum(ratio >= bound for bound in BOUNDS)


def _cell(timing: ShapeTiming | None) -> Markup:
    if timing is None:
        return tag("td", "")
    about = (
        f"[{timing.ratio_low:.3f}, {timing.ratio_high:.3f}], {timing.gflops:.1f} GFLOP/s, "
        f"{timing.percent_of_peak:.0f} % of peak"
    )
    peak = tag("small", f"{timing.percent_of_peak:.0f} %")
    return tag("td", f"{timing.ratio:.2f} ", peak, class_=f"h{shade(timing.ratio)}", title=about)
