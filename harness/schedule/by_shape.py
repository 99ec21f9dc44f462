"""Kernels with a code path for each region of shapes: one private module per path, and one function that chooses."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from harness.schedule.model import GENERAL, Schedule, ShapePath
from harness.schedule.rust_source import context, fill, render_classical

# For each region: what it holds, and when a shape is in it.
_BORDERS = {
    "small": ("products with m*k*n <= {name}^3", "m * k * n <= {name}.pow(3)"),
    "few_rows": ("C with at most {name} rows", "m <= {name}"),
    "shallow": ("A with at most {name} columns", "k <= {name}"),
    "few_columns": ("C with at most {name} columns", "n <= {name}"),
}


def render_paths(s: Schedule, title: str, notes: str = "") -> str:
    """The source of kernel.rs for a normalised schedule with paths; each module is a whole kernel for its region.

    Regions with equal schedules share one module, that of the general path if it is one of them.
    """
    parts = s.parts
    owners: dict[str, str] = {}
    for name in (GENERAL, *parts):
        owners.setdefault(parts[name].key(), name)
    paths = [_described(path) | {"module": owners[path.schedule.key()]} for path in s.paths or ()]
    values = context(parts[GENERAL], title, notes, _summary(parts, paths)) | {"knobs": [f"Key: {s.key()}."]}
    modules = {
        name: render_classical(part.normalise(), f"The code path {name}.")
        for name, part in parts.items()
        if name in owners.values()
    }
    return fill("by_shape.rs.j2", values | {"paths": paths, "modules": modules})


def _described(path: ShapePath) -> dict[str, str | int]:
    name = path.region.upper()
    holds, condition = (text.format(name=name) for text in _BORDERS[path.region])
    return {"region": path.region, "constant": name, "most": path.most, "holds": holds, "if": condition}


def _summary(parts: Mapping[str, Schedule], paths: Sequence[Mapping[str, str | int]]) -> list[str]:
    holds = {path["region"]: path["holds"] for path in paths}
    lines = ["The code path is chosen by shape, by the first border that holds:"]
    for name, part in parts.items():
        tile = f"tile {part.tile}, KC = {part.kc}" if part.tiled else f"family {part.family}"
        line = f"- {name}: {holds.get(name, 'all other shapes')}; {tile}."
        lines += textwrap.wrap(line, 100, subsequent_indent="  ")
    return lines
