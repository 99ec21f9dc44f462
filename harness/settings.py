"""One frozen Settings, built once from the command line and the ini file, passed down."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal


class Profile(StrEnum):
    """How much evidence the judge gathers: quick for a first look, thorough for a release."""

    QUICK = "quick"
    DEFAULT = "default"
    THOROUGH = "thorough"


@dataclass(frozen=True, slots=True)
class Budget:
    """What an evolution may spend; None is unlimited."""

    max_tokens: int | None = None
    max_minutes: float | None = None
    repairs: int = 2
    rejected_proposals: int = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a run can be told. Times in seconds, sizes in bytes."""

    root: Path
    cache: Path
    results: Path
    memory: str
    generate: int = 0
    population: int = 1
    # A set seed makes a run repeatable; None draws a fresh secret one.
    seed: int | None = None
    threads: Literal["1", "all"] | None = None
    suite: str = "default"
    profile: Profile = Profile.DEFAULT
    models: dict[str, str] = field(default_factory=lambda: {"*": "builtin"})
    budget: Budget = Budget()
    baseline: Path | None = None
    yardsticks: bool = False
    min_ratio: float | None = None
    save: str | None = None
    compare: str | None = None
    max_regress: float | None = None
    unsandboxed: bool = False
    verdicts: Path | None = None
    resume: bool = False
    replay: Path | None = None
    # Of language models: tokens of prompt and answer together, and layers put on the GPU (-1: all that fit the build).
    context_tokens: int = 8192
    gpu_layers: int = -1
    embedder: str = "hashed"
    clock_budget_s: float = 6.0
    # One counterexample to replay, as printed in a verdict; None judges in full.
    case: str | None = None

    @property
    def candidates(self) -> Path:
        """The folder in which exhibits and evolved candidates live."""
        return self.root / "candidates"


def default_cache() -> Path:
    """Where built hosts, kernels and corpus downloads are cached: ROUNDTABLE_CACHE, else the user's cache folder."""
    chosen = os.environ.get("ROUNDTABLE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "roundtable"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "roundtable"
