"""The Proposer's question to a language model: the parts of the prompt, and the schema of the answer."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from harness.durable import JsonObject
from harness.errors import UserError
from harness.minds.answers import NotJsonError, find_object
from harness.minds.protocol import LanguageMind, NoAnswerError
from harness.roundtable.agents import context, prompt, thinking
from harness.roundtable.agents.prompt import Part, quote
from harness.roundtable.agents.regions import REGIONS
from harness.roundtable.agents.table import Table
from harness.roundtable.conversation.messages import TEMPLATE, WHOLE_FILE, Proposed, ProposeRequest, SentBack
from harness.roundtable.runlog import transcript
from harness.verdict import Accepted

CODINGS = (TEMPLATE, *REGIONS, WHOLE_FILE)
# A proposal is a page of JSON; reasoning models need room before it.
ANSWER_TOKENS = 1536


def title(schedule: JsonObject) -> str:
    """A short name for a schedule, for example "packed_intrinsics avx2 6x16 kc256"."""
    family = str(schedule.get("family", "kernel"))
    bilinear = schedule.get("bilinear")
    if bilinear:
        return f"{bilinear['scheme']} x{bilinear.get('levels', 1)} over {bilinear.get('inner', 'packed')}"
    if family not in ("packed", "packed_intrinsics", "strided", "strided_intrinsics"):
        return family
    paths = schedule.get("paths")
    if paths:
        tiles = [f"{path['region']} {path['schedule']['mr']}x{path['schedule']['nr']}" for path in paths]
        text = f"{family} {schedule.get('isa', 'portable')} by shape: {', '.join(tiles)}"
        return textwrap.shorten(text, 80, placeholder=" …")
    return f"{family} {schedule.get('isa', 'portable')} {schedule['mr']}x{schedule['nr']} kc{schedule['kc']}"


def answer_schema(table: Table) -> JsonObject:
    """The Proposal's JSON schema, generated from its types, plus the choice of who codes."""
    schema = json.loads(json.dumps(table.schedules.proposal_schema()))
    schema["properties"] = {"coding": {"enum": list(CODINGS), "type": "string"}} | schema["properties"]
    schema["required"] = ["coding", *schema.get("required", [])]
    plain: JsonObject = schema
    return plain


async def ask(table: Table, mind: LanguageMind, message: ProposeRequest, where: str) -> Proposed | SentBack:
    """Ask the model once; an unusable answer becomes a SentBack that says what was wrong."""
    schema = answer_schema(table)
    system = prompt.load(
        "proposer",
        operation=table.settings.operation.value,
        template=TEMPLATE,
        whole_file=WHOLE_FILE,
        regions=", ".join(f'"{name}"' for name in REGIONS),
    )
    told = [_schema(schema), *parts(table, message)]
    try:
        asked = await thinking.ask(table, mind, where, system, told, ANSWER_TOKENS, schema)
    except NoAnswerError as error:
        return SentBack(by="model", reasons=[str(error)])
    try:
        found = find_object(asked.text)
        coding = found.pop("coding", TEMPLATE)
        if coding not in CODINGS:
            raise UserError(f"coding is '{coding}'; allowed: {', '.join(CODINGS)}")
        proposal = table.schedules.read_proposal(found)
    except (NotJsonError, UserError) as error:
        return SentBack(by="schema", reasons=[str(error)])
    known = {entry.name for entry in context.archive(table).elites} | {
        a.coded.candidate for a in context.attempts(table)
    }
    known |= {one.name for one in table.memory.latest(_LATEST)}
    parent = proposal.get("parent")
    return Proposed(
        proposal=proposal,
        # Drop a parent that the model made up.
        parents=[parent] if parent in known else [],
        model=mind.name,
        prompt_hash=transcript.prompt_hash(system, asked.prompt),
        coding=coding,
        passages=list(proposal.get("passages", [])),
    )


