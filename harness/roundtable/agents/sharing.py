"""Several minds at one table: who is asked for a proposal, and what each mind brought; a fold of the run's events."""

from __future__ import annotations

from collections.abc import Sequence

from harness.minds.bandit import MindEarnings, Outing, choose, earnings
from harness.minds.protocol import Mind
from harness.roundtable.agents.table import Table
from harness.roundtable.conversation.messages import (
    GroupChatMessage,
    Judged,
    ProposalSlot,
    Proposed,
    ProposeRequest,
)
from harness.roundtable.runlog import codec
from harness.verdict import Accepted


def asked_mind(table: Table, message: ProposeRequest) -> tuple[str, Mind]:
    """The mind that is asked for this proposal, and its name where several share the table (else an empty name).

    It follows from the outcomes of earlier generations, the run's seed and the slot's place in its generation, so that
    every attempt of a slot asks the same mind, also after a restart and where a generation is judged side by side.
    """
    several = table.minds.proposers
    if not several:
        return "", table.minds.of("proposer")
    turn, names = message.turn, list(several)
    past = outings([one for one in table.events if one.turn.generation < turn.generation])
    for slot in range(turn.slot + 1):
        name = choose(earnings(past, names), f"{table.seed}/{turn.generation}/{slot}")
        past.append(Outing(name, None, pending=True))
    return past[-1].name, several[past[-1].name]


def outings(events: Sequence[GroupChatMessage]) -> list[Outing]:
    """The proposals of minds that share the table, in the order of their slots.

    A proposal of the stand-in counts as one of the asked mind that was not accepted.
    """
    asked: dict[ProposalSlot, Proposed] = {}
    ratios: dict[ProposalSlot, float] = {}
    for message in events:
        match message.content:
            case Proposed(asked=name) as proposed if name:
                asked[message.turn] = proposed
            case Judged(verdict=plain):
                verdict = codec.from_plain(plain)
                if isinstance(verdict, Accepted):
                    ratios[message.turn] = verdict.score.claimed.ratio
    return [
        Outing(proposed.asked, None if proposed.stand_in else ratios.get(turn))
        for turn, proposed in sorted(asked.items(), key=lambda pair: (pair[0].generation, pair[0].slot))
    ]


def shared_out(events: Sequence[GroupChatMessage]) -> list[MindEarnings]:
    """What each mind brought in a run that several of them shared; empty in other runs."""
    found = outings(events)
    return earnings(found, list(dict.fromkeys(outing.name for outing in found)))


def earnings_lines(earned: Sequence[MindEarnings]) -> list[str]:
    """A table of what each mind brought, as lines; none without minds that share."""
    if not earned:
        return []
    from tabulate import tabulate

    rows = [
        [
            one.name,
            one.proposals,
            one.accepted,
            f"{one.best:.3f}" if one.best is not None else "-",
            f"{100 * one.reward / max(1, one.proposals):.0f} %",
            f"{100 * one.gained:.1f} %",
        ]
        for one in earned
    ]
    head = ["mind", "proposals", "accepted", "best", "earlier kernels beaten", "raised the best by"]
    return tabulate(rows, headers=head, disable_numparse=True).splitlines()
