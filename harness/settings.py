"""The settings of a session: one frozen object, built once from the command line and the ini file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from harness.operation.operations import OperationName


class Profile(StrEnum):
    """Test effort of the judge: quick for a first look, thorough for a release."""

    QUICK = "quick"
    DEFAULT = "default"
    THOROUGH = "thorough"


class AnswerProtocol(StrEnum):
    """How a language model is asked for proposals: auto chooses one of the others by the model's size.

    letters: one letter per knob, drawn from the model's probabilities. line: one line of values under a grammar. full:
    a whole proposal in JSON, with reasons and free code.
    """

    AUTO = "auto"
    LETTERS = "letters"
    LINE = "line"
    FULL = "full"


class Untimed(StrEnum):
    """What happens to a correct kernel whose timing is not reliable.

    auto fails where a gate needs the timing and passes with a warning elsewhere; fail always fails; skip always skips.
    """

    AUTO = "auto"
    FAIL = "fail"
    SKIP = "skip"


class Uncompared(StrEnum):
    """What happens when --max-regress asked for comparisons and none could be made."""

    FAIL = "fail"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of an evolution; None is unlimited."""

    max_tokens: int | None = None
    max_minutes: float | None = None
    repairs: int = 2
    rejected_proposals: int = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of a session. Times are in seconds, sizes in bytes."""

    root: Path
    cache: Path
    results: Path
    memory: str
    # Said once when the cache is not the one that was chosen.
    cache_notice: str = ""
    generate: int = 0
    population: int = 1
    # Who judges an evolution's candidates: None this process, else "local:N" or "ray://HOST:PORT".
    workers: str | None = None
    # The file with the cluster's token; None is the usual place.
    fleet_token: Path | None = None
    # On which kinds of machine each kernel is timed: all that fit, or the home's only.
    machines: Literal["all", "home"] = "all"
    # Schedules that the tuner times briefly for each proposal; 1 proposes without timing.
    shortlist: int = 6
    # Which kernels an evolution proposes: any, or only those under forbid(unsafe_code).
    tier: Literal["any", "safe"] = "any"
    # What evolved kernels compute.
    operation: OperationName = OperationName.MATMUL
    # The format of which a scheme is searched before the evolution.
    discover: str | None = None
    # A given seed makes a run repeatable; None draws a fresh secret one.
    seed: int | None = None
    threads: Literal["1", "all"] | None = None
    suite: str = "default"
    profile: Profile = Profile.DEFAULT
    models: dict[str, str] = field(default_factory=lambda: {"*": "builtin"})
    budget: Budget = Budget()
    baseline: Path | None = None
    # OpenBLAS's kernels: "strongest", "auto" (its own choice), or the name of a core type.
    core_type: str = "strongest"
    yardsticks: bool = False
    # A candidate, crate or library to time every accepted kernel against.
    against: str | None = None
    min_ratio: float | None = None
    save: str | None = None
    compare: str | None = None
    max_regress: float | None = None
    untimed: Untimed = Untimed.AUTO
    uncompared: Uncompared = Uncompared.FAIL
    unsandboxed: bool = False
    verdicts: Path | None = None
    # Whether the run's page is served while it goes on, and the port; None takes a free one.
    live: bool = False
    live_port: int | None = None
    resume: bool = False
    replay: Path | None = None
    # For language models: tokens of prompt and answer together, and layers on the GPU (-1: all that fit).
    context_tokens: int = 8192
    gpu_layers: int = -1
    protocol: AnswerProtocol = AnswerProtocol.AUTO
    embedder: str = "hashed"
    clock_budget_s: float = 6.0
    # A counterexample to replay, as printed in a verdict; None judges in full.
    case: str | None = None

    @property
    def candidates(self) -> Path:
        """The folder of exhibits and evolved candidates."""
        return self.root / "candidates"
