"""What a model can repair and write, as Markdown: rates by kind of task, then every task."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from harness.durable import JsonObject
from harness.trials import trial
from harness.trials.trial import Attempted

_WORDS = (
    "Repairs: kernels with one fault each, and the judge's evidence, as the Coder gets them. Write: kernels after an "
    "outline in words, from a template. One answer per task. compiled: the answer passed policy and rustc. passed: it "
    "passed every gate before the clock; whether it follows the outline is not checked, but a kernel of the project "
    "given back counts as a copy. ratio: t(BLAS) / t(kernel) over the default suite by brief timings."
)


def report(model: str, attempts: Sequence[Attempted], facts: JsonObject) -> str:
    """The result as Markdown: rates by kind of task, then every task."""
    from tabulate import tabulate

    def table(rows: list[list[str]], head: list[str]) -> str:
        return tabulate(rows, headers=head, tablefmt="github", disable_numparse=True)

    kinds = list(dict.fromkeys(one.kind for one in attempts))
    rows = [_rates(_kind(kind), [one for one in attempts if one.kind == kind]) for kind in kinds]
    rows.append(_rates("all", attempts))
    every = [
        [
            one.task,
            _kind(one.kind),
            _end(one),
            f"{one.ratio:.3f}" if one.ratio is not None else "-",
            f"{one.seconds:.0f}",
            str(one.tokens),
        ]
        for one in attempts
    ]
    return (
        f"# What {model} can repair and write\n\n{_WORDS}\n\n"
        + table(rows, ["task", "tasks", "answers with a kernel", "compiled", "passed", "seconds, median"])
        + "\n\n"
        + table(every, ["task", "kind", "the answer", "ratio", "seconds", "tokens"])
        + "\n\n"
        + "".join(f"- {name}: {value}\n" for name, value in facts.items())
        + "\nMade by `python -m harness.minds.try`.\n"
    )


def _kind(kind: str) -> str:
    return kind if kind == trial.WRITE else f"repair, found by {kind}"


def _end(one: Attempted) -> str:
    match one.ended:
        case trial.PASSED | trial.NO_KERNEL:
            return one.ended
        case trial.COPY:
            return "copied from the project"
    return f"rejected by {one.ended}"


def _rates(name: str, attempts: Sequence[Attempted]) -> list[str]:
    def share(count: int) -> str:
        return f"{count} ({100 * count / len(attempts):.0f} %)"

    return [
        name,
        str(len(attempts)),
        share(sum(one.ended not in (trial.NO_KERNEL, trial.COPY) for one in attempts)),
        share(sum(one.compiled for one in attempts)),
        share(sum(one.passed for one in attempts)),
        f"{statistics.median(one.seconds for one in attempts):.0f}",
    ]
