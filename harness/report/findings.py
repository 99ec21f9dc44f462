"""The first screen of the page in sentences: what was found, how sure, how far from the limit, what to try next."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass

from harness.operation.operations import OperationName
from harness.records import headline
from harness.report.machine_kinds import MachineKind, machine_kinds, portfolio_command
from harness.report.portfolio import export_command
from harness.report.run_story import RunStory, StoryKernel
from harness.verdict import Score, describe


@dataclass(frozen=True, slots=True)
class NextStep:
    """Something to try next: why, and the command."""

    why: str
    command: str


@dataclass(frozen=True, slots=True)
class Findings:
    """The answers of the first screen, each one or two sentences."""

    found: str
    sure: str
    limit: str
    cost: str
    steps: tuple[NextStep, ...]


def findings(story: RunStory) -> Findings:
    """What a run has found, in plain sentences; every number comes from its verdicts."""
    accepted = story.accepted
    if not accepted or accepted[0].score is None:
        return Findings(
            found=_nothing(story),
            sure="There is no ratio: a kernel that was not accepted is not timed.",
            limit="",
            cost=_cost(story),
            steps=tuple(_steps_without(story)),
        )
    best, score = accepted[0], accepted[0].score
    kinds = machine_kinds(story)
    return Findings(
        found=" ".join([_found(story, best, score), *map(_found_there, kinds[1:])]),
        sure=_sure(accepted, score),
        limit=_limit(score),
        cost=_cost(story),
        steps=tuple(_steps(story, accepted, score, kinds)),
    )


def _nothing(story: RunStory) -> str:
    if not story.kernels:
        return "No kernel was judged yet."
    return f"No kernel was accepted. {_counts(story)}"


def _counts(story: RunStory) -> str:
    counts = Counter(str(kernel.outcome) for kernel in story.kernels)
    told = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
    return f"{len(story.kernels)} kernel{'s' if len(story.kernels) != 1 else ''}: {told}."


def _found(story: RunStory, best: StoryKernel, score: Score) -> str:
    ratio = score.claimed.ratio
    where = " at shapes near the timed ones, which counts" if score.is_tuned_to_the_suite else ""
    speed = (
        f"{ratio:.3f} times as fast as {score.baseline}"
        if ratio >= 1
        else f"{ratio:.3f} of the speed of {score.baseline}"
    )
    return f"The fastest kernel is {best.name}: {speed}{where}. {_counts(story)}"


def _found_there(kind: MachineKind) -> str:
    """The best kernel of another kind of machine."""
    if kind.best is None:
        return f"On {kind.label} none was accepted."
    return (
        f"On {kind.label} the best is {kind.best}: {kind.found[kind.best].ratio:.3f} times as fast as BLAS."
    )


def _sure(accepted: list[StoryKernel], score: Score) -> str:
    claimed = score.claimed
    parts = [
        f"The 95 % interval is [{claimed.ratio_low:.3f}, {claimed.ratio_high:.3f}]; BLAS timed against itself gave "
        f"[{score.aa_low:.3f}, {score.aa_high:.3f}]."
    ]
    if claimed.ratio_low > max(1.0, score.aa_high):
        parts.append("So it is faster than BLAS here, beyond noise.")
    elif claimed.ratio_high < min(1.0, score.aa_low):
        parts.append("So it is slower than BLAS here, beyond noise.")
    else:
        parts.append("So it cannot be told from BLAS here.")
    level = _level_with_best(accepted, claimed.ratio_low)
    if level:
        parts.append(f"{_listed(level)} cannot be told from it: the intervals overlap.")
    return " ".join(parts)


def _level_with_best(accepted: list[StoryKernel], best_low: float) -> list[StoryKernel]:
    return [k for k in accepted[1:] if k.score is not None and k.score.claimed.ratio_high >= best_low]


def _listed(kernels: list[StoryKernel]) -> str:
    names = [kernel.name for kernel in kernels]
    if len(names) > 3:
        return f"{names[0]}, {names[1]} and {len(names) - 2} more"
    return " and ".join(names)


def _limit(score: Score) -> str:
    head = headline(score)
    blas = head.percent_of_peak * head.time_ns / head.baseline_time_ns
    least = min(score.per_shape, key=lambda timing: timing.percent_of_peak)
    text = (
        f"At {head.shape} it reaches {head.gflops:.1f} GFLOP/s, {head.percent_of_peak:.0f} % of this machine's "
        f"measured FMA peak; BLAS reaches {blas:.0f} %."
    )
    if least.shape != head.shape:
        text += f" It is furthest from the peak at {least.shape}: {least.percent_of_peak:.0f} %."
    return text


def _cost(story: RunStory) -> str:
    open_ended = "the run goes on" if story.running else "not finished"
    ended = f"ended: {story.ended}" if story.ended is not None else open_ended
    tokens = f", {story.tokens} tokens" if story.tokens else ""
    return f"{story.spent_s / 60:.1f} minutes{tokens}; {ended}."


def _steps(
    story: RunStory, accepted: list[StoryKernel], score: Score, kinds: list[MachineKind]
) -> list[NextStep]:
    best = accepted[0]
    home = NextStep("Take it home as a crate", export_command([best.name]))
    portfolio = portfolio_command(kinds)
    if portfolio is not None:
        home = NextStep("Take the best kernel of each kind of machine home as one crate", portfolio)
    steps = [NextStep("Judge the best kernel again", f"pytest candidates/{best.name}"), home]
    rivals = _level_with_best(accepted, score.claimed.ratio_low)
    if rivals:
        steps.append(
            NextStep(
                f"Decide between {best.name} and {rivals[0].name}; a duel resolves 0.5 %",
                f"pytest candidates/{best.name} --against {rivals[0].name}",
            )
        )
    worst = min(score.per_shape, key=lambda timing: timing.ratio)
    if worst.ratio_high < 1 and story.heads[-1].suite != str(worst.shape):
        steps.append(
            NextStep(
                f"It loses at {worst.shape} ({worst.ratio:.2f} of BLAS): evolve for that shape",
                " ".join(
                    ["pytest --generate 4", *_operation(story), f"--suite {shlex.quote(str(worst.shape))}"]
                ),
            )
        )
    return steps if story.running else [*steps, _continue(story)]


def _steps_without(story: RunStory) -> list[NextStep]:
    steps = [
        NextStep(f"See why {kernel.name} failed ({describe(kernel.verdict)[:80]})", kernel.replay)
        for kernel in story.others[:2]
        if kernel.verdict is not None
    ]
    steps.append(NextStep("Check this machine and its tools", "python -m harness.doctor"))
    return steps if story.running else [*steps, _continue(story)]


def _continue(story: RunStory) -> NextStep:
    head = story.heads[-1]
    models = sorted((agent, model) for agent, model in head.models.items() if model != "builtin")
    chosen = [
        f"--model {shlex.quote(model if agent == '*' else f'{agent}={model}')}" for agent, model in models
    ]
    if story.ended is None:
        why, words = "The run was interrupted; nothing is lost", [f"--generate {head.generations} --resume"]
    else:
        why, words = "Evolve further from what is remembered", [f"--generate {max(4, 2 * head.generations)}"]
        chosen += [f"--suite {shlex.quote(head.suite)}"] if head.suite not in ("", "default") else []
    return NextStep(why, " ".join(["pytest", *words, *_operation(story), *chosen]))


def _operation(story: RunStory) -> list[str]:
    """The option that a further evolution of the same operation needs."""
    operation = story.heads[-1].operation
    return [] if operation is OperationName.MATMUL else [f"--operation {operation}"]
