"""A bandit that shares proposals among minds by what they earned: Thompson sampling over rank rewards.

A kernel earns the share of the run's earlier accepted kernels that it beats, one half for the first one, and
nothing when it was not accepted: comparisons stay meaningful when improvements become rare (Fialho, Schoenauer and
Sebag 2010, area under the curve as reward). Each mind has a Beta distribution over its mean reward; the mind with
the highest draw is asked next (Agrawal and Goyal 2012, for rewards in [0, 1]).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

# The reward of a first kernel, and of one whose outcome is not known.
_UNKNOWN = 0.5


@dataclass(frozen=True, slots=True)
class MindEarnings:
    """What one mind's proposals brought. `reward` is the sum of its rewards, `gained` by how much its kernels
    raised the best ratio so far, as the sum of log-ratios; `best` is its best ratio.
    """

    name: str
    proposals: int = 0
    accepted: int = 0
    reward: float = 0.0
    gained: float = 0.0
    best: float | None = None


@dataclass(frozen=True, slots=True)
class Outing:
    """One proposal: which mind was asked, and the ratio of its kernel, None when it was not accepted.

    A `pending` one has no outcome yet; it counts with a reward of one half.
    """

    name: str
    ratio: float | None
    pending: bool = False


def earnings(outings: Sequence[Outing], names: Sequence[str]) -> list[MindEarnings]:
    """What each of the named minds earned, in their order, from the outings in their order."""
    found = {name: MindEarnings(name) for name in names}
    accepted: list[float] = []
    for outing in outings:
        before = found.get(outing.name)
        if before is not None:
            found[outing.name] = (
                _waiting(before) if outing.pending else _after(before, outing.ratio, accepted)
            )
        if outing.ratio is not None:
            accepted.append(outing.ratio)
    return [found[name] for name in names]


def _waiting(before: MindEarnings) -> MindEarnings:
    return replace(before, proposals=before.proposals + 1, reward=before.reward + _UNKNOWN)


def _after(before: MindEarnings, ratio: float | None, accepted: Sequence[float]) -> MindEarnings:
    if ratio is None:
        return replace(before, proposals=before.proposals + 1)
    best = max(accepted, default=None)
    gain = math.log(ratio / best) if best is not None and ratio > best else 0.0
    return MindEarnings(
        before.name,
        before.proposals + 1,
        before.accepted + 1,
        before.reward + reward(ratio, accepted),
        before.gained + gain,
        ratio if before.best is None else max(before.best, ratio),
    )


def reward(ratio: float, accepted: Sequence[float]) -> float:
    """The share of earlier ratios that this one beats; ties count half, and so does a first one."""
    if not accepted:
        return _UNKNOWN
    beaten = sum(1.0 if ratio > other else 0.5 if ratio == other else 0.0 for other in accepted)
    return beaten / len(accepted)


def choose(earned: Sequence[MindEarnings], seed: str) -> str:
    """The name of the mind to ask next: each one once, in order, then by Thompson sampling. The seed decides the
    draw.
    """
    for one in earned:
        if one.proposals == 0:
            return one.name
    rng = random.Random(seed)
    drawn = [
        (rng.betavariate(1 + one.reward, 1 + one.proposals - one.reward), number)
        for number, one in enumerate(earned)
    ]
    return earned[max(drawn)[1]].name
