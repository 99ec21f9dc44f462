"""Checks of a proposal before anything is compiled; the objections are sentences with numbers for a model to read.

A refusal says that the proposal cannot work on this machine or makes no sense there, and stops it. Advice says why a
working proposal will probably be slow, and stops nothing.
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
from harness.schedule.loop_nests import nests, resident_side
from harness.schedule.loops import Loop, deepest_tile, prove_cover
from harness.schedule.model import Proposal, Schedule
from harness.schedule.vector_units import FMAS_IN_FLIGHT, UNITS, tile_registers
from harness.shapes import Shape

# The judge lets a kernel allocate at least this many bytes, and _COPIES times A + B + C.
_SPARE_BYTES = 512 << 20
_COPIES = 8
# Flops saved per byte moved by one level of recursion, below which a proposal is refused.
_REFUSED_FLOPS_PER_BYTE = 0.5
# The same, below which it is advised against.
_DOUBTFUL_FLOPS_PER_BYTE = 3.0
# Error growth over the classical sum, above which a proposal is refused. The judge allows fast schemes an error of
# 32·(k+16)·u·max|A|·max|B|; a classical sum has about 1·k·u.
_REFUSED_GROWTH = 32.0
# The same, above which it gets advice.
_NOTABLE_GROWTH = 8.0


class Severity(StrEnum):
    """REFUSED sends the proposal back to the Proposer; ADVICE is only reported."""

    REFUSED = "refused"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Objection:
    """One sentence with numbers; `about` names the field that it concerns ("isa", "kc", "bilinear" …)."""

    severity: Severity
    about: str
    text: str

    def __str__(self) -> str:
        return self.text


def read(data: Mapping[str, Any]) -> Proposal | list[Objection]:
    """A Proposal from plain types, or the objections to it: unknown keys, tiles that exceed the registers and so on."""
    try:
        return Proposal.model_validate(dict(data))
    except ValidationError as error:
        return [
            _refuse(_path(e["loc"]), _field_message(e["loc"], str(e["msg"])))
            for e in error.errors(include_url=False)
        ]


def check(
    subject: Proposal | Schedule,
    machine: Machine,
    shapes: Sequence[Shape],
    threads: ThreadClass | None = None,
    memory_bytes: int | None = None,
) -> list[Objection]:
    """All objections to `subject` on `machine` for the shapes of the suite, refusals first.

    threads: the thread class of the session, if it is fixed. memory_bytes: how much a kernel may allocate; the default
    is the judge's lowest limit, 512 MiB plus eight times A + B + C, for each shape.
    """
    schedule = subject.schedule if isinstance(subject, Proposal) else subject
    if schedule.paths:
        found = _parts(schedule, machine, shapes, threads, memory_bytes)
        return sorted(found, key=lambda objection: objection.severity is Severity.ADVICE)
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
    """What is proved about a proposal without refusals, then the advice; short lines for the record and the Coder.

    Raises UserError if the scheme of a bilinear proposal cannot be read or is refuted.
    """
    schedule = subject.schedule if isinstance(subject, Proposal) else subject
    if schedule.paths:
        held = _held(schedule, shapes)
        return [
            f"{name}: {fact}"
            for name, part in schedule.parts.items()
            for fact in facts(part, machine, held[name])
        ]
    proved = []
    if schedule.bilinear is not None:
        scheme = recursive.scheme_of(schedule.bilinear)
        outcome = prove(scheme)
        if isinstance(outcome, Refutation):
            raise UserError(str(outcome))
        cost = scheme_cost(scheme)
        proved.append(f"{outcome}; {cost.additions} block additions, error growth {cost.growth} per level")
    if schedule.tiled:
        used, have = tile_registers(schedule.mr, schedule.vectors), UNITS[schedule.isa].registers
        proved.append(f"the {schedule.tile} tile uses {used} of {have} vector registers of {schedule.isa}")
    paths = " and ".join(nests(schedule))
    proved.append(
        f"the loop nest ({paths}) covers every element of C and every k exactly once, proved for all sizes"
    )
    return [
        *proved,
        *(f"advice: {o}" for o in check(subject, machine, shapes) if o.severity is Severity.ADVICE),
    ]


def _held(s: Schedule, shapes: Sequence[Shape]) -> dict[str, list[Shape]]:
    """The shapes that each code path multiplies."""
    return {name: [shape for shape in shapes if s.path_of(shape) == name] for name in s.parts}


def _parts(
    s: Schedule,
    machine: Machine,
    shapes: Sequence[Shape],
    threads: ThreadClass | None,
    memory_bytes: int | None,
) -> list[Objection]:
    """The objections to each code path at the shapes that it multiplies."""
    held = _held(s, shapes)
    return [
        Objection(one.severity, one.about, f"path {name}: {one.text}")
        for name, part in s.parts.items()
        for one in check(part, machine, held[name], threads, memory_bytes)
    ]


def _refuse(about: str, text: str) -> Objection:
    return Objection(Severity.REFUSED, about, text)


def _advise(about: str, text: str) -> Objection:
    return Objection(Severity.ADVICE, about, text)


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "proposal"


def _field_message(location: tuple[int | str, ...], message: str) -> str:
    return f"{_path(location)}: {message.removeprefix('Value error, ')}"


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
    if not s.tiled:
        return []
    used, have = tile_registers(s.mr, s.vectors), UNITS[s.isa].registers
    if used > have:
        count = f"{s.mr * s.vectors}+{s.vectors}+1 = {used}"
        return [_refuse("mr", f"MR={s.mr}, NR={s.nr} needs {count} vector registers; {s.isa} has {have}")]
    chains, wanted = s.mr * s.vectors, FMAS_IN_FLIGHT
    if chains >= wanted:
        return []
    text = (
        f"MR={s.mr}, NR={s.nr} keeps {chains} independent accumulators; FMAs with 4 cycles of latency, "
        f"2 per cycle, need {wanted}, so the kernel reaches at most {100 * chains // wanted}% of peak"
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
            _advise(
                "threads",
                "threads = all only adds the cost of waking threads on a machine with 1 core; use threads = 1",
            )
        )
    largest = max((shape.m * shape.k * shape.n for shape in shapes), default=0)
    if s.threads == "all" and shapes and largest <= s.parallel_edge**3:
        text = f"parallel_edge = {s.parallel_edge} keeps every shape of the suite on one thread; lower it"
        found.append(_refuse("parallel_edge", text))
    return found


def _caches(s: Schedule, machine: Machine, shapes: Sequence[Shape]) -> list[Objection]:
    """Objections to blocks that do not fit the caches they should stay in, at the largest extents of the suite."""
    if not s.tiled or (s.pack_a == "none" and s.pack_b == "none"):
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
    packs = s.scratch_bytes * threads if s.tiled else 0
    worst: tuple[float, Shape, int, int] | None = None
    for shape in shapes:
        allowed = memory_bytes if memory_bytes is not None else _SPARE_BYTES + _COPIES * _operand_bytes(shape)
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


def _operand_bytes(shape: Shape) -> int:
    return shape.input_bytes + shape.output_bytes


def _workspace_bytes(s: Schedule, shape: Shape) -> int:
    if s.bilinear is None:
        return 0
    try:
        scheme = recursive.scheme_of(s.bilinear)
    except UserError:
        return 0  # _recursion reports it
    levels = recursive.levels_at(scheme, s.bilinear, shape)
    return 4 * recursive.workspace_floats(s, scheme, levels, shape)


def _cover(s: Schedule, shapes: Sequence[Shape]) -> list[Objection]:
    found = []
    for path, nest in nests(s).items():
        found += [_refuse("loops", f"the {path} loop nest: {fault}") for fault in prove_cover(nest, shapes)]
    return found


def _own_loops(nest: Sequence[Loop], s: Schedule) -> list[Objection]:
    """Objections to the loop nest of a proposal with hand-written code around a tile of mr x nr."""
    found = [_refuse("loops", f"your loop nest: {fault}") for fault in prove_cover(nest)]
    for axis, limit in (("m", s.mr), ("n", s.nr)) if s.tiled else ():
        deepest = deepest_tile(nest, "m" if axis == "m" else "n")
        if deepest is None or deepest > limit:
            innermost = (
                f"the innermost step over {axis} is {deepest}" if deepest else f"no loop runs over {axis}"
            )
            found.append(_refuse("loops", f"your loop nest: {innermost}, but the tile takes at most {limit}"))
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
                f"{scheme.label} saves nothing: the classical algorithm has {classical} products, it has {scheme.rank}",
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
        f"{moved / 1e6:.0f} MB of traffic for additions, {saved / moved:.1f} flop per byte"
    )
    if saved / moved < _REFUSED_FLOPS_PER_BYTE:
        least = int(cutoff * _REFUSED_FLOPS_PER_BYTE * moved / saved) + 1
        return [_refuse("bilinear", f"{text}: that cannot be faster; use a cutoff of at least {least}")]
    return (
        [_advise("bilinear", f"{text}: break-even is usually at 2 to 5")]
        if saved / moved < _DOUBTFUL_FLOPS_PER_BYTE
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
    if typical > _REFUSED_GROWTH:
        return [
            _refuse(
                "bilinear", f"{text}; the judge's normwise bound allows at most {_REFUSED_GROWTH:.0f} times"
            )
        ]
    return [_advise("bilinear", text)] if typical > _NOTABLE_GROWTH else []
