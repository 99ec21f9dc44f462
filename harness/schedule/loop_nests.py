"""The loop nests that the rendered code of a schedule contains."""

from __future__ import annotations

from typing import Literal

from harness.schedule.families import FAMILIES
from harness.schedule.loops import Loop
from harness.schedule.model import Schedule


def resident_side(schedule: Schedule) -> Literal["a", "b"]:
    """The operand whose micro-panel stays in L1: always B if B is packed in strips, else the knob `resident`."""
    return "b" if schedule.pack_b == "strip" else schedule.resident


def nests(schedule: Schedule) -> dict[str, tuple[Loop, ...]]:
    """The loop nests in the code of `schedule`, exactly as the templates write them, by the name of the code path."""
    s = schedule
    if s.kernel == "naive":
        return {"rows": (Loop(axis="m", step=1), Loop(axis="n", step=1), Loop(axis="k", step=1))}
    if s.kernel == "blocked":
        return {"blocks": (Loop(axis="n", step=s.nc), Loop(axis="k", step=s.kc), Loop(axis="m", step=1))}
    rows = Loop(axis="m", step=s.mr, edge="balanced")
    columns = Loop(axis="n", step=s.nr)
    tiles = (rows, columns) if resident_side(s) == "a" else (columns, rows)
    paths: dict[str, tuple[Loop, ...]] = {"direct": tiles}
    deep = Loop(axis="k", step=s.kc, edge="balanced")
    block = Loop(axis="m", step=max(s.mr, s.mc // s.mr * s.mr), edge="balanced")
    wide = Loop(axis="n", step=max(s.nr, s.nc // s.nr * s.nr), edge="balanced", unit=s.nr)
    strips = (deep, block, columns, rows)
    if FAMILIES[s.kernel].has_strides:
        # Strips of B are packed just before their use only where one block of A has all rows.
        tall = (wide, deep, block, *((rows, columns) if s.resident == "a" else (columns, rows)))
        paths |= {"packed": strips, "tall": tall} if s.pack_b == "strip" else {"packed": tall}
    elif s.pack_b == "strip":
        paths["packed"] = strips
    elif s.pack_a != "none" or s.pack_b != "none":
        paths["packed"] = (wide, deep, block, *tiles)
    return paths
