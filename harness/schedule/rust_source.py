"""Rust source from the templates: what a template gets to see, and the layout of the rendered text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.schedule.families import FAMILIES
from harness.schedule.model import Schedule
from harness.schedule.vector_units import UNITS

if TYPE_CHECKING:
    import jinja2

# Phrases that complete a sentence in the rendered comments, by the schedule's `split`, `pack_a` and `pack_b`.
_SPLITS = {
    "rows": "blocks of rows, one or more per thread",
    "cols": "blocks of columns, one or more per thread",
    "grid": "a grid of blocks, shaped so that the tasks together read the least",
}
_GRIDS = {
    "rows": "all tasks down, unless there are too few rows",
    "cols": "all tasks across, unless there are too few columns",
    "grid": "the factors of `tasks` that make the tasks read least",
}
# The first line about the operation, by whether operands have strides.
_CONTRACTS = {
    False: "C (m x n) = A (m x k) * B (k x n), row-major and contiguous, f32.",
    True: "C <- alpha * A (m x k) * B (k x n) + beta * C (m x n), strides for rows and columns, f32.",
}
_PACKS_A = {
    "none": "A is read in place",
    "strip": "A is copied row by row into padded rows",
    "panel": "A is packed k-major in micro-panels",
}
_PACKS_B = {
    "none": "B is read in place",
    "strip": "B is packed one strip of NR columns at a time, just before its use",
    "panel": "B is packed a KC x NC block at a time",
}


def render_classical(s: Schedule, title: str, notes: str = "", *, exports_tile: bool = False) -> str:
    """The source of a kernel without recursion; `s` is normalised and not of family bilinear.

    exports_tile: make the micro-kernel of packed_intrinsics available to the code around it.
    """
    return fill(f"{s.family}.rs.j2", context(s, title, notes) | {"exports_tile": exports_tile})


def fill(template: str, values: dict[str, Any]) -> str:
    """The template of this file name with `values` filled in, as tidy Rust."""
    return tidy(_environment().get_template(template).render(values))


def context(s: Schedule, title: str, notes: str = "", about: Sequence[str] | None = None) -> dict[str, Any]:
    """The variables of the templates; only here is decided which parts of a template a schedule needs.

    `about` are the lines of the header that describe the kernel, in place of `summary`.
    """
    unit = UNITS[s.isa]
    packs_a, packs_b = s.pack_a != "none", s.pack_b != "none"
    is_sgemm = FAMILIES[s.kernel].has_strides
    strided = is_sgemm and FAMILIES[s.kernel].needs_unsafe
    padded = s.edges == "tile" or s.isa == "neon"
    return {
        "s": s,
        "strided": strided,
        "only_exact": False,
        "contract": _CONTRACTS[is_sgemm],
        "title": _comment(title)[0],
        "summary": [
            *(summary(s) if about is None else about),
            *(["", *_comment(notes)] if notes.strip() else []),
        ],
        "knobs": knob_lines(s),
        "threaded": s.threads == "all",
        "features": unit.target_feature,
        "register": unit.register_class,
        "arch": unit.arch,
        "detected": _detection(s.isa),
        "uses_packed": packs_a or packs_b,
        "uses_scratch": packs_a or packs_b or padded or strided,
        "padded": padded,
        "needs_strips": s.threads == "all" or ((packs_a or packs_b) and s.pack_b != "strip"),
        "k_major": s.pack_a == "panel" or strided,
        "a_floats": _a_floats(s),
        "b_floats": _b_floats(s, padded),
        "b_floats_safe": _b_floats(s, True),
        "prefetches_next": s.prefetch_next,
        "prefetches_c": s.prefetch_c and s.isa != "neon",
        "prefetches": s.isa != "neon" and (s.prefetch_b > 0 or s.prefetch_a > 0),
        "prefetch_lines": _prefetch_lines(s),
        "split_text": _SPLITS[s.split],
        "grid_text": _GRIDS[s.split],
    }


def tidy(source: str) -> str:
    """Re-indent Rust by its brackets and drop double blank lines and blank lines at the inner edges of blocks."""
    lines: list[str] = []
    # Levels of indentation that each open bracket adds: 1 for the first one opened on a line, 0 for the others.
    open_brackets: list[int] = []
    for raw in source.splitlines():
        line = raw.strip()
        code = "" if line.startswith("//") else re.sub(r'"[^"]*"|//.*', "", line)
        leading = len(code) - len(code.lstrip("}])"))
        if line:
            if line.startswith("}") and lines and not lines[-1]:
                lines.pop()
            depth = sum(open_brackets[: len(open_brackets) - leading])
            lines.append("    " * depth + line)
        elif lines and lines[-1] and not lines[-1].endswith("{"):
            lines.append("")
        before = len(open_brackets)
        for character in code:
            if character in "{[(":
                open_brackets.append(0)
            elif character in "}])":
                open_brackets.pop()
                before = min(before, len(open_brackets))
        if len(open_brackets) > before:
            open_brackets[before] = 1
    return "\n".join(lines).rstrip() + "\n"


def summary(s: Schedule) -> list[str]:
    """A summary of the kernel for its header, in lines of at most 100 characters."""
    threads = "one thread" if s.threads == 1 else "all rayon threads"
    if s.kernel == "naive":
        return [
            f"The textbook algorithm: three nested loops without cache blocking or vector code; {threads}."
        ]
    if s.kernel == "blocked":
        return [
            f"Each row of C is a sum of scaled rows of B, for one {s.kc} x {s.nc} block of B at a time; {threads}."
        ]
    tile = f"BLIS-style loops around a {s.mr} x {s.nr} register tile ({s.vectors} vectors of {s.lanes} floats per row)"
    if s.kernel == "strided":
        text = f"{tile}, {threads}. A and B are packed from their strides; C is updated through a tile."
        return textwrap.wrap(text, 100)
    text = f"{tile}, {threads}. {_PACKS_A[s.pack_a]}; {_PACKS_B[s.pack_b]}."
    if s.pack_a != "none" or s.pack_b != "none":
        text += f" Nothing is packed if m*k*n <= {s.direct_edge}^3."
    return textwrap.wrap(text, 100)


def knob_lines(s: Schedule) -> list[str]:
    """The knobs that this schedule uses as "name = value", wrapped, and a last line with its key."""
    values = s.model_dump(mode="json", exclude={"bilinear", "paths"}, exclude_defaults=False)
    shown = [f"{name} = {value}" for name, value in values.items() if name in s.used]
    return [*textwrap.wrap("Schedule: " + ", ".join(shown) + ".", 100), f"Key: {s.key()}."]


def _comment(text: str) -> list[str]:
    """Untrusted text as comment lines: unprintable characters and line breaks become spaces, lines are wrapped."""
    clean = "".join(ch if ch.isprintable() else " " for ch in text)
    return textwrap.wrap(" ".join(clean.split()), 100) or ["A matrix multiplication."]


def _detection(isa: str) -> str:
    """A Rust expression that is true if the CPU has the features that the intrinsics of `isa` need."""
    names = UNITS[isa].target_feature.split(",")
    macro = "std::arch::is_aarch64_feature_detected" if isa == "neon" else "is_x86_feature_detected"
    return " && ".join(f'{macro}!("{name}")' for name in names)


def _a_floats(s: Schedule) -> str:
    """A Rust expression for the number of floats in the packed block of A."""
    if s.pack_a == "none":
        return "0"
    depth = "(KC.min(job.k).next_multiple_of(16) + 16)" if s.pack_a == "strip" else "KC.min(job.k)"
    return f"{depth} * MC.min(job.m)"


def _b_floats(s: Schedule, padded: bool) -> str:
    """A Rust expression for the number of floats in the packed block of B.

    One strip is enough if only the ragged last one is packed.
    """
    if s.pack_b == "none" and not padded:
        return "0"
    columns = "NC.min(job.n.next_multiple_of(NR))" if s.pack_b == "panel" else "NR"
    return f"(KC.min(job.k) * {columns}).next_multiple_of(16)"


def _prefetch_lines(s: Schedule) -> str:
    """The prefetch instructions of one iteration of the k-loop.

    One cache line holds 16 floats: one prefetch of B per 16 columns and k-step, one of A per 16 packed elements.
    """
    lines = []
    for step in range(s.unroll):
        if s.prefetch_b:
            for column in range(0, s.nr, 16):
                lines.append(f"b.wrapping_add({s.prefetch_b + step} * ldb + {column})")
    if s.prefetch_a and s.pack_a == "panel":
        for ahead in range(0, s.mr * s.unroll, 16):
            lines.append(f"a.wrapping_add({s.prefetch_a} * along + {ahead})")
    return "\n".join(f"                _mm_prefetch::<_MM_HINT_T0>({line}.cast());" for line in lines)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
