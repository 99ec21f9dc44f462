"""Objections to a proposal before it is compiled: sentences with numbers, suitable to be sent back to a model.

A refusal means that the proposal cannot work, or cannot be what was meant, on this machine. Advice means that it will
work and why it is probably slow. Only refusals stop a proposal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from harness.candidate import ThreadClass
from harness.errors import UserError
from harness.machine import Machine
from harness.schedule import recursive
from harness.schedule.bilinear.scheme import Refutation, Scheme, prove
from harness.schedule.bilinear.scheme_cost import rms_growth, scheme_cost, traffic_blocks
from harness.schedule.loops import Loop, deepest_tile, prove_cover
from harness.schedule.model import Proposal, Schedule
from harness.schedule.nests import nests, resident_side
from harness.schedule.vector_units import UNITS, registers_needed
from harness.shapes import Shape

# Memory that a judged kernel may allocate at least: a fixed part, and copies of A + B + C.
_SPARE_BYTES, _COPIES = 512 << 20, 8
# Flops saved per additional byte moved by a level of recursion: below the first a level cannot pay off, below
# the second it hardly does.
_HOPELESS, _DOUBTFUL = 0.5, 4.0
# Error growth over the classical sum. The judge allows fast schemes 32·(k+16)·u·max|A|·max|B|; a classical sum
# has about 1·k·u.
_ALLOWED_GROWTH, _NOTABLE_GROWTH = 32.0, 8.0


class Severity(StrEnum):
    """Refused: the proposal goes back to the Proposer. Advice: reported, and nothing is stopped."""

    REFUSED = "refused"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Objection:
    """One sentence with numbers; `about` is the part of the proposal that it concerns ("isa", "kc", "bilinear" …)."""

    severity: Severity
    about: str
    text: str

    def __str__(self) -> str:
        return self.text


def read(data: Mapping[str, Any]) -> Proposal | list[Objection]:
    """Parse a proposal; returns the objections instead when it is malformed: unknown keys, tiles that do not fit …"""
    try:
        return Proposal.model_validate(dict(data))
    except ValidationError as error:
        return [
            _refuse(_where(e["loc"]), _said(e["loc"], str(e["msg"]))) for e in error.errors(include_url=False)
        ]


def check(
    subject: Proposal | Schedule,
    machine: Machine,
    shapes: Sequence[Shape],
    threads: ThreadClass | None = None,
    memory_bytes: int | None = None,
) -> list[Objection]:
    """All objections to `subject` on `machine` for the suite's shapes, refusals first.

    threads: the required thread class, if any. memory_bytes: what a kernel may allocate; by default the least that the
    judge grants, 512 MiB plus eight times A + B + C of the largest shape.
    """
    schedule = subject.schedule if isinstance(subject, Proposal) else subject
    found = [
        *_unit(schedule, machine),
        *_tile(schedule),
        *_threads(schedule, machine, shapes, threads),
        *_caches(schedule, machine, shapes),
        *_memory(schedule, machine, shapes, memory_bytes),
        *_cover(schedule, shapes),
        *_recursion(schedule, shapes),
    ]
    if isinstance(subject, Proposal) and subject.loops:
        found += _own_loops(subject.loops, schedule)
    return sorted(found, key=lambda objection: objection.severity is Severity.ADVICE)


def refusals(objections: Sequence[Objection]) -> list[str]:
    """The texts of the refusals."""
    return [str(objection) for objection in objections if objection.severity is Severity.REFUSED]


def facts(subject: Proposal | Schedule, machine: Machine, shapes: Sequence[Shape]) -> list[str]:
    """What was proved about a proposal without refusals, and the advice, as short lines for the record and the Coder.

    Raises UserError when the scheme of a bilinear proposal cannot be read or is refuted.
    """
    schedule = subject.schedule if isinstance(subject, Proposal) else subject
    told = []
    if schedule.bilinear is not None:
        scheme = recursive.scheme_of(schedule.bilinear)
        outcome = prove(scheme)
        if isinstance(outcome, Refutation):
            raise UserError(str(outcome))
        worth = scheme_cost(scheme)
        told.append(f"{outcome}; {worth.additions} block additions, error growth {worth.growth} per level")
    if schedule.kernel in ("packed", "packed_intrinsics"):
        used, have = registers(schedule), UNITS[schedule.isa].registers
        told.append(f"the {schedule.tile} tile uses {used} of {have} vector registers of {schedule.isa}")
    paths = " and ".join(nests(schedule))
    told.append(
        f"the loop nest ({paths}) covers every element of C and every k exactly once, proved for all sizes"
    )
    return [
        *told,
        *(f"advice: {o}" for o in check(subject, machine, shapes) if o.severity is Severity.ADVICE),
    ]


def registers(schedule: Schedule) -> int:
    """Vector registers of the micro-kernel: accumulators, one row of B, one broadcast element of A."""
    return registers_needed(schedule.mr, schedule.vectors)


def _refuse(about: str, text: str) -> Objection:
    return Objection(Severity.REFUSED, about, text)


def _advise(about: str, text: str) -> Objection:
    return Objection(Severity.ADVICE, about, text)


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "proposal"


def _said(location: tuple[int | str, ...], message: str) -> str:
    return f"{_where(location)}: {message.removeprefix('Value error, ')}"


def _unit(s: Schedule, machine: Machine) -> list[Objection]:
    missing = [name for name in UNITS[s.isa].cpu_features if name not in machine.isa]
    if not missing:
        return []
    have = machine.vector
    return [
        _refuse(
            "isa", f"isa = {s.isa} needs {' and '.join(missing)}, which {machine.cpu} lacks; use isa = {have}"
        )
    ]


def _tile(s: Schedule) -> list[Objection]:
    if s.kernel not in ("packed", "packed_intrinsics"):
        return []
    used, have = registers(s), UNITS[s.isa].registers
    if used > have:
        count = f"{s.mr * s.vectors}+{s.vectors}+1 = {used}"
        return [_refuse("mr", f"MR={s.mr}, NR={s.nr} needs {count} vector registers; {s.isa} has {have}")]
    chains, wanted = s.mr * s.vectors, UNITS[s.isa].fma_chains
    if chains >= wanted:
        return []
    text = (
        f"MR={s.mr}, NR={s.nr} keeps {chains} independent accumulators; fused multiply-adds of 4 cycles latency, "
        f"two per cycle, need {wanted}, so at most {100 * chains // wanted}% of peak can be reached"
    )
    return [(_refuse if 4 * chains <= wanted else _advise)("mr", text)]


def _threads(
    s: Schedule, machine: Machine, shapes: Sequence[Shape], wanted: ThreadClass | None
) -> list[Objection]:
    found = []
    if wanted is not None and s.threads != wanted:
        found.append(
            _refuse(
                "threads", f"threads = {s.threads}, but this session evolves kernels for threads = {wanted}"
            )
        )
    if s.threads == "all" and len(machine.cores) == 1:
        found.append(
            _advise("threads", "threads = all on a machine with 1 core only adds the cost of waking threads")
        )
    largest = max((shape.m * shape.k * shape.n for shape in shapes), default=0)
    if s.threads == "all" and shapes and largest <= s.parallel_edge**3:
        text = f"parallel_edge = {s.parallel_edge} keeps every shape of the suite on one thread; lower it"
        found.append(_refuse("parallel_edge", text))
    return found


def _caches(s: Schedule, machine: Machine, shapes: Sequence[Shape]) -> list[Objection]:
    """Objections about blocks that exceed the cache level in which the loop nest needs them, at the suite's largest
    extents.
    """
    if s.kernel not in ("packed", "packed_intrinsics") or (s.pack_a == "none" and s.pack_b == "none"):
        return []
    m, k, n = (max((shape[axis] for shape in shapes), default=1 << 14) for axis in range(3))
    kc, mc, nc = min(s.kc, k), min(s.mc, m), min(s.nc if s.pack_b != "strip" else s.nr, n)
    side = resident_side(s)
    rows, columns = (f"{s.mr} rows of A", s.mr), (f"{s.nr} columns of B", s.nr)
    name, stays = rows if side == "a" else columns
    found = []
    panel, l1, l2 = 4 * stays * kc, machine.l1d_bytes, machine.l2_bytes
    if panel > l1:
        text = (
            f"KC={kc} makes the panel of {name} that must stay in L1 {panel >> 10} KiB; L1 has {l1 >> 10} KiB"
        )
        found.append((_refuse if 2 * panel > l2 else _advise)("kc", f"{text}, so KC <= {l1 // (4 * stays)}"))
    block, what, knob = (4 * kc * nc, "B", "nc") if side == "a" else (4 * kc * mc, "A", "mc")
    last = max(machine.l3_bytes, l2)
    if block > max(0.95 * l2, 0.5 * last):
        text = (
            f"{knob.upper()} x KC makes the block of {what} that is read for every tile {block >> 10} KiB; "
        )
        text += f"L2 has {l2 >> 10} KiB, the last cache {last >> 10} KiB"
        found.append((_refuse if block > last else _advise)(knob, text))
    if kc < 64 <= k:
        found.append(
            _advise("kc", f"KC={kc} reads and writes C {-(-k // kc)} times at k = {k}; 128 to 512 is usual")
        )
    return found


def _memory(
    s: Schedule, machine: Machine, shapes: Sequence[Shape], memory_bytes: int | None
) -> list[Objection]:
    threads = len(machine.cores) if s.threads == "all" else 1
    packs = s.scratch_bytes * threads if s.kernel in ("packed", "packed_intrinsics") else 0
    worst: tuple[float, Shape, int, int] | None = None
    for shape in shapes:
        allowed = memory_bytes if memory_bytes is not None else _SPARE_BYTES + _COPIES * _floats_bytes(shape)
        need = packs + _workspace_bytes(s, shape)
        if allowed < need and (worst is None or need / max(1, allowed) > worst[0]):
            worst = (need / max(1, allowed), shape, need, allowed)
    if worst is None:
        return []
    _, shape, need, allowed = worst
    text = (
        f"packing buffers of {threads} thread(s) and the recursion's workspace take {need >> 20} MiB at {shape}; "
        f"a kernel may allocate {allowed >> 20} MiB; lower kc, nc or levels"
    )
    return [_refuse("scratch", text)]


def _floats_bytes(shape: Shape) -> int:
    return shape.input_bytes + shape.output_bytes


def _workspace_bytes(s: Schedule, shape: Shape) -> int:
    if s.bilinear is None:
        return 0
    try:
        scheme = recursive.scheme_of(s.bilinear)
    except UserError:
        return 0  # reported once, by _recursion
    levels = recursive.levels_at(scheme, s.bilinear, shape)
    return 4 * recursive.workspace_floats(scheme, levels, *shape)


def _cover(s: Schedule, shapes: Sequence[Shape]) -> list[Objection]:
    found = []
    for path, nest in nests(s).items():
        found += [_refuse("loops", f"the {path} loop nest: {fault}") for fault in prove_cover(nest, shapes)]
    return found


def _own_loops(nest: Sequence[Loop], s: Schedule) -> list[Objection]:
    """Objections to a proposal's own loop nest, for free code around a tile of mr × nr."""
    found = [_refuse("loops", f"your loop nest: {fault}") for fault in prove_cover(nest)]
    for axis, limit in (("m", s.mr), ("n", s.nr)) if s.kernel not in ("naive", "blocked") else ():
        deepest = deepest_tile(nest, "m" if axis == "m" else "n")
        if deepest is None or deepest > limit:
            handed = (
                f"the innermost step over {axis} is {deepest}" if deepest else f"no loop runs over {axis}"
            )
            found.append(_refuse("loops", f"your loop nest: {handed}, but the tile takes at most {limit}"))
    return found


