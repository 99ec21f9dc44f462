"""What one gate reports about one candidate: typed inside a process, plain JSON types between processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.durable import JsonObject
from harness.records import Outcome, Record
from harness.saved_timings import Ratio
from harness.verdict import ShapeTiming

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# The fields of a record that JUnit shows as properties of the gate's test case.
_JUNIT_FIELDS = (
    "outcome",
    "verdict",
    "ratio_to_blas",
    "ratio_low",
    "ratio_high",
    "elsewhere",
    "gflops",
    "time_ms",
    "threads",
    "tier",
    "numerics",
)


@dataclass(frozen=True, slots=True)
class ManifestFacts:
    """The parts of candidate.toml that tables and pages show; `proposal` may hold anything TOML can."""

    parent: str = ""
    expect: str = "accepted"
    title: str = ""
    proposal: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TimingReport:
    """The timings of an accepted candidate.

    `control_low` and `control_high` are the 95 % interval of the A/A control (BLAS against itself). `remarks` are
    lines for the terminal: the claim beside today's ratio, an undecided --min-ratio. `answers` are the lines that
    --compare and --against ask for, printed under -q, too.
    `uncompared` says why --compare could not compare it; empty when it did, or was not asked.
    """

    per_shape: tuple[ShapeTiming, ...]
    baseline: str
    control_low: float
    control_high: float
    ratio: Ratio
    remarks: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    uncompared: str = ""


@dataclass(frozen=True, slots=True)
class VerdictReport:
    """The verdict on a candidate as tables, pages and --verdicts show it; `timing` only when it was accepted."""

    record: Record
    manifest: ManifestFacts = field(default_factory=ManifestFacts)
    timing: TimingReport | None = None
    # The short name of the machine, where it is not the run's own.
    machine: str = ""

    @property
    def accepted(self) -> bool:
        """Whether every gate passed."""
        return self.record.outcome is Outcome.ACCEPTED

    @property
    def untimed(self) -> bool:
        """Whether every gate before the clock passed, but the timing was not reliable."""
        return self.record.outcome is Outcome.UNTIMED

    @property
    def percent_of_peak(self) -> float:
        """Share of the machine's FMA peak at the record's shape, in percent; 0 without a timing."""
        shapes = self.timing.per_shape if self.timing is not None else ()
        return next((s.percent_of_peak for s in shapes if str(s.shape) == self.record.shape), 0.0)


@dataclass(frozen=True, slots=True)
class GateReport:
    """The outcome of one gate's item; `verdict` is None until the candidate's verdict is known."""

    candidate: str
    nodeid: str
    gate: str
    generated: bool
    verdict: VerdictReport | None = None

    def to_plain(self) -> JsonObject:
        """Plain JSON types, which survive pytest-xdist's serialisation."""
        plain: JsonObject = _adapter().dump_python(self, mode="json")
        return plain

    @staticmethod
    def from_plain(plain: JsonObject) -> GateReport:
        """The report that `to_plain` made; raises pydantic.ValidationError for anything else."""
        return _adapter().validate_python(plain)

    def junit_properties(self) -> dict[str, Any]:
        """Name and value of every property of the item's JUnit test case."""
        properties: dict[str, Any] = {"gate": self.gate}
        if self.verdict is not None:
            # The outcome as text: pytest-xdist sends these properties between processes.
            record = asdict(self.verdict.record) | {"outcome": str(self.verdict.record.outcome)}
            properties |= {name: record[name] for name in _JUNIT_FIELDS if record[name] is not None}
        return properties


@cache
def _adapter() -> TypeAdapter[GateReport]:
    from pydantic import TypeAdapter

    return TypeAdapter(GateReport)
