"""The duel at the end of an evolution: only kernels whose intervals overlap need one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from harness.candidate import Candidate, Manifest
from harness.clock.duel import Duel
from harness.errors import HarnessFaultError
from harness.front_door.live import _final
from harness.pipeline import Inspection
from harness.verdict import Accepted, Score


@dataclass
class Judged:
    """An accepted kernel as the end of a run sees it; its duels have the given interval."""

    name: str
    low: float
    high: float
    interval: tuple[float, float] | None = None
    threads: Any = 1
    duels: list[str] = field(default_factory=list)

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.name, Path(), "", Manifest())

    @property
    def verdict(self) -> Accepted:
        middle = (self.low + self.high) / 2
        return Accepted(Score(middle, self.low, self.high, (), 1, "BLAS", 0.99, 1.01), "safe")

    def as_rival(self) -> str:
        return self.name

    def duel(self, rival: str) -> Duel:
        if self.interval is None:
            raise HarnessFaultError("the rival failed")
        self.duels.append(rival)
        low, high = self.interval
        return Duel(rival, (low + high) / 2, low, high, 20.0, ())


def final(*judged: Judged, said: list[str] | None = None) -> list[str]:
    return _final(cast("list[Inspection]", list(judged)), ([] if said is None else said).append)


@pytest.mark.parametrize(
    ("interval", "line"),
    [
        ((1.004, 1.010), "final: b is faster than a; b against a: 1.007x [1.004, 1.010] (20 s)"),
        ((0.980, 0.990), "final: a is faster than b; b against a: 0.985x [0.980, 0.990] (20 s)"),
        ((0.996, 1.004), "final: b and a are level: 1.000x [0.996, 1.004] (20 s)"),
    ],
)
def test_the_two_best_kernels_meet(interval: tuple[float, float], line: str) -> None:
    a, b, c = Judged("a", 1.00, 1.04), Judged("b", 1.02, 1.06, interval), Judged("c", 0.9, 1.1)
    said: list[str] = []
    assert final(a, b, c, said=said) == [line]
    assert said == ["final: timing b against a, whose intervals overlap"]
    assert b.duels == ["a"]


def test_there_is_no_duel_where_the_intervals_decide_or_nothing_can_be_compared() -> None:
    best = Judged("best", 1.05, 1.07, (1.0, 1.1))
    said: list[str] = []
    assert final() == final(best) == final(best, Judged("other", 1.00, 1.04), said=said) == []
    assert not said
    assert final(best, Judged("threaded", 1.00, 1.06, threads="all")) == []
    assert final(Judged("fails", 1.05, 1.07), Judged("other", 1.0, 1.06)) == []
    assert not best.duels
