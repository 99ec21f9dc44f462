"""Saved timings and the checks on them: --save, --compare, --max-regress, and the claim in candidate.toml.

Decisions use intervals, never single numbers: a regression counts only when the whole interval of now / then is beyond
the allowed loss.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.candidate import LARGEST_RATIO, LEAST_RATIO, Claim
from harness.durable import write_whole
from harness.errors import UserError
from harness.records import FORMAT
from harness.verdict import Score, one_line

# Spread between two sessions on one machine (other tenants, another clock speed), as a log, added in
# quadrature. results/clock-evidence.md shows the measured spread under two loads, which is smaller.
SESSION_SPREAD = 0.02


class Comparable(StrEnum):
    """The outcome of a comparison."""

    AGREES = "agrees"
    FASTER = "faster"
    SLOWER = "slower"
    NOT_COMPARABLE = "cannot be compared"


class Reach(StrEnum):
    """The position of an interval relative to a required ratio."""

    REACHED = "reached"
    UNDECIDED = "undecided"
    BELOW = "below"


def reach(score: Score, wanted: float) -> Reach:
    """BELOW only when the whole interval is below; REACHED only when the whole interval is at or above."""
    claimed = score.claimed
    if claimed.ratio_high < wanted:
        return Reach.BELOW
    return Reach.REACHED if claimed.ratio_low >= wanted else Reach.UNDECIDED


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio to BLAS with its 95 % interval, and the conditions of its measurement."""

    ratio: float
    low: float
    high: float
    machine: str
    toolchain: str
    baseline: str
    suite: str
    threads: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`change` is now / then, `low` and `high` its interval; all None when the two cannot be compared."""

    kind: Comparable
    why: str
    change: float | None = None
    low: float | None = None
    high: float | None = None

    def regressed_by_more_than(self, percent: float) -> bool:
        """Whether the whole interval shows a loss of more than `percent`."""
        return self.high is not None and self.high < 1 - percent / 100


def compare(now: Ratio, then: Ratio) -> Comparison:
    """Compare two measurements of one kernel; the widths of the intervals add in quadrature in log space."""
    for what in ("machine", "toolchain", "baseline", "suite", "threads"):
        mine, theirs = getattr(now, what), getattr(then, what)
        if theirs and mine != theirs:
            return Comparison(Comparable.NOT_COMPARABLE, f"{what} was {one_line(str(theirs), 80)}, is {mine}")
    widths = [math.log(r.high / r.low) / 2 for r in (now, then)]
    half = math.sqrt(widths[0] ** 2 + widths[1] ** 2 + SESSION_SPREAD**2)
    change = math.log(now.ratio / then.ratio)
    low, high = math.exp(change - half), math.exp(change + half)
    kind = Comparable.FASTER if low > 1 else Comparable.SLOWER if high < 1 else Comparable.AGREES
    why = f"{then.ratio:.3f} then, {now.ratio:.3f} now: {(math.exp(change) - 1) * 100:+.1f} %"
    return Comparison(
        kind, f"{why} [{(low - 1) * 100:+.1f}, {(high - 1) * 100:+.1f}]", math.exp(change), low, high
    )


def of_score(score: Score, facts: dict[str, Any], threads: str) -> Ratio:
    """Today's measurement as a Ratio."""
    return Ratio(
        ratio=score.claimed.ratio,
        low=score.claimed.ratio_low,
        high=score.claimed.ratio_high,
        machine=facts["machine_fingerprint"],
        toolchain=facts["toolchain"],
        baseline=score.baseline,
        suite=facts["suite"],
        threads=threads,
    )


def of_claim(claim: Claim, threads: str) -> Ratio:
    """The claim in candidate.toml as a Ratio; an empty field matches anything."""
    return Ratio(
        claim.ratio,
        claim.ratio_low,
        claim.ratio_high,
        claim.machine,
        claim.toolchain,
        claim.baseline,
        claim.suite,
        threads,
    )


def _ratio(entry: dict[str, Any]) -> Ratio:
    """One entry of a saved session; raises TypeError or ValueError when a field is missing, unknown or not a ratio."""
    found = Ratio(**entry)
    if not LEAST_RATIO <= found.low <= found.ratio <= found.high <= LARGEST_RATIO:
        raise ValueError(f"{found.low}, {found.ratio}, {found.high} are no ratio and its interval")
    return found


class SavedSessions:
    """The folder of saved sessions, one JSON file per name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, name: str, ratios: dict[str, Ratio]) -> Path:
        """Write one session's timings under `name`; raises UserError when `name` is not a plain file name."""
        path = self._path(name)
        entries = {
            candidate: {key: getattr(r, key) for key in Ratio.__dataclass_fields__}
            for candidate, r in ratios.items()
        }
        write_whole(path, json.dumps({"format": FORMAT, "timings": entries}, indent=1), make_folder=True)
        return path

    def load(self, name: str) -> dict[str, Ratio]:
        """Timings by candidate; raises UserError when missing, corrupt or from another version."""
        path = self._latest() if name == "latest" else self._path(name)
        if not path.exists():
            known = ", ".join(sorted(p.stem for p in self.folder.glob("*.json"))) or "none yet"
            raise UserError(f"--compare {name}: no such save; saved: {known} (make one with --save NAME)")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            version = content["format"]
            if version != FORMAT:
                raise UserError(
                    f"{path}: saved by another version (format {version}, here {FORMAT}); save it anew"
                )
            return {candidate: _ratio(entry) for candidate, entry in content["timings"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{path}: not a saved session ({type(error).__name__}); delete it and --save anew"
            ) from None

    def _path(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or name == "latest":
            raise UserError(
                f"'{name}' cannot name a save; use letters, digits, '.', '_' and '-', but not 'latest'"
            )
        return self.folder / f"{name}.json"

    def _latest(self) -> Path:
        saved = sorted(self.folder.glob("*.json"), key=lambda p: p.stat().st_mtime)
        return saved[-1] if saved else self.folder / "latest.json"
