"""The table at the end: functions that return lines; somebody else prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.verdict import one_line
from harness.visible import visible

# Columns in the order in which they are given up when the terminal is too narrow.
_GIVEN_UP_FIRST = ("parent", "peak", "GFLOP/s", "ms", "algorithm and tile")
_GIVEN_UP_FIRST_BY_SHAPE = ("pairs", "least BLAS ms", "least ms", "GFLOP/s", "BLAS ms", "minima")


def rank(outcomes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Accepted ones by ratio, fastest first, then the rest in the order in which they were judged."""
    accepted = [o for o in outcomes if o["record"]["verdict"] == "Accepted"]
    rest = [o for o in outcomes if o["record"]["verdict"] != "Accepted"]
    return sorted(accepted, key=lambda o: -o["record"]["ratio_to_blas"]) + rest


def results_table(outcomes: Sequence[dict[str, Any]], width: int) -> list[str]:
    """Rank, run, parent, algorithm and tile, ms, GFLOP/s, ratio with interval, verdict; never wider than `width`."""
    rows = [_row(place, outcome) for place, outcome in enumerate(rank(outcomes), start=1)]
    return _fitted(rows, width, _GIVEN_UP_FIRST)


def _fitted(rows: list[dict[str, str]], width: int, given_up_first: Sequence[str]) -> list[str]:
    """The table without as many of `given_up_first` as it takes; what is too wide even then is cut."""
    for count in range(len(given_up_first) + 1):
        lines = _lines([{k: v for k, v in row.items() if k not in given_up_first[:count]} for row in rows])
        if max((len(line) for line in lines), default=0) <= width:
            return lines
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]


def _lines(rows: list[dict[str, str]]) -> list[str]:
    from tabulate import tabulate

    right = {"#", "ms", "BLAS ms", "least ms", "least BLAS ms", "GFLOP/s", "peak", "minima", "pairs"}
    align = ["right" if key in right else "left" for key in rows[0]] if rows else []
    return tabulate(
        rows, headers="keys", tablefmt="simple", disable_numparse=True, colalign=align or None
    ).splitlines()


def _row(place: int, outcome: dict[str, Any]) -> dict[str, str]:
    record, manifest = outcome["record"], outcome.get("manifest", {})
    accepted = record["verdict"] == "Accepted"
    return {
        "#": str(place) if accepted else "-",
        "run": visible(record["candidate"]),
        "parent": one_line(manifest.get("parent") or "-"),
        "algorithm and tile": algorithm(manifest),
        "ms": f"{record['time_ms']:.2f}" if accepted else "",
        "GFLOP/s": f"{record['gflops']:.1f}" if accepted else "",
        "peak": f"{_peak(outcome):.0f} %" if accepted else "",
        "ratio to BLAS": (
            f"{record['ratio_to_blas']:.3f} [{record['ratio_low']:.3f}, {record['ratio_high']:.3f}]"
            if accepted
            else ""
        ),
        "verdict": _verdict(record, manifest),
    }


def _verdict(record: dict[str, Any], manifest: dict[str, Any]) -> str:
    if record["verdict"] != "Accepted":
        if manifest.get("expect") == "rejected":
            return f"rejected, as it must be: {record['verdict']} ({record['gate']})"
        return f"REJECTED: {record['verdict']} ({record['gate']})"
    marks = [] if record["sandboxed"] else ["unsandboxed"]
    marks += [record["numerics"]] if record["numerics"] != "componentwise" else []
    return "accepted, " + ", ".join([record["tier"], *marks])


def _peak(outcome: dict[str, Any]) -> float:
    shapes = outcome.get("per_shape") or []
    named = [s for s in shapes if s["shape"] == outcome["record"]["shape"]]
    return float(named[0]["percent_of_peak"]) if named else 0.0


def algorithm(manifest: dict[str, Any]) -> str:
    """ "avx512 14x32 kc384" from a proposal; the title where there is none."""
    proposal = manifest.get("proposal") or {}
    schedule = proposal.get("schedule")
    # A manifest may hold anything below [proposal].
    if not schedule or not isinstance(schedule, dict):
        return one_line(manifest.get("title") or str(proposal.get("algorithm") or "-"), 34)
    family = str(schedule.get("family", ""))
    # With intrinsics the vector unit says it all; a safe kernel says so.
    words = [str(schedule.get("isa", "")) if family == "packed_intrinsics" else family]
    if schedule.get("mr") and schedule.get("nr"):
        words.append(f"{schedule['mr']}x{schedule['nr']}")
    if schedule.get("kc"):
        words.append(f"kc{schedule['kc']}")
    return one_line(" ".join(word for word in words if word), 34)


def shape_lines(outcome: dict[str, Any], width: int) -> list[str]:
    """Each timed shape of one accepted candidate; never wider than `width`.

    "minima" is the ratio of the least times seen on either side.
    """
    rows = [
        {
            "shape": s["shape"],
            "ratio to BLAS": f"{s['ratio']:.3f} [{s['ratio_low']:.3f}, {s['ratio_high']:.3f}]",
            "minima": f"{s['min_baseline_time_ns'] / s['min_time_ns']:.3f}",
            "ms": f"{s['time_ns'] / 1e6:.4g}",
            "least ms": f"{s['min_time_ns'] / 1e6:.4g}",
            "BLAS ms": f"{s['baseline_time_ns'] / 1e6:.4g}",
            "least BLAS ms": f"{s['min_baseline_time_ns'] / 1e6:.4g}",
            "GFLOP/s": f"{s['gflops']:.1f}",
            "peak": f"{s['percent_of_peak']:.0f} %",
            "pairs": str(s["pairs"]),
        }
        for s in outcome.get("per_shape", [])
    ]
    return _fitted(rows, width, _GIVEN_UP_FIRST_BY_SHAPE)
