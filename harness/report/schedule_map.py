"""The schedule map: which knobs of the search space a run has tried, and the ratio to BLAS that each value gave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from statistics import median
from typing import Any

from harness.report.axes import Figure, Scale, dot, line, ratio_axis, ratio_scale, svg, words
from harness.report.markup import Markup, anchor, join, tag
from harness.report.progress_chart import kernel_link
from harness.report.run_story import RunStory, StoryKernel
from harness.roundtable.conversation.messages import WHOLE_FILE
from harness.schedule.families import FAMILIES
from harness.verdict import one_line

# Knobs that are drawn, those that matter most; all are in the table.
SHOWN = 14
# Values of one knob that are drawn, those tried most often.
MOST_VALUES = 10
# Kernels with a mark that opens them, the fastest; dots for all others of a value. Both keep the page small.
MOST_MARKS, MOST_DOTS = 60, 120
_LEFT, _TOP, _BOTTOM, _HEIGHT = 62.0, 40.0, 170.0, 196.0


@dataclass(frozen=True, slots=True)
class TriedSchedule:
    """A schedule as its knobs' values, and the ratio to BLAS; None when it has none. `kernel` is None when the schedule
    was timed briefly and not judged.
    """

    knobs: Mapping[str, str]
    ratio: float | None
    kernel: StoryKernel | None


@dataclass(frozen=True, slots=True)
class TriedKnob:
    """A knob with at least two values tried, in their natural order, each with its trials."""

    name: str
    trials: Mapping[str, Sequence[TriedSchedule]]

    @property
    def gain(self) -> float:
        """How much the best ratio of its best value exceeds that of its worst one."""
        found = [best for value in self.trials if (best := self.best(value)) is not None]
        return max(found) - min(found) if found else 0.0

    def best(self, value: str) -> float | None:
        """The best ratio of a value; None when none of its schedules has one."""
        return max((one.ratio for one in self.trials[value] if one.ratio is not None), default=None)


def knobs_of(schedule: Any) -> dict[str, str]:
    """The knobs that change the code of a schedule, with their values as text; mr and nr are one knob, the tile.

    A proposal may hold anything: what is no schedule has no knobs.
    """
    if not isinstance(schedule, dict):
        return {}
    paths = schedule.get("paths")
    if isinstance(paths, (list, tuple)):
        return _by_region(schedule, paths)
    inner = schedule.get("bilinear")
    recursion = inner if isinstance(inner, dict) else {}
    family = str(recursion.get("inner") or schedule.get("family") or "")
    used = FAMILIES[family].knobs if family in FAMILIES else frozenset(map(str, schedule))
    flat = {str(key): value for key, value in schedule.items() if key in used or key == "family"} | recursion
    flat.pop("inner", None)
    if "mr" in flat and "nr" in flat:
        flat["tile"] = f"{flat.pop('mr')}x{flat.pop('nr')}"
    return {
        one_line(key, 24): _value(value)
        for key, value in flat.items()
        if isinstance(value, str | int | float)
    }


def _by_region(schedule: dict[str, Any], paths: Sequence[Any]) -> dict[str, str]:
    """The knobs of all code paths; the region stands before the names of its own."""
    flat = knobs_of({name: value for name, value in schedule.items() if name != "paths"})
    for path in paths:
        if isinstance(path, dict):
            own = {"most": _value(str(path.get("most")))} | knobs_of(path.get("schedule"))
            flat |= {one_line(f"{path.get('region')}.{name}", 40): value for name, value in own.items()}
    return flat


def _value(value: str | float) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else one_line(str(value), 20)


def tried(story: RunStory) -> list[TriedSchedule]:
    """Every schedule that was judged or timed briefly. Kernels that a model wrote freely have no schedule."""
    judged = [
        TriedSchedule(knobs, kernel.score.claimed.ratio if kernel.score else None, kernel)
        for kernel in story.kernels
        if kernel.how != WHOLE_FILE and (knobs := knobs_of(kernel.proposal.get("schedule")))
    ]
    brief = [
        TriedSchedule(knobs, one.ratio, None)
        for one in story.screened
        # What was timed at some of the shapes cannot be compared.
        if not one.shapes and (knobs := knobs_of(one.schedule))
    ]
    return judged + brief


def varied(trials: Sequence[TriedSchedule]) -> list[TriedKnob]:
    """The knobs of which more than one value was tried, the one with the largest difference first."""
    by_value: dict[str, dict[str, list[TriedSchedule]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        for name, value in trial.knobs.items():
            by_value[name][value].append(trial)
    found = [
        TriedKnob(name, {value: values[value] for value in sorted(values, key=_natural)})
        for name, values in by_value.items()
        if len(values) > 1
    ]
    return sorted(found, key=lambda knob: -knob.gain)


def _natural(value: str) -> tuple[bool, tuple[float, ...], str]:
    """Numbers and tiles by size, before words."""
    parts = value.split("x")
    if all(part.isdecimal() and part.isascii() for part in parts):
        return False, tuple(map(float, parts)), value
    return True, (), value


def schedule_map(story: RunStory) -> Figure | None:
    """A panel per knob with every schedule tried, by value; None when no knob was varied."""
    trials = tried(story)
    knobs = varied(trials)
    ratios = [trial.ratio for trial in trials if trial.ratio is not None]
    if not knobs or not ratios:
        return None
    scale = ratio_scale(ratios, _BOTTOM - 22, _TOP)
    linked = {kernel.number for kernel in story.ranked[:MOST_MARKS]}
    panels = tag("div", *(_panel(knob, scale, linked) for knob in knobs[:SHOWN]), class_="panels")
    return Figure(
        anchor="schedule-map",
        title="Which knobs of the schedule were tried, and what each value gave",
        caption=_caption(trials, knobs),
        picture=panels,
        columns=(
            "knob",
            "value",
            "tried",
            "best ratio",
            "median ratio",
            "without a ratio",
            "best judged kernel",
        ),
        rows=[_row(knob, value) for knob in knobs for value in knob.trials],
    )


def _caption(trials: Sequence[TriedSchedule], knobs: Sequence[TriedKnob]) -> str:
    judged = sum(trial.kernel is not None for trial in trials)
    fixed = {
        name: value
        for trial in trials
        for name, value in trial.knobs.items()
        if name not in {knob.name for knob in knobs}
    }
    same = ", ".join(f"{name} {value}" for name, value in list(fixed.items())[:16])
    more = len(knobs) - SHOWN
    return (
        f"A panel per knob, the one with the largest difference first; upwards is the ratio to BLAS. {judged} filled "
        f"circles are judged kernels, {len(trials) - judged} small dots were timed briefly and not judged, crosses "
        "were refused. A bar marks the best of a value. A few tries say little: other knobs differ, too."
        + (f" Always the same: {same}." if same else "")
        + (f" In the table only: {more} more." if more > 0 else "")
    )


def _panel(knob: TriedKnob, scale: Scale, linked: AbstractSet[int]) -> Markup:
    often = sorted(knob.trials, key=lambda value: -len(knob.trials[value]))[:MOST_VALUES]
    values = [value for value in knob.trials if value in often]
    step = max(40.0, 7.0 * max(map(len, values)) + 8)
    right = _LEFT + max(step * len(values), 7.0 * len(knob.name))
    parts = [words(8, 16, knob.name, "strong"), ratio_axis(scale, _LEFT, right)]
    for place, value in enumerate(values):
        x = _LEFT + step * (place + 0.5)
        parts.append(words(x, _BOTTOM + 16, value, at="middle"))
        best = knob.best(value)
        if best is not None:
            parts.append(line(x - step / 2 + 4, scale.at(best), x + step / 2 - 4, scale.at(best), "best"))
        # Spread sideways in the order tried, so that equal ratios do not cover each other.
        trials, room = knob.trials[value], step - 12
        places = [x + room * ((number + 0.5) / len(trials) - 0.5) for number in range(len(trials))]
        own = [trial.kernel is not None and trial.kernel.number in linked for trial in trials]
        parts.append(
            _dots(
                [(t, at) for t, at, has_mark in zip(trials, places, own, strict=True) if not has_mark], scale
            )
        )
        # Judged kernels on top of what was timed briefly.
        parts += [
            _mark(t, at, scale) for t, at, has_mark in zip(trials, places, own, strict=True) if has_mark
        ]
    parts.append(line(_LEFT, _BOTTOM, right, _BOTTOM, "axis"))
    told = "; ".join(
        f"{value}: best {best:.3f}" for value in values if (best := knob.best(value)) is not None
    )
    return svg(right + 12, _HEIGHT, f"ratio to BLAS by {knob.name}: {told}", *parts)


def _dots(trials: Sequence[tuple[TriedSchedule, float]], scale: Scale) -> Markup:
    """Small dots for schedules without a mark of their own, as one element: there may be thousands on a page."""
    known = [(trial.ratio, at) for trial, at in trials if trial.ratio is not None]
    every = -(-len(known) // MOST_DOTS) or 1
    path = "".join(f"M{at:.0f} {scale.at(ratio):.0f}h0" for ratio, at in known[::every])
    return tag("path", tag("title", f"{len(known)} timed"), d=path, class_="dots") if path else Markup()


def _mark(trial: TriedSchedule, x: float, scale: Scale) -> Markup:
    kernel = trial.kernel
    assert kernel is not None
    target = anchor(kernel.number, kernel.name)
    if trial.ratio is None:
        return dot(x, _BOTTOM - 9, "bad", f"{kernel.name}: no ratio", target)
    return dot(x, scale.at(trial.ratio), "good", f"{kernel.name}: {trial.ratio:.3f}", target)


def _row(knob: TriedKnob, value: str) -> list[str]:
    trials = knob.trials[value]
    ratios = [trial.ratio for trial in trials if trial.ratio is not None]
    judged = [one for one in trials if one.kernel is not None and one.ratio is not None]
    best = max(judged, key=lambda one: one.ratio or 0.0, default=None)
    link = join([kernel_link(best.kernel), f" {best.ratio:.3f}"]) if best is not None and best.kernel else ""
    return [
        knob.name, value, str(len(trials)), f"{max(ratios):.3f}" if ratios else "",
        f"{median(ratios):.3f}" if ratios else "", str(len(trials) - len(ratios)), link,
    ]  # fmt: skip
