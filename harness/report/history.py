"""The history of this machine: accepted verdicts from its records that are comparable with the run of the page."""

from __future__ import annotations

from harness.durable import JsonObject
from harness.report.axes import Figure, dot, interval, line, ratio_axis, ratio_scale, svg, words
from harness.report.run_story import RunStory

_LEFT, _TOP, _HEIGHT = 72.0, 34.0, 280.0
_NUMBERS = ("ratio_to_blas", "ratio_low", "ratio_high")
# Verdicts that are drawn; the latest ones.
SHOWN = 120


def comparable(story: RunStory) -> tuple[list[JsonObject], int]:
    """The accepted records of the run's toolchain, suite, baseline and thread class, oldest first, and how many
    accepted records differ in one of them.
    """
    accepted = [
        record for record in story.history if all(isinstance(record.get(key), float) for key in _NUMBERS)
    ]
    names = {kernel.name for kernel in story.kernels}
    own = [record for record in accepted if record.get("candidate") in names]
    keys = {_conditions(record) for record in own}
    found = [record for record in accepted if _conditions(record) in keys]
    return found, len(accepted) - len(found)


def history(story: RunStory) -> Figure | None:
    """The comparable verdicts of this machine; None when there are none besides the run's own."""
    found, left_out = comparable(story)
    names = {kernel.name for kernel in story.kernels}
    if not any(record.get("candidate") not in names for record in found):
        return None
    shown = found[-SHOWN:]
    step = min(40.0, max(6.0, 640 / len(shown)))
    right, bottom = _LEFT + max(240.0, step * len(shown)), _HEIGHT - 56
    limits = [float(record[key]) for record in shown for key in ("ratio_low", "ratio_high")]
    scale = ratio_scale(limits, bottom, _TOP)
    parts: list[str] = [words(8, 16, "ratio to BLAS = t(BLAS) / t(kernel); higher is faster", "muted")]
    parts += [ratio_axis(scale, _LEFT, right), line(_LEFT, bottom + 8, right, bottom + 8, "axis")]
    day = ""
    for place, record in enumerate(shown):
        x = _LEFT + step * (place + 0.5)
        kind = "good" if record.get("candidate") in names else "past"
        parts.append(interval(x, scale.at(record["ratio_low"]), scale.at(record["ratio_high"]), kind))
        about = f"{record.get('candidate')}, {record.get('when_utc')}: {record['ratio_to_blas']:.3f}"
        parts.append(
            dot(x, scale.at(record["ratio_to_blas"]), "good" if kind == "good" else "good past", about)
        )
        if str(record.get("when_utc"))[:10] != day and (place == 0 or step * place > 90):
            day = str(record.get("when_utc"))[:10]
            parts.append(words(x, bottom + 24, day, "muted"))
    parts.append(
        words(
            (_LEFT + right) / 2, bottom + 44, "verdicts in the order judged (days, UTC)", "muted", at="middle"
        )
    )
    others = f" {left_out} verdicts under other conditions are left out." if left_out else ""
    return Figure(
        anchor="history",
        title="What this machine has measured so far, under the same conditions",
        caption=f"The latest {len(shown)} accepted verdicts with the same toolchain, suite, baseline and threads; "
        f"those of this run are filled.{others}",
        picture=svg(right + 90, _HEIGHT, f"ratios of {len(shown)} verdicts on this machine", *parts),
        columns=("when (UTC)", "kernel", "ratio", "low", "high"),
        rows=[_row(record) for record in reversed(shown)],
    )


def other_machines(story: RunStory) -> list[list[str]]:
    """A row per other machine whose records are here: its fastest accepted verdict for the suite of this run. Ratios of
    different machines are not comparable; the rows say what was found there.
    """
    suite = story.heads[-1].suite
    rows = []
    for found in story.elsewhere:
        accepted = [
            record
            for record in found
            if all(isinstance(record.get(key), float) for key in _NUMBERS) and record.get("suite") == suite
        ]
        if accepted:
            best = max(accepted, key=lambda record: float(record["ratio_to_blas"]))
            machine = best.get("machine")
            cpu = machine.get("cpu") if isinstance(machine, dict) else best.get("machine_fingerprint")
            rows.append([str(cpu), *_row(best)[1:], str(best.get("baseline")), *_row(best)[:1]])
    return rows


def _row(record: JsonObject) -> list[str]:
    numbers = [f"{record[key]:.3f}" for key in _NUMBERS]
    return [str(record.get("when_utc")), str(record.get("candidate")), *numbers]


def _conditions(record: JsonObject) -> tuple[str, ...]:
    return tuple(
        str(record.get(key))
        for key in ("toolchain", "suite", "baseline", "threads", "sandboxed", "machine_fingerprint")
    )
