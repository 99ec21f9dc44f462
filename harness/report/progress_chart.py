"""The charts of a run's ratios: in the order judged, and as bars with the fastest first."""

from __future__ import annotations

from collections.abc import Iterator

from harness.records import headline
from harness.report.axes import KINDS, Figure, Scale, dot, interval, line, ratio_axis, ratio_scale, svg, words
from harness.report.markup import Markup, anchor, tag
from harness.report.run_story import RunStory, StoryKernel
from harness.shapes import Shape
from harness.verdict import TooFast, describe, name, one_line

_LEFT, _TOP, _HEIGHT, _NAMES = 72, 34, 320, 118
# The lines of the best so far of up to four models that propose; the dashes tell them apart without colour.
_LINES = ("best", "best second", "best third", "best fourth")
# Pixels for the name of a model behind its line.
_MODEL = 150.0


def progress(story: RunStory) -> Figure:
    """The ratio of every kernel against the number of kernels judged, with the best so far."""
    scores = [kernel.score for kernel in story.kernels if kernel.score]
    step = min(90.0, max(16.0, 560 / max(1, len(story.kernels))))
    right = _LEFT + max(240.0, step * len(story.kernels))
    bottom = float(_HEIGHT - 76)
    values = [
        value for s in scores for value in (s.claimed.ratio_low, s.claimed.ratio_high, s.aa_low, s.aa_high)
    ]
    scale = ratio_scale(values, bottom, _TOP)
    parts: list[str] = [words(8, 16, "ratio to BLAS = t(BLAS) / t(kernel); higher is faster", "muted")]
    if scores:
        top, low = scale.at(max(s.aa_high for s in scores)), scale.at(min(s.aa_low for s in scores))
        parts.append(tag("rect", x=_LEFT, y=top, width=right - _LEFT, height=low - top, class_="band"))
    parts += [ratio_axis(scale, _LEFT, right), *_best_so_far(story, scale, step, right)]
    every = max(1, round(40 / step))
    for kernel in story.kernels:
        x = _LEFT + step * (kernel.number - 0.5)
        parts += _mark(kernel, x, scale, bottom + 20)
        if (kernel.number == 1 and every > 2) or kernel.number % every == 0:
            parts.append(words(x, bottom + 46, str(kernel.number), at="middle"))
    parts += [line(_LEFT, bottom + 32, right, bottom + 32, "axis")]
    parts += [words(_LEFT - 6, bottom + 24, "no ratio", "muted", at="end")]
    parts += [words((_LEFT + right) / 2, bottom + 66, "kernels judged", "muted", at="middle")]
    return Figure(
        anchor="progress",
        title="How the ratio to BLAS developed: each kernel in the order judged",
        caption="A circle is an accepted kernel with its 95 % interval, a cross one without a ratio. The stepped line "
        "is the best so far (of each model that proposes), the dashed line BLAS. Differences within the grey band "
        "(BLAS against itself) mean nothing.",
        picture=svg(
            right + (_MODEL if len({k.model for k in story.kernels if k.score}) > 1 else 24.0),
            _HEIGHT,
            f"ratio to BLAS of {len(story.kernels)} kernels in the order judged",
            *parts,
        ),
        columns=("judged", "kernel", "generation", "ratio", "low", "high", "elsewhere", "outcome"),
        rows=[_row(kernel) for kernel in story.kernels],
    )


def _best_so_far(story: RunStory, scale: Scale, step: float, right: float) -> Iterator[Markup]:
    """A stepped line, or one for each model that proposes where there are several, with its name at the end."""
    models = list(dict.fromkeys(kernel.model for kernel in story.kernels if kernel.score))[: len(_LINES)]
    told_at: list[float] = []
    for model, kind in zip(models, _LINES, strict=False):
        best, path = 0.0, ""
        for kernel in story.kernels:
            if kernel.model != model or kernel.score is None or kernel.score.claimed.ratio <= best:
                continue
            best = kernel.score.claimed.ratio
            x = _LEFT + step * (kernel.number - 0.5)
            path += f"{'H' if path else 'M'}{x:.1f}{'V' if path else ' '}{scale.at(best):.1f}"
        yield tag("path", d=f"{path}H{right:.1f}", class_=kind)
        if len(models) > 1:
            y = scale.at(best) + 4
            while any(abs(y - other) < 13 for other in told_at):
                y += 13
            told_at.append(y)
            yield words(right + 6, y, one_line(model.rpartition("/")[2], 22))


def _mark(kernel: StoryKernel, x: float, scale: Scale, without: float) -> list[str]:
    kind, target = KINDS[kernel.outcome], anchor(kernel.number, kernel.name)
    if kernel.score is None:
        return [dot(x, without, kind, f"{kernel.name}: {what_happened(kernel)}", target)]
    claimed = kernel.score.claimed
    about = f"{kernel.name}: {claimed.ratio:.3f} [{claimed.ratio_low:.3f}, {claimed.ratio_high:.3f}]"
    ends = interval(x, scale.at(claimed.ratio_low), scale.at(claimed.ratio_high), kind)
    return [ends, dot(x, scale.at(claimed.ratio), kind, about, target)]


def _row(kernel: StoryKernel) -> list[str]:
    link = kernel_link(kernel)
    score = kernel.score
    numbers = [f"{x:.3f}" for x in (score.ratio, score.ratio_low, score.ratio_high)] if score else [""] * 3
    elsewhere = f"{score.elsewhere.ratio:.3f}" if score and score.elsewhere else ""
    return [str(kernel.number), link, str(kernel.generation), *numbers, elsewhere, kernel.outcome]