_LATEST = 4
_BEST = 4
_PASSAGES = 4


def parts(table: Table, message: ProposeRequest) -> list[Part]:
    """The prompt's parts in reading order; priorities determine what is shortened first when the context is small."""
    task = f"This is {message.turn} of {table.generations}. Propose one kernel."
    refused = "\n".join(f"- {reason}" for reason in message.sent_back[-6:])
    return [
        Part("machine", _machine(table), 2),
        Part("scheme", _scheme(table), 2),
        Part("passages", _passages(table), 6),
        Part("latest kernels", _latest(table), 7),
        Part("best kernels", _best(table, message.turn.slot), 3),
        Part("failures", _failures(table), 4),
        Part(
            "refusals",
            "Your earlier answers in this turn were refused:\n" + quote("refusals", refused)
            if refused
            else "",
            1,
        ),
        Part("task", task, 0),
    ]


def _schema(schema: JsonObject) -> Part:
    """The schema as a part: optional for a model that answers under a grammar, dropped last for one that does not."""
    full, brief = thinking.compact(schema), thinking.without_descriptions(thinking.compact(schema))
    text = "The schema of your answer:\n{}"
    return Part("schema", text.format(json.dumps(full)), 1, shorter=(text.format(json.dumps(brief)),))


def _machine(table: Table) -> str:
    machine = table.machine
    return (
        f"The machine: {machine.cpu}, {machine.arch}, vector unit {machine.vector} ({', '.join(machine.isa)}), L1 "
        f"{machine.l1d_bytes >> 10} KiB, L2 {machine.l2_bytes >> 10} KiB, L3 {machine.l3_bytes >> 10} KiB, "
        f"{table.threads} thread(s). Times are compared with its BLAS: ratio 1.00 is as fast, more is faster."
    )


def _scheme(table: Table) -> str:
    name = table.schedules.scheme
    if name is None:
        return ""
    return (
        f"The bilinear scheme {name} was found and proved on this machine. Propose kernels of family bilinear with "
        f'"scheme": "{name}": how many levels, from which cutoff, around which inner kernel?'
    )


def _best(table: Table, slot: int) -> str:
    archive = context.archive(table)
    lines = [
        f"{e.name} [{e.niche}]: ratio {e.ratio:.3f} (at least {e.ratio_low:.3f}) {json.dumps(e.schedule)}"
        for e in archive.elites[:_BEST]
    ]
    parent = archive.parent(slot)
    advice = f"\nTry to improve on {parent.name} ({parent.niche})." if parent else ""
    return (
        "The best kernel of each kind so far:\n" + quote("best kernels", "\n".join(lines)) + advice
        if lines
        else ""
    )


def _latest(table: Table) -> str:
    lines = [
        f"{one.name}: ratio {one.ratio:.3f} {json.dumps(one.schedule)}"
        for one in table.memory.latest(_LATEST, table.machine.machine_class)
        if context.is_comparable(table, one)
    ]
    return "The latest accepted kernels:\n" + quote("latest kernels", "\n".join(lines)) if lines else ""


def _failures(table: Table) -> str:
    failed = [attempt for attempt in context.attempts(table) if not isinstance(attempt.verdict, Accepted)]
    lines = [attempt.summary for attempt in reversed(failed[-8:])]
    return "Rejected in this session, latest first:\n" + quote("failures", "\n".join(lines)) if lines else ""


def _passages(table: Table) -> str:
    if table.library is None:
        return ""
    machine: Any = table.machine
    query = f"fast f32 matrix multiplication kernel {machine.vector} register tile cache blocking packing"
    best = context.archive(table).elites[:1]
    query += f" {best[0].algorithm}" if best else ""
    lines = [f"[{p.paper_id}] {p.title}: {p.text}" for p in table.library.search(query, _PASSAGES)]
    return "Passages from papers:\n" + quote("passages", "\n".join(lines)) if lines else ""
