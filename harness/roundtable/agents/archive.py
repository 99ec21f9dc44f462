"""An archive of diverse kernels: the best of every niche (algorithm × ISA × thread class × tier); parents come
from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.durable import JsonObject


class Niche(NamedTuple):
    """Kernels compete only with kernels of the same niche."""

    algorithm: str
    isa: str
    threads: str
    tier: str

    def __str__(self) -> str:
        return " × ".join(self)


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted kernel, ranked by `ratio_low`, because among many noisy ratios the highest is the luckiest."""

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
        """Free code has no schedule; its niche is its algorithm's name and "free"."""
        threads = "1 thread" if self.threads == 1 else "all threads"
        if self.schedule is None:
            return Niche(f"free: {self.algorithm}"[:60], "any", threads, self.tier)
        family = str(self.schedule.get("family", "?"))
        scheme = (self.schedule.get("bilinear") or {}).get("scheme")
        by_shape = " by shape" if self.schedule.get("paths") else ""
        return Niche(
            f"{family} {scheme}" if scheme else f"{family}{by_shape}",
            str(self.schedule.get("isa", "portable")),
            threads,
            self.tier,
        )


class Archive:
    """The best kernel of each niche, the fastest first."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        best: dict[Niche, Entry] = {}
        for entry in entries:
            if entry.niche not in best or entry.ratio_low > best[entry.niche].ratio_low:
                best[entry.niche] = entry
        self.elites: Sequence[Entry] = sorted(best.values(), key=lambda entry: (-entry.ratio_low, entry.name))

    def parent(self, slot: int) -> Entry | None:
        """The parent of a proposal: the best kernel for the first of a generation, the next niche's best for each
        further one.
        """
        return self.elites[slot % len(self.elites)] if self.elites else None
