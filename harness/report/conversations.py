"""What the page shows of the minds: the exchanges behind each kernel, and what each mind took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.report.markup import Markup, join, tag
from harness.report.pieces import code_box, fold, place_of, scroll_box, table
from harness.report.run_story import RunStory, StoryKernel
from harness.roundtable.runlog.transcript import RecordedAnswer

# Bytes of all exchanges on one page, beside those of the sources.
CONVERSATION_BUDGET_BYTES = 300_000


def conversations(story: RunStory) -> dict[int, Markup]:
    """The exchanges behind each kernel as a closed <details>, by the kernel's number.

    The fastest kernels come first, as long as the page stays small; then prompts are left out, then answers, too.
    """
    left = CONVERSATION_BUDGET_BYTES
    found = {}
    for kernel in story.ranked:
        if not kernel.answers:
            continue
        for shown in (_told(kernel, prompts=True), _told(kernel, prompts=False)):
            if len(shown.encode()) <= left:
                left -= len(shown.encode())
                break
        else:
            shown = tag("p", f"{_size(kernel.answers)}: left out to keep this page small; ", _where())
        found[kernel.number] = fold(
            f"{place_of(kernel)}-conversation", "Conversation with the models", [shown], _size(kernel.answers)
        )
    return found


def _told(kernel: StoryKernel, *, prompts: bool) -> Markup:
    parts: list[Markup] = []
    for place, one in enumerate(kernel.answers):
        about = f"{one.role}, attempt {one.attempt + 1}: {one.model}, {_size([one])}"
        parts.append(tag("p", about))
        if prompts:
            name = f"{place_of(kernel)}-prompt-{place}"
            parts.append(fold(name, "Prompt", [code_box(one.prompt)], f"{one.prompt_tokens} tokens"))
        parts.append(code_box(one.answer))
    return join(
        parts if prompts else [tag("p", "Prompts are left out to keep this page small; ", _where()), *parts]
    )


def minds(story: RunStory) -> Markup:
    """What each mind was asked and took; its instructions; answers from which no kernel came."""
    asked: dict[tuple[str, str], list[RecordedAnswer]] = defaultdict(list)
    for one in story.answers:
        asked[one.role, one.model].append(one)
    rows = [
        [
            role,
            model,
            str(len(found)),
            str(sum(one.prompt_tokens for one in found)),
            str(sum(one.answer_tokens for one in found)),
            f"{sum(one.duration_s for one in found):.1f}",
        ]
        for (role, model), found in asked.items()
    ]
    columns = ("agent", "model", "answers", "tokens of prompts", "tokens of answers", "seconds")
    return tag(
        "section",
        tag("h2", "What each mind was asked and took"),
        tag(
            "p",
            "Tokens and seconds as the models report them. For all prompts and answers, ",
            _where(),
            ".",
        ),
        scroll_box("what each mind took", table(columns, rows)),
        *_instructions(story.answers),
        *_without_kernel(story),
        id="minds",
    )


def _instructions(answers: Iterable[RecordedAnswer]) -> list[Markup]:
    """The instructions of each agent once; they are the same in every question of a run."""
    seen = dict.fromkeys((one.role, one.system) for one in answers)
    return [
        fold(f"instructions-{place}", f"Instructions of the {role}", [code_box(system)])
        for place, (role, system) in enumerate(seen)
        if place < 8
    ]


def _without_kernel(story: RunStory) -> list[Markup]:
    """Answers that were sent back, in slots without any kernel."""
    used = {id(one) for kernel in story.kernels for one in kernel.answers}
    loose = [one for one in story.answers if id(one) not in used]
    if not loose:
        return []
    parts: list[Markup] = []
    for one in loose:
        where = f"{one.role}, generation {one.generation}, proposal {one.slot + 1}, attempt {one.attempt + 1}"
        parts += [tag("p", f"{where}: {one.model}, {_size([one])}"), code_box(one.answer)]
        if sum(map(len, parts)) > CONVERSATION_BUDGET_BYTES // 3:
            parts.append(tag("p", "The rest is left out to keep this page small; ", _where()))
            break
    return [fold("loose-answers", f"Answers without a kernel: {len(loose)}", parts)]


def _size(answers: Sequence[RecordedAnswer]) -> str:
    tokens = sum(one.prompt_tokens + one.answer_tokens for one in answers)
    count = f"{len(answers)} answer{'s' if len(answers) != 1 else ''}"
    return f"{count}, {tokens} tokens, {sum(one.duration_s for one in answers):.1f} s"


def _where() -> Markup:
    return join(["see ", tag("code", "transcript.jsonl"), " in the folder of the run"])
