"""The heat map: the ratio to BLAS of every accepted kernel and library at every timed shape, as a table with coloured
cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from harness.report.libraries import LibraryRatio
from harness.report.markup import Markup, join, tag
from harness.report.progress_chart import kernel_link
from harness.report.run_story import RunStory
from harness.verdict import ShapeTiming

# Upper bounds of the classes h0 … h6 in page.css; a ratio at or above the last is h6.
BOUNDS = (0.7, 0.85, 0.97, 1.03, 1.15, 1.3)
# Marks a cell in which a kernel is behind the best library beyond its interval.
LOST = "▼"


def heat_map(story: RunStory) -> Markup:
    """One row per accepted kernel, the fastest first, then one per library; one column per shape. Empty when no kernel
    was accepted.
    """
    accepted = [(kernel, kernel.score) for kernel in story.accepted if kernel.score is not None]
    if not accepted:
        return Markup()
    shapes = list(dict.fromkeys(str(t.shape) for _, score in accepted for t in score.per_shape))
    bars = {shape: _bar_to_reach(story.libraries, shape) for shape in shapes}
    head = tag("tr", tag("th", "kernel", scope="col"), *(tag("th", shape, scope="col") for shape in shapes))
    body = []
    for kernel, score in accepted:
        timed = {str(timing.shape): timing for timing in score.per_shape}
        cells = [_cell(timed.get(shape), bars[shape]) for shape in shapes]
        body.append(tag("tr", tag("th", kernel_link(kernel), scope="row"), *cells))
    for name in dict.fromkeys(one.name for one in story.libraries if one.shape in shapes):
        known = {one.shape: one for one in story.libraries if one.name == name}
        cells = [_library_cell(known.get(shape)) for shape in shapes]
        body.append(tag("tr", tag("th", name, tag("small", " library"), scope="row"), *cells))
    return tag("table", tag("thead", head), tag("tbody", join(body)), class_="heat sortable")


def _bar_to_reach(libraries: Sequence[LibraryRatio], shape: str) -> tuple[float, str]:
    """The lower end of the best library's ratio at a shape, and that library; BLAS has ratio 1."""
    return max([(1.0, "BLAS"), *((one.low, one.name) for one in libraries if one.shape == shape)])


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


def _cell(timing: ShapeTiming | None, bar: tuple[float, str]) -> Markup:
    """A cell whose whole interval is below the best library's is lost and bears a mark."""
    if timing is None:
        return tag("td", "")
    is_lost = timing.ratio_high < bar[0]
    about = (
        f"[{timing.ratio_low:.3f}, {timing.ratio_high:.3f}], {timing.gflops:.1f} GFLOP/s, "
        f"{timing.percent_of_peak:.0f} % of peak" + (f"; lost to {bar[1]}" if is_lost else "")
    )
    mark = [tag("span", LOST, role="img", aria_label=f"lost to {bar[1]}"), " "] if is_lost else []
    peak = tag("small", f"{timing.percent_of_peak:.0f} %")
    return tag("td", f"{timing.ratio:.2f} ", *mark, peak, class_=f"h{shade(timing.ratio)}", title=about)


def _library_cell(one: LibraryRatio | None) -> Markup:
    if one is None:
        return tag("td", "")
    peak = tag("small", f"{one.percent_of_peak:.0f} %")
    about = f"[{one.low:.3f}, {one.high:.3f}], {one.percent_of_peak:.0f} % of peak"
    return tag("td", f"{one.ratio:.2f} ", peak, class_=f"h{shade(one.ratio)}", title=about)
