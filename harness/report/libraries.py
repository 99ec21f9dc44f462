"""Ratios of other libraries to BLAS on the machine of a run, as `make bench` has measured them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "bench.json"


@dataclass(frozen=True, slots=True)
class LibraryRatio:
    """The ratio to BLAS of a library at a shape, with its 95 % interval; `percent_of_peak` is that of the library."""

    name: str
    shape: str
    ratio: float
    low: float
    high: float
    percent_of_peak: float


def measured(path: Path, fingerprint: str, baseline: str) -> tuple[LibraryRatio, ...]:
    """The libraries of a file that `harness.studies.bench` has written; empty when it is of another machine or another
    baseline, or cannot be read: ratios of different conditions are not comparable.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        here = record["machine"]["fingerprint"] == fingerprint and record["baseline"] == baseline
        return _ratios(record["cells"]) if here else ()
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def _ratios(cells: Sequence[dict[str, Any]]) -> tuple[LibraryRatio, ...]:
    """One ratio per library and shape, the last one measured."""
    found = {
        (cell["name"], cell["shape"]): LibraryRatio(
            str(cell["name"]),
            str(cell["shape"]),
            float(cell["ratio"]),
            float(cell["low"]),
            float(cell["high"]),
            float(cell["percent_of_peak"]),
        )
        for cell in cells
        if not cell["evolved"]
    }
    return tuple(found.values())