def bars(story: RunStory) -> Figure:
    """One bar per kernel, the fastest first; an impossible or wrong result is struck through with its gate."""
    scores = [kernel.score for kernel in story.kernels if kernel.score]
    right = _NAMES + 260.0
    high = max([1.1, *(score.claimed.ratio_high for score in scores)]) * 1.04
    scale = Scale(0.0, high, _NAMES, right)
    bottom = _TOP + 26.0 * len(story.kernels) + 4
    parts: list[str] = [words(_NAMES, 16, "ratio to BLAS; longer is faster", "muted")]
    for value in scale.ticks(4):
        if abs(value - 1) > 1e-9:
            parts += [line(scale.at(value), _TOP - 6, scale.at(value), bottom, "grid")]
            parts += [words(scale.at(value), bottom + 16, f"{value:g}", at="middle")]
    for place, kernel in enumerate(story.ranked):
        parts.append(_bar(kernel, _TOP + 26.0 * place, scale, story))
    parts += [line(scale.at(1), _TOP - 6, scale.at(1), bottom, "blas")]
    parts += [words(scale.at(1), bottom + 16, "BLAS 1", "strong", at="middle")]
    return Figure(
        anchor="bars",
        title="How fast each kernel is, and which results were refused",
        caption="Bars are ratios to BLAS with their 95 % intervals. A refused result is struck through and bears the "
        "gate that caught it; a dashed bar is the speed that it seemed to have.",
        picture=svg(
            right + 24,
            bottom + 28,
            f"ratio to BLAS of {len(story.kernels)} kernels, the fastest first",
            *parts,
        ),
        columns=("rank", "kernel", "ratio that counts", "GFLOP/s", "% of peak", "verdict"),
        rows=[_bar_row(place, kernel) for place, kernel in enumerate(story.ranked, start=1)],
    )


def _bar(kernel: StoryKernel, y: float, scale: Scale, story: RunStory) -> Markup:
    kind, middle = KINDS[kernel.outcome], y + 9.0
    refused = kind == "bad"
    label = words(_NAMES - 8, middle + 4, one_line(kernel.name, 16), "struck" if refused else "", at="end")
    about, zero = tag("title", f"{kernel.name}: {what_happened(kernel)}"), scale.start
    parts: list[str] = [about, label]
    if kernel.score is not None:
        claimed = kernel.score.claimed
        low, end, high = (scale.at(x) for x in (claimed.ratio_low, claimed.ratio, claimed.ratio_high))
        parts += [tag("rect", x=zero, y=y, width=end - zero, height=18, class_="bar")]
        # On a phone the ends of the bars may be outside of the screen.
        parts += [words(zero + 6, middle + 4, f"{claimed.ratio:.3f}")]
        parts += [tag("path", d=f"M{low:.1f} {middle}H{high:.1f}M{low:.1f} {y + 4}v10M{high:.1f} {y + 4}v10")]
    else:
        seemed = apparent_ratio(kernel, story)
        told = f"{name(kernel.verdict) if kernel.verdict else 'not judged'}{_gate_of(kernel)}"
        if seemed is not None:
            end = scale.at(seemed)
            told = f"{told}: seemed {seemed:.3g}x"
            parts += [tag("rect", x=zero, y=y, width=end - zero, height=18, class_="apparent")]
            parts += [line(min(end, zero + 16 + 6.6 * len(told)), middle, end, middle, "strike")]
        parts += [words(zero + 8, middle + 4, told)]
    return tag("g", *parts, class_=f"mark {kind}", data_to=anchor(kernel.number, kernel.name))


def _bar_row(place: int, kernel: StoryKernel) -> list[str]:
    link = kernel_link(kernel)
    if kernel.score is None:
        return ["-", link, "", "", "", what_happened(kernel)]
    head, claimed = headline(kernel.score), kernel.score.claimed
    ratio = f"{claimed.ratio:.3f} [{claimed.ratio_low:.3f}, {claimed.ratio_high:.3f}]"
    return [str(place), link, ratio, f"{head.gflops:.1f}", f"{head.percent_of_peak:.0f}", kernel.outcome]


def apparent_ratio(kernel: StoryKernel, story: RunStory) -> float | None:
    """The ratio to BLAS that an impossibly fast kernel seemed to have, by BLAS's time at that shape in this run.

    None for other kernels, and where BLAS was not timed at that shape.
    """
    verdict = kernel.verdict
    if not isinstance(verdict, TooFast) or verdict.time_ns <= 0:
        return None
    blas_ns = _blas_ns(story, verdict.at.shape)
    return blas_ns / verdict.time_ns if blas_ns is not None else None


def _blas_ns(story: RunStory, shape: Shape | None) -> float | None:
    times = [
        timing.baseline_time_ns
        for kernel in story.accepted
        if kernel.score is not None
        for timing in kernel.score.per_shape
        if timing.shape == shape
    ]
    return sorted(times)[len(times) // 2] if times else None


def kernel_link(kernel: StoryKernel) -> Markup:
    """A link to the kernel's details on the same page."""
    return tag("a", kernel.name, href=f"#{anchor(kernel.number, kernel.name)}")


def what_happened(kernel: StoryKernel) -> str:
    """The verdict in one line."""
    return describe(kernel.verdict) if kernel.verdict is not None else "not judged: the run ended before"


def _gate_of(kernel: StoryKernel) -> str:
    at = getattr(kernel.verdict, "at", None)
    return f" ({at.gate})" if at is not None else ""
