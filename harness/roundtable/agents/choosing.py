"""The Proposer's question to a small model: one choice for each knob of a lane, by letters or as a line of values.

Family, vector unit and coding are the tuner's choice: the lane of this proposal, rendered from its template.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.machine import Machine
from harness.minds.knob_question import KnobQuestion, NotAChoiceError
from harness.minds.known_trials import KnownTrials, plain, ratio_of
from harness.minds.protocol import LanguageMind, NoAnswerError
from harness.roundtable.agents import context, prompt, thinking
from harness.roundtable.agents.prompt import Part
from harness.roundtable.agents.proposing import title
from harness.roundtable.agents.table import Table
from harness.roundtable.conversation.messages import Proposed, ProposeRequest, SentBack
from harness.roundtable.runlog import transcript
from harness.schedule.model import Schedule
from harness.settings import AnswerProtocol
from harness.shapes import Shape

# Earlier kernels and shapes in the prompt, at most.
SHOWN, _SHAPES = 4, 8
# The ratio that the answer begins with, relative to the best one so far; and that ratio without any kernel.
_WANTED, _FIRST_WANTED = 1.02, 1.0
# A line has about three tokens per knob, or one per character where the tokens are bytes.
_ANSWER_TOKENS = 160
# The temperature of the first attempt, and how much hotter each further one is, up to a limit.
_TEMPERATURE, _HOTTER, _HOTTEST = 1.0, 0.5, 2.0


def wanted_after(ratios: Sequence[float]) -> float:
    """The ratio to ask for after kernels with these ratios."""
    return max(ratios) * _WANTED if ratios else _FIRST_WANTED


def lead_of(wanted: float) -> str:
    """The beginning of an answer: the ratio to BLAS that the kernel is to reach."""
    return f"{wanted:.3f} |"


async def ask(table: Table, mind: LanguageMind, message: ProposeRequest, where: str) -> Proposed | SentBack:
    """Ask the model once; an answer that is no schedule of the lane becomes a SentBack that says why."""
    known = KnownTrials(context.tried(table))
    lane = known.lanes_in_turn(table.schedules.lanes(), message.turn.generation, message.turn.slot)[0]
    ranked = known.ranked(lane)
    best = next((trial for trial, _ in ranked if trial.judged), None)
    wanted = wanted_after([ratio_of(pair) for pair in ranked])
    knobs = KnobQuestion.of(lane, frozenset(known.keys_in(lane)), table.seed, lead_of(wanted))
    lettered = mind.protocol is AnswerProtocol.LETTERS and knobs.fits_letters
    system = system_text(lettered)
    shown = [(ratio_of(pair), pair[1]) for pair in ranked]
    parts = question_parts(
        table.machine, table.threads, lane.shapes or table.schedules.shapes, knobs, shown, lettered
    )
    heat = min(_HOTTEST, _TEMPERATURE + _HOTTER * message.attempt)
    try:
        asked = await thinking.ask(
            table, mind, where, system, parts, _ANSWER_TOKENS, knobs=thinking.Knobs(knobs, lettered, heat)
        )
        schedule = knobs.read(asked.text, lettered)
    except (NoAnswerError, NotAChoiceError) as error:
        return SentBack(by="model", reasons=[str(error)])
    proposal = {
        "algorithm": title(plain(schedule)),
        "schedule": plain(schedule),
        "why": f"chosen by {mind.name}, {'letter by letter' if lettered else 'as a line of values'}",
    }
    if best is not None:
        proposal["parent"] = best.name
    return Proposed(
        proposal=table.schedules.read_proposal(proposal),
        parents=[best.name] if best is not None else [],
        model=mind.name,
        prompt_hash=transcript.prompt_hash(system, asked.prompt),
    )


def question_parts(
    machine: Machine,
    threads: int,
    shapes: Sequence[Shape],
    knobs: KnobQuestion,
    shown: Sequence[tuple[float, Schedule]],
    lettered: bool,
) -> list[Part]:
    """Machine and knobs first, because they stay the same and are computed once; the best kernel last.

    `shown` are earlier kernels with their ratios, the fastest first; at most four of them are shown. `shapes` are the
    timed shapes. A model that learns from verdicts is trained on questions of the same form.
    """
    write = knobs.letters if lettered else knobs.line
    rows = [f"{ratio:.3f} | {write(knobs.picks_of(schedule))}" for ratio, schedule in shown[:SHOWN]][::-1]
    if not rows:
        rows = [f"a first guess | {write(knobs.picks_of(knobs.lane.base))}"]
    heading = "Speed, and the choices in the order of the knobs:\n"
    shorter = tuple(heading + "\n".join(rows[start:]) for start in range(1, len(rows)))
    timed = ", ".join(str(shape) for shape in shapes[:_SHAPES])
    return [
        Part(
            "machine",
            f"Machine: {machine.cpu}, {knobs.lane.base.isa}, L1 {machine.l1d_bytes >> 10} KiB, "
            f"L2 {machine.l2_bytes >> 10} KiB, L3 {machine.l3_bytes >> 10} KiB, {threads} thread(s). "
            f"Products: {timed}.",
            2,
        ),
        Part("knobs", "Knobs:\n" + knobs.table(lettered), 0),
        Part("best kernels", heading + "\n".join(rows), 1, shorter=shorter),
    ]


def system_text(lettered: bool) -> str:
    """The system prompt of a question about knobs."""
    return prompt.load("proposer_knobs", answer="one letter" if lettered else "one value")
