"""The Proposer's question to a small model: one choice for each knob of a lane, by letters or as a line of values.

Family, vector unit and coding are the tuner's choice: the lane of this proposal, rendered from its template.
"""

from __future__ import annotations

from harness.minds.knob_question import KnobQuestion, NotAChoiceError
from harness.minds.known_trials import KnownTrials, lane_order, plain, ratio_of
from harness.minds.protocol import LanguageMind, NoAnswerError
from harness.roundtable.agents import context, prompt, thinking
from harness.roundtable.agents.prompt import Part
from harness.roundtable.agents.proposing import title
from harness.roundtable.agents.table import Table
from harness.roundtable.conversation.messages import Proposed, ProposeRequest, SentBack
from harness.roundtable.runlog import transcript
from harness.settings import AnswerProtocol

# Earlier kernels in the prompt.
_SHOWN = 4
# The ratio that the answer begins with, relative to the best one so far; and that ratio without any kernel.
_WANTED, _FIRST_WANTED = 1.02, 1.0
# A line has about three tokens per knob, or one per character where the tokens are bytes.
_ANSWER_TOKENS = 160
# The temperature of the first attempt, and how much hotter each further one is, up to a limit.
_TEMPERATURE, _HOTTER, _HOTTEST = 1.0, 0.5, 2.0


async def ask(table: Table, mind: LanguageMind, message: ProposeRequest, where: str) -> Proposed | SentBack:
    """Ask the model once; an answer that is no schedule of the lane becomes a SentBack that says why."""
    known = KnownTrials(context.tried(table))
    lane = lane_order(table.schedules.lanes(), message.turn.generation, message.turn.slot)[0]
    ranked = known.ranked(lane)
    best = next((trial for trial, _ in ranked if trial.judged), None)
    wanted = ratio_of(ranked[0]) * _WANTED if ranked else _FIRST_WANTED
    knobs = KnobQuestion.of(lane, frozenset(known.keys), table.seed, f"{wanted:.3f} |")
    lettered = mind.protocol is AnswerProtocol.LETTERS and knobs.fits_letters
    system = prompt.load("proposer_knobs", answer="one letter" if lettered else "one value")
    parts = _parts(table, knobs, known, lettered)
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


def _parts(table: Table, knobs: KnobQuestion, known: KnownTrials, lettered: bool) -> list[Part]:
    """Machine and knobs first, because they stay the same and are computed once; the best kernel last."""
    machine = table.machine
    write = knobs.letters if lettered else knobs.line
    rows = [
        f"{ratio_of(pair):.3f} | {write(knobs.picks_of(pair[1]))}"
        for pair in known.ranked(knobs.lane)[:_SHOWN]
    ][::-1]
    if not rows:
        rows = [f"a first guess | {write(knobs.picks_of(knobs.lane.base))}"]
    heading = "Speed, and the choices in the order of the knobs:\n"
    shorter = tuple(heading + "\n".join(rows[start:]) for start in range(1, len(rows)))
    return [
        Part(
            "machine",
            f"Machine: {machine.cpu}, {knobs.lane.base.isa}, L1 {machine.l1d_bytes >> 10} KiB, "
            f"L2 {machine.l2_bytes >> 10} KiB, L3 {machine.l3_bytes >> 10} KiB, {table.threads} thread(s).",
            2,
        ),
        Part("knobs", "Knobs:\n" + knobs.table(lettered), 0),
        Part("best kernels", heading + "\n".join(rows), 1, shorter=shorter),
    ]