def _recursion(s: Schedule, shapes: Sequence[Shape]) -> list[Objection]:
    if s.bilinear is None:
        return []
    try:
        scheme = recursive.scheme_of(s.bilinear)
        outcome = prove(scheme)
    except UserError as error:
        return [_refuse("bilinear", str(error))]
    if isinstance(outcome, Refutation):
        return [_refuse("bilinear", str(outcome))]
    bad, classical = recursive.inexact(scheme), scheme.m * scheme.k * scheme.n
    if bad is not None:
        text = f"{scheme.label}: the coefficient {bad} is not exact in f32; only small integers over powers of two are"
        return [_refuse("bilinear", text)]
    if scheme.rank >= classical:
        return [
            _refuse(
                "bilinear",
                f"{scheme.label} saves nothing: the textbook rule has {classical} products as well",
            )
        ]
    return [*_cutoff(s, scheme, shapes), *_accuracy(s, scheme)]


def _cutoff(s: Schedule, scheme: Scheme, shapes: Sequence[Shape]) -> list[Objection]:
    assert s.bilinear is not None
    cutoff = s.bilinear.cutoff
    largest = max((min(shape) for shape in shapes), default=cutoff)
    if largest < cutoff:
        return [
            _refuse(
                "bilinear", f"cutoff = {cutoff}: no shape of the suite reaches it (the largest is {largest})"
            )
        ]
    saved = 2 * cutoff**3 * (1 - scheme.rank / (scheme.m * scheme.k * scheme.n))
    moved = 4 * cutoff**2 * traffic_blocks(scheme)
    text = (
        f"at the cutoff of {cutoff}, {scheme.label} saves {saved / 1e6:.0f} Mflop for "
        f"{moved / 1e6:.0f} MB of additions, {saved / moved:.1f} flop per byte"
    )
    if saved / moved < _HOPELESS:
        least = int(cutoff * _HOPELESS * moved / saved) + 1
        return [_refuse("bilinear", f"{text}: that cannot pay; use a cutoff of at least {least}")]
    return (
        [_advise("bilinear", f"{text}: break-even is usually at 4 to 10")]
        if saved / moved < _DOUBTFUL
        else []
    )


def _accuracy(s: Schedule, scheme: Scheme) -> list[Objection]:
    assert s.bilinear is not None
    levels = s.bilinear.levels
    typical = (rms_growth(scheme) / scheme.k) ** levels
    text = (
        f"{scheme.label}, {levels} level(s): rounding errors grow about {typical:.0f} times over the classical sum "
        f"(bound: {float(scheme_cost(scheme).growth / scheme.k) ** levels:.0f} times)"
    )
    if typical > _ALLOWED_GROWTH:
        return [_refuse("bilinear", f"{text}; at most {_ALLOWED_GROWTH:.0f} would pass the normwise bound")]
    return [_advise("bilinear", text)] if typical > _NOTABLE_GROWTH else []
