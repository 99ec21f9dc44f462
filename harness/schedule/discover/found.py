"""What a search has found, as JSON files: one for each format, rank and field, written at once and read by name."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.durable import JsonObject, write_whole
from harness.errors import UserError
from harness.schedule.bilinear import schemes, symbolic
from harness.schedule.bilinear.additions import fewest_additions
from harness.schedule.bilinear.scheme import Proof, Scheme, holds_modulo_2, prove
from harness.schedule.bilinear.scheme_cost import scheme_cost
from harness.schedule.bilinear.straight_line import additions_in, straight_line
from harness.schedule.discover.formats import Format

VERSION = 1
# Runs of the elimination of common sums for the count in a file.
TRIES = 1


class Ring(StrEnum):
    """Over which coefficients a scheme holds, the widest use first."""

    TERNARY = "ternary"
    INTEGERS = "integers"
    RATIONALS = "rationals"
    Z2 = "z2"


def ring_of(scheme: Scheme) -> Ring | None:
    """The ring over which the scheme is proved here; None when it holds over none."""
    if isinstance(prove(scheme), Proof):
        values = {x for factor in (scheme.u, scheme.v, scheme.w) for row in factor for x in row}
        if values <= {-1, 0, 1}:
            return Ring.TERNARY
        return Ring.INTEGERS if all(x.denominator == 1 for x in values) else Ring.RATIONALS
    return Ring.Z2 if holds_modulo_2(scheme) else None


@dataclass(frozen=True, slots=True)
class Discovery:
    """A proved scheme and how it was found: seconds and flips since the search of its format began.

    program: for a scheme that was searched for few additions, its straight-line program (see `straight_line`).
    """

    scheme: Scheme
    ring: Ring
    seed: int
    seconds: float
    flips: int
    program: str = ""

    @property
    def name(self) -> str:
        """The name under which a schedule can use it, and its file's."""
        form = Format(self.scheme.m, self.scheme.k, self.scheme.n)
        kind = "_z2" if self.ring is Ring.Z2 else schemes.CHEAP if self.program else ""
        return f"found_{form}_{self.scheme.rank}{kind}"

    @property
    def shared_additions(self) -> int:
        """Additions with shared sums: those of the program, or counted after one elimination."""
        if self.program:
            return additions_in(self.program)
        return fewest_additions(self.scheme, random.Random(0), TRIES)

    @property
    def cost(self) -> tuple[bool, int, float]:
        """What is better at equal rank: no fractions, fewer nonzero coefficients, then a smaller growth of errors."""
        return self.ring is Ring.RATIONALS, nonzero(self.scheme), float(scheme_cost(self.scheme).growth)

    def as_data(self) -> JsonObject:
        """The file's content."""
        scheme, cost = self.scheme, scheme_cost(self.scheme)
        size = (scheme.m * scheme.k) * (scheme.k * scheme.n) * (scheme.m * scheme.n)
        over = "modulo 2" if self.ring is Ring.Z2 else "in exact arithmetic"
        return {
            "version": VERSION,
            "rank": scheme.rank,
            "ring": self.ring.value,
            "nonzero": nonzero(scheme),
            "additions": {"plain": cost.additions, "shared": self.shared_additions},
            "growth": str(cost.growth),
            "seed": self.seed,
            "seconds": round(self.seconds, 2),
            "flips": self.flips,
            "proof": f"all {size} Brent equations hold {over}",
            "scheme": scheme.as_data() | {"name": self.name, "source": "python -m harness.schedule.discover"},
        } | ({"program": self.program.splitlines()} if self.program else {})

    def save(self, folder: Path) -> Path:
        """Write the file in one step; raises UserError when the folder cannot be written."""
        path = folder / f"{self.name}.json"
        write_whole(path, json.dumps(self.as_data()) + "\n", make_folder=True)
        return path


def with_program(scheme: Scheme, seed: int, seconds: float, tries: int) -> Discovery:
    """A discovery with its straight-line program, from `tries` eliminations of common sums in each factor.

    Its scheme is read back from the program, and differs from `scheme` by the signs and the order of products at most.
    Raises UserError when it is not valid.
    """
    program = straight_line(scheme, random.Random(seed), tries)
    read = symbolic.parse(program, scheme.name, scheme.source)
    ring = ring_of(read)
    if ring is None or ring is Ring.Z2:
        raise UserError(f"{scheme.label}: {prove(read)}")
    return Discovery(read, ring, seed, seconds, 0, program)


def nonzero(scheme: Scheme) -> int:
    """Nonzero coefficients of the scheme, which is what its sums cost in a fused kernel."""
    return sum(bool(x) for factor in (scheme.u, scheme.v, scheme.w) for row in factor for x in row)


def load(path: Path) -> Discovery:
    """A discovery or any other scheme file; it is proved again. Raises UserError when it holds over no ring."""
    scheme = schemes.from_file(path)
    ring = ring_of(scheme)
    if ring is None:
        raise UserError(f"{path}: {prove(scheme)}; nor does it hold modulo 2")
    try:
        table = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    if "scheme" in table and table.get("version") != VERSION:
        raise UserError(f"{path}: version {table.get('version')!r}; this program reads version {VERSION}")
    seed, seconds, flips = (table.get(key) for key in ("seed", "seconds", "flips"))
    program = _program(path, scheme, table)
    return Discovery(scheme, ring, int(seed or 0), float(seconds or 0), int(flips or 0), program)


def _program(path: Path, scheme: Scheme, table: JsonObject) -> str:
    """The file's straight-line program, "" when it has none. UserError when it is not one of the file's scheme."""
    lines = table.get("program")
    if lines is None:
        return ""
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise UserError(f"{path}: program must be a list of lines such as 'x1 = a11 + a12'")
    program = "\n".join(lines) + "\n"
    read = symbolic.parse(program, f"{path}: program")
    if (read.u, read.v, read.w) != (scheme.u, scheme.v, scheme.w):
        raise UserError(f"{path}: the program computes another scheme than the coefficients")
    return program


def known(folder: Path, form: Format) -> list[Discovery]:
    """The discoveries of this format in the folder, lowest rank first. Raises UserError for a bad file."""
    found = [load(path) for path in sorted(folder.glob(f"found_{form}_*.json"))]
    return sorted(found, key=lambda one: (one.scheme.rank, one.cost))
