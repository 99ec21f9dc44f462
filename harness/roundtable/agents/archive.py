"""A diverse archive: the best kernel of every niche (algorithm × ISA × thread class × tier); parents come from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.durable import JsonObject


class Niche(NamedTuple):
    """Kernels of one niche compete with each other only."""

    algorithm: str
    isa: str
    threads: str
    tier: str

    def __str__(self) -> str:
        return " × ".join(self)


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted kernel: `ratio_low` ranks, because the highest ratio of many noisy ones is the luckiest."""

    name: str
    source: str
    schedule: JsonObject | None
    algorithm: str
    ratio: float
    ratio_low: float
    threads: int
    tier: str

    @property
    def niche(self) -> Niche:
        """Free code has no schedule: its algorithm's name and "free" stand for it."""
        threads = "1 thread" if self.threads == 1 else "all threads"
        if self.schedule is None:
            return Niche(f"free: {self.algorithm}"[:60], "any", threads, self.tier)
        family = str(self.schedule.get("family", "?"))
        scheme = (self.schedule.get("bilinear") or {}).get("scheme")
        return Niche(
            f"{family} {scheme}" if scheme else family,
            str(self.schedule.get("isa", "portable")),
            threads,
            self.tier,
        )


class Archive:
    """Elites by niche, the fastest first."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        best: dict[Niche, Entry] = {}
        for entry in entries:
            if entry.niche not in best or entry.ratio_low > best[entry.niche].ratio_low:
                best[entry.niche] = entry
        self.elites: Sequence[Entry] = sorted(best.values(), key=lambda entry: (-entry.ratio_low, entry.name))

    def parent(self, slot: int) -> Entry | None:
        """The first proposal of a generation starts from the best kernel, each further one from the next niche's."""
        return self.elites[slot % len(self.elites)] if self.elites else None
