"""The roofline of the accepted kernels: GFLOP/s against arithmetic intensity, below the machine's measured ceilings.

Williams, Waterman and Patterson: Roofline, an insightful visual performance model (2009).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.report.axes import Figure, Scale, dot, line, svg, words
from harness.report.markup import Markup, anchor, tag
from harness.report.progress_chart import kernel_link
from harness.report.run_story import RunStory, StoryKernel
from harness.shapes import Shape
from harness.verdict import Ceilings, Score, ShapeTiming

# Kernels that are drawn and listed, the fastest ones.
SHOWN = 12
_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 56.0, 580.0, 40.0, 320.0, 372.0
# Pixels between two labels, and of a letter.
_GAP, _LETTER = 13.0, 6.6
_LEAST_INTENSITY = 0.25


@dataclass(frozen=True, slots=True)
class Roof:
    """A level of the memory with the rate at which one core reads it, in GB/s."""

    name: str
    gbps: float


@dataclass(frozen=True, slots=True)
class _Plane:
    """Logarithmic axes: FLOP per byte to the right, GFLOP/s upwards."""

    across: Scale
    upwards: Scale

    def x(self, intensity: float) -> float:
        return self.across.at(math.log2(intensity))

    def y(self, gflops: float) -> float:
        return self.upwards.at(math.log2(gflops))


def intensity(shape: Shape) -> float:
    """FLOP per byte when A and B are read once and C is written once."""
    moved = shape.input_bytes + shape.output_bytes
    return shape.flops / moved if moved else 0.0


def roofs(ceilings: Ceilings | None) -> list[Roof]:
    """The levels of the memory from the fastest on; one that is not slower than the level before it is left out."""
    if ceilings is None:
        return []
    found: list[Roof] = []
    for name, gbps in (
        ("L1", ceilings.l1_gbps),
        ("L2", ceilings.l2_gbps),
        ("L3", ceilings.l3_gbps),
        ("memory", ceilings.memory_gbps),
    ):
        if not found or gbps < 0.95 * found[-1].gbps:
            found.append(Roof(name, gbps))
    return found


def peak_gflops(score: Score) -> float:
    """The FMA peak of which the verdict gives the shares."""
    if score.ceilings is not None:
        return score.ceilings.fma_gflops
    best = max(score.per_shape, key=lambda timing: timing.gflops)
    return 100 * best.gflops / best.percent_of_peak


def roofline(story: RunStory) -> Figure | None:
    """The fastest kernels and BLAS at every timed shape; None when no kernel has a time to show."""
    shown = [(k, k.score) for k in story.accepted if k.score is not None and _drawn(k.score)][:SHOWN]
    if not shown:
        return None
    best = shown[0][1]
    peak, levels = peak_gflops(best), roofs(best.ceilings)
    plane = _plane([score for _, score in shown], peak, levels)
    parts = [*_axes(plane), *_ceilings(plane, peak, levels, best.threads)]
    for kernel, score in reversed(shown):
        parts += _points(kernel, score, plane, is_best=kernel is shown[0][0])
    parts += [*_blas(best, plane), *_shape_labels([s for _, s in shown], plane), *_legend(len(shown) > 1)]
    label = f"roofline of {len(shown)} kernels: GFLOP/s against FLOP per byte"
    return Figure(
        anchor="roofline",
        title="How far each shape is from the machine's limits: roofline with measured ceilings",
        caption=_caption(story, best, levels, peak),
        picture=svg(_RIGHT + 24, _HEIGHT, label, *parts),
        columns=(
            "kernel", "shape", "FLOP per byte", "GFLOP/s", "BLAS GFLOP/s", "% of FMA peak", "% of memory roof",
        ),
        rows=[row for kernel, score in shown for row in _rows(kernel, score, levels)],
    )  # fmt: skip


def _drawn(score: Score) -> list[ShapeTiming]:
    return [
        one
        for one in score.per_shape
        if intensity(one.shape) > 0 and one.gflops > 0 and one.percent_of_peak > 0
    ]


def _plane(scores: Sequence[Score], peak: float, levels: Sequence[Roof]) -> _Plane:
    timings = [timing for score in scores for timing in _drawn(score)]
    left = min([*([_LEAST_INTENSITY] if levels else []), *(intensity(one.shape) / 1.5 for one in timings)])
    right = 1.6 * max(4.0, *(intensity(one.shape) for one in timings))
    low = min([one.gflops for one in timings] + [_blas_gflops(one) for one in timings])
    low = min(low / 1.5, peak / 8)
    high = 1.5 * max([peak, *(max(one.gflops, _blas_gflops(one)) for one in timings)])
    return _Plane(
        Scale(math.log2(left), math.log2(right), _LEFT, _RIGHT),
        Scale(math.log2(low), math.log2(high), _BOTTOM, _TOP),
    )


def _blas_gflops(timing: ShapeTiming) -> float:
    return timing.shape.flops / timing.baseline_time_ns


def _axes(plane: _Plane) -> Iterator[Markup]:
    yield words(8, 16, "GFLOP/s (higher is faster)", "muted")
    for power in plane.upwards.ticks(6):
        if power == int(power):
            y = plane.upwards.at(power)
            yield line(_LEFT, y, _RIGHT, y, "grid")
            yield words(_LEFT - 6, y + 4, f"{2**power:g}", at="end")
    for power in plane.across.ticks(10):
        if power == int(power):
            yield words(plane.across.at(power), _BOTTOM + 18, f"{2**power:g}", at="middle")
    yield line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis")
    title = "arithmetic intensity: FLOP per byte of A, B and C (both axes logarithmic)"
    yield words((_LEFT + _RIGHT) / 2, _BOTTOM + 40, title, "muted", at="middle")


def _ceilings(plane: _Plane, peak: float, levels: Sequence[Roof], threads: int) -> Iterator[Markup]:
    left, low = 2**plane.across.low, 2**plane.upwards.low
    ridge = min([peak / one.gbps for one in levels], default=left)
    top = plane.y(peak)
    start = plane.x(max(left, ridge))
    yield line(start, top, _RIGHT, top, "roof")
    cores = "1 thread" if threads == 1 else f"{threads} threads"
    yield words(start + 8, top - 7, f"FMA peak {peak:.0f} GFLOP/s, {cores}", "strong clear")
    # A slope begins at the left or the lower border, and its name at its beginning.
    begins = [(one, max(left, low / one.gbps)) for one in levels if peak / one.gbps > left]
    for one, begin in begins:
        yield line(plane.x(begin), plane.y(begin * one.gbps), plane.x(peak / one.gbps), top, "roof slope")
    free_from = 0.0
    for one, begin in begins:
        y = max(plane.y(begin * one.gbps) + 15, free_from)
        yield words(plane.x(begin) + 16, min(y, _BOTTOM - 4), f"{one.name} {one.gbps:.0f} GB/s", "clear")
        free_from = y + _GAP


def _points(kernel: StoryKernel, score: Score, plane: _Plane, *, is_best: bool) -> Iterator[Markup]:
    target = anchor(kernel.number, kernel.name)
    for timing in _drawn(score):
        about = (
            f"{kernel.name} at {timing.shape}: {timing.gflops:.1f} GFLOP/s, {timing.percent_of_peak:.0f} % of the FMA "
            "peak"
        )
        kind = "good" if is_best else "good past"
        yield dot(plane.x(intensity(timing.shape)), plane.y(timing.gflops), kind, about, target)


def _blas(score: Score, plane: _Plane) -> Iterator[Markup]:
    for timing in _drawn(score):
        about = f"{score.baseline} at {timing.shape}: {_blas_gflops(timing):.1f} GFLOP/s"
        x, y = plane.x(intensity(timing.shape)), plane.y(_blas_gflops(timing))
        yield tag("g", tag("title", about), _square(x, y), class_="rival")


def _square(x: float, y: float) -> Markup:
    return tag("rect", x=x - 5, y=y - 5, width=10, height=10)


def _shape_labels(scores: Sequence[Score], plane: _Plane) -> Iterator[Markup]:
    """The shape below the lowest mark of its column, as long as it does not cover the one before."""
    lowest: dict[Shape, float] = {}
    for score in scores:
        for timing in _drawn(score):
            y = plane.y(min(timing.gflops, _blas_gflops(timing)))
            lowest[timing.shape] = max(y, lowest.get(timing.shape, 0.0))
    free_from = 0.0
    for shape, y in sorted(lowest.items(), key=lambda one: intensity(one[0])):
        text = f"{shape.m}³" if shape.m == shape.k == shape.n else str(shape)
        x, half = plane.x(intensity(shape)), _LETTER * len(text) / 2
        if x - half >= free_from:
            yield words(x, min(y + 20, _BOTTOM - 6), text, "clear", at="middle")
            free_from = x + half + 4


def _legend(has_others: bool) -> Iterator[Markup]:
    x, y = _RIGHT - 178, _BOTTOM - 66
    marks = [
        (tag("g", tag("circle", cx=x, cy=y, r=5), class_="mark good"), "the fastest kernel"),
        (tag("g", _square(x, y + 20), class_="rival"), "BLAS beside it"),
    ]
    if has_others:
        ring = tag("circle", cx=x, cy=y + 40, r=5)
        marks.append((tag("g", ring, class_="mark good past"), "other accepted kernels"))
    for place, (mark, text) in enumerate(marks):
        yield mark
        yield words(x + 14, y + 20 * place + 4, text, "clear")


def _caption(story: RunStory, best: Score, levels: Sequence[Roof], peak: float) -> str:
    said = "No kernel can be above the flat line, and none that takes its data from a level above that level's slope. "
    if levels:
        said += (
            "The lines are what this project's own loops reached on this machine: FMAs on registers, and one core that "
            "reads each level of the memory. Timed data is in the caches unless the suite is cold."
        )
    else:
        said += (
            "The verdicts of this run were made before rates of memory were kept, so only the FMA peak is drawn; "
            "judge a kernel again to have them."
        )
    if any(one.gflops > peak for one in best.per_shape):
        said += (
            " A fast scheme may exceed the FMA peak, because 2mkn operations are counted for every kernel."
        )
    hidden = len(story.accepted) - SHOWN
    return said + (
        f" The {SHOWN} fastest kernels are shown, {hidden} more are left out." if hidden > 0 else ""
    )


def _rows(kernel: StoryKernel, score: Score, levels: Sequence[Roof]) -> Iterator[list[str]]:
    for one in _drawn(score):
        reach = levels[-1].gbps * intensity(one.shape) if levels else 0.0
        yield [
            kernel_link(kernel), str(one.shape), f"{intensity(one.shape):.2f}", f"{one.gflops:.1f}",
            f"{_blas_gflops(one):.1f}", f"{one.percent_of_peak:.0f}",
            f"{100 * one.gflops / reach:.0f}" if reach else "",
        ]  # fmt: skip
