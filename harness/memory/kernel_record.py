"""The record of one accepted kernel: a frozen type, its id, its JSON form, and the text by which it is found."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.durable import refuse_constant
from harness.errors import HarnessFaultError, UserError
from harness.machine import Machine
from harness.operation.operations import OperationName
from harness.verdict import Accepted, Score, ShapeTiming

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = 1
MAX_SOURCE = 1 << 20
_DOC_CHARACTERS = 1500


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """An accepted kernel with its measurement; `ratio` = t_blas / t_kernel over the suite, with a 95 % interval.

    `machine` is the fingerprint, `machine_class` the kind of machine, `machine_record` all facts. `when_utc` is ISO
    8601 with microseconds and +00:00, so that text order is time order.
    """

    name: str
    source: str
    schedule: dict[str, Any] | None
    proposal: dict[str, Any] | None
    ratio: float
    ratio_low: float
    ratio_high: float
    parents: tuple[str, ...]
    machine_class: str
    machine: str
    toolchain: str
    threads: int
    tier: str
    numerics: str
    generation: int | None
    when_utc: str
    model: str | None = None
    baseline: str = ""
    suite: str = ""
    machine_record: dict[str, Any] = field(default_factory=dict)
    per_shape: tuple[ShapeTiming, ...] = ()
    operation: str = OperationName.MATMUL.value

    @property
    def source_hash(self) -> str:
        """SHA-256 of the source, in hexadecimal, as Candidate.source_hash."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    @property
    def id(self) -> str:
        """A content hash: the same source on the same machine, toolchain, thread count, baseline and suite is one
        entry.
        """
        conditions = (self.machine, self.toolchain, str(self.threads), self.baseline, self.suite)
        # Entries of earlier versions are matmul kernels and keep their ids.
        operation = () if self.operation == OperationName.MATMUL else (self.operation,)
        parts = (self.source_hash, *conditions, *operation)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    @property
    def gflops(self) -> float:
        """The largest rate over the timed shapes, in GFLOP/s; 0 without timings."""
        return max((timing.gflops for timing in self.per_shape), default=0.0)

    def text(self) -> str:
        """The embedded text: name, proposal, schedule, machine, and the words of the source's comments."""
        # The proposal contains the schedule, which is added separately.
        proposal = _words({key: value for key, value in (self.proposal or {}).items() if key != "schedule"})
        schedule = _words(self.schedule or {})
        vector = str(self.machine_record.get("vector", ""))
        lines = [
            line.strip().lstrip("/!* ") for line in self.source.splitlines() if line.strip().startswith("//")
        ]
        facts = f"{vector} {self.threads} threads {self.tier} {self.numerics}"
        return "\n".join((self.name, proposal, schedule, facts, " ".join(lines)))[:_DOC_CHARACTERS]

    def to_json(self) -> str:
        """One line of JSON with the format's version; raises HarnessFaultError for values that JSON cannot
        represent.
        """
        try:
            plain = {"format": FORMAT} | _adapter().dump_python(self)
            return json.dumps(plain, allow_nan=False, ensure_ascii=False, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise HarnessFaultError(f"{self.name}: not recordable: {error}") from None


def distance(kernel: KernelRecord, machine_class: str | None) -> int:
    """Distance of a kernel's machine: 0 for the same class, 1 for another CPU with the same vector unit, 2 otherwise.

    0 for all when `machine_class` is None. A class reads "CPU / architecture vector".
    """
    if machine_class is None or kernel.machine_class == machine_class:
        return 0
    unit = machine_class.split(" / ")[1:2]
    return 1 if unit and unit == kernel.machine_class.split(" / ")[1:2] else 2


def build(
    accepted: Accepted,
    *,
    name: str,
    source: str,
    machine: Machine,
    toolchain: str,
    suite: str,
    proposal: dict[str, Any] | None = None,
    schedule: dict[str, Any] | None = None,
    parents: tuple[str, ...] = (),
    generation: int | None = None,
    model: str | None = None,
    when_utc: str | None = None,
    operation: str = OperationName.MATMUL.value,
) -> KernelRecord:
    """The record of an accepted kernel; only an Accepted can become one.

    Raises HarnessFaultError when the score is not a number, which would be a bug of the clock.
    """
    score = _score(accepted, name)
    kernel = KernelRecord(
        name=name,
        source=source,
        schedule=schedule,
        proposal=proposal,
        ratio=score.claimed.ratio,
        ratio_low=score.claimed.ratio_low,
        ratio_high=score.claimed.ratio_high,
        parents=parents,
        machine_class=machine.machine_class,
        machine=machine.fingerprint,
        toolchain=toolchain,
        threads=score.threads,
        tier=accepted.tier,
        numerics=accepted.numerics,
        generation=generation,
        when_utc=when_utc or datetime.now(UTC).isoformat(timespec="microseconds"),
        model=model,
        baseline=score.baseline,
        suite=suite,
        machine_record=machine.as_record(),
        per_shape=score.per_shape,
        operation=operation,
    )
    # Through JSON once, so that the returned record equals what will be read back.
    return parse(kernel.to_json(), name)


def _score(accepted: Accepted, name: str) -> Score:
    """The score of an Accepted; checked at run time too, because everything in the memory passes here."""
    if not isinstance(accepted, Accepted):
        raise HarnessFaultError(
            f"{name}: only an accepted kernel is remembered, not {type(accepted).__name__}"
        )
    score = accepted.score
    if not all(
        math.isfinite(value) and value > 0 for value in (score.ratio, score.ratio_low, score.ratio_high)
    ):
        raise HarnessFaultError(f"{name}: accepted with a ratio that is not a positive number: {score.ratio}")
    return score


def parse(line: str, where: str) -> KernelRecord:
    """Parse one line of JSON; `where` ("file.jsonl:7") begins the UserError for a malformed line."""
    from pydantic import ValidationError

    try:
        data = json.loads(line, parse_constant=refuse_constant)
    except RecursionError:
        raise UserError(
            f"{where}: nested too deeply; expected one kernel per line, as written by export"
        ) from None
    except ValueError as error:
        raise UserError(
            f"{where}: not JSON: {error}; expected one kernel per line, as written by export"
        ) from None
    if not isinstance(data, dict):
        raise UserError(f"{where}: a JSON object is expected, as written by export")
    version = data.pop("format", None)
    if version != FORMAT:
        raise UserError(
            f"{where}: format {version!r}; this version reads format {FORMAT}: export again with it"
        )
    if unknown := sorted(set(data) - set(KernelRecord.__dataclass_fields__)):
        raise UserError(
            f"{where}: unknown key '{unknown[0]}'; allowed: {', '.join(KernelRecord.__dataclass_fields__)}"
        )
    try:
        found = _adapter().validate_json(json.dumps(data, allow_nan=False), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the line"
        raise UserError(f"{where}: {key}: {first['msg']}") from None
    except ValueError:
        raise UserError(f"{where}: a number is too large to be read") from None
    _check(found, where)
    # Records of earlier versions name the number of cores, too, which says nothing about one thread.
    return replace(found, machine_class=" / ".join(found.machine_class.split(" / ")[:2]))


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[KernelRecord]:
    from pydantic import TypeAdapter

    return TypeAdapter(KernelRecord)


def _check(found: KernelRecord, where: str) -> None:
    """Checks that types cannot express: ordered positive interval, printable name, bounded source, threads, UTC."""
    if not 0 < found.ratio_low <= found.ratio_high or found.ratio <= 0:
        raise UserError(f"{where}: ratio_low, ratio, ratio_high must be positive and in order")
    if not 0 < len(found.name) <= 255 or not found.name.isprintable():
        raise UserError(f"{where}: name must be 1 to 255 printable characters")
    if len(found.source) > MAX_SOURCE:
        raise UserError(f"{where}: the source is larger than 1 MiB")
    if found.threads < 1:
        raise UserError(f"{where}: threads is {found.threads}; 1 or more is expected")
    try:
        moment = datetime.fromisoformat(found.when_utc)
        uniform = moment.tzinfo is not None and moment.astimezone(UTC).isoformat(timespec="microseconds")
    except ValueError:
        uniform = False
    if uniform != found.when_utc:
        raise UserError(
            f"{where}: when_utc is {found.when_utc!r}; expected like 2026-01-31T12:00:00.000000+00:00"
        )


def _words(data: dict[str, Any], prefix: str = "") -> str:
    """Nested plain data as "key value" words, including numbers, for the embedder."""
    parts = []
    for key, value in data.items():
        label = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict):
            parts.append(_words(value, f"{label} "))
        elif isinstance(value, (list, tuple)):
            parts.append(
                f"{label} " + " ".join(str(item) for item in value if not isinstance(item, (dict, list)))
            )
        elif value is not None:
            parts.append(f"{label} {value}")
    return "; ".join(part for part in parts if part)
