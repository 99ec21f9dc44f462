"""The tables of a session as lists of lines; the caller prints them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.operation.operations import OperationName
from harness.records import Outcome
from harness.report.gate_report import ManifestFacts, VerdictReport
from harness.verdict import ShapeTiming, one_line
from harness.visible import visible

# Columns that are dropped, in this order, until the table fits the terminal.
_DROPPED_FIRST = ("parent", "peak", "GFLOP/s", "ms", "algorithm and tile", "elsewhere")
_SHAPE_COLUMNS_DROPPED_FIRST = (
    "BLAS error", "error", "pairs", "least BLAS ms", "least ms", "GFLOP/s", "BLAS ms", "minima",
)  # fmt: skip
# Columns of numbers, which are aligned on the right.
_NUMBERS = {
    "#", "ms", "BLAS ms", "least ms", "least BLAS ms", "GFLOP/s", "peak", "minima", "pairs", "error", "BLAS error",
}  # fmt: skip


def rank(verdicts: Sequence[VerdictReport]) -> list[VerdictReport]:
    """Accepted candidates by ratio, fastest first; then those not timed, then the others, each in the order judged."""
    accepted = [verdict for verdict in verdicts if verdict.accepted]
    untimed = [verdict for verdict in verdicts if verdict.untimed]
    others = [verdict for verdict in verdicts if not (verdict.accepted or verdict.untimed)]
    return sorted(accepted, key=lambda verdict: -verdict.record.claimed_ratio) + untimed + others


def results_table(verdicts: Sequence[VerdictReport], width: int) -> list[str]:
    """One row per candidate: rank, run, parent, tile, times, ratio with interval, verdict; at most `width` wide.

    With workers of several kinds there is a column for each further kind of machine.
    """
    others = {(one.record.candidate, one.machine): one for one in verdicts if one.machine}
    machines = sorted({machine for _, machine in others})
    rows = []
    for place, verdict in enumerate(rank([one for one in verdicts if not one.machine]), start=1):
        row = _row(place, verdict)
        last = row.pop("verdict")
        for machine in machines:
            row[machine] = _machine_cell(others.get((verdict.record.candidate, machine)))
        rows.append(row | {"verdict": last})
    return _fitted(rows, width, _DROPPED_FIRST)


def _machine_cell(verdict: VerdictReport | None) -> str:
    """What another machine found, in a few words: the ratio with its interval, or the outcome; "-" for nothing."""
    if verdict is None:
        return "-"
    record = verdict.record
    if not verdict.accepted or not record.ratio_to_blas:
        return str(record.outcome)
    return f"{record.ratio_to_blas:.2f} [{record.ratio_low:.2f}, {record.ratio_high:.2f}]"


def ratio_cell(verdict: VerdictReport) -> str:
    """The ratio to BLAS with its 95 % interval, "1.152 [1.142, 1.162]"; empty when there is none."""
    record = verdict.record
    if not record.ratio_to_blas:
        return ""
    return f"{record.ratio_to_blas:.3f} [{record.ratio_low:.3f}, {record.ratio_high:.3f}]"


def _fitted(rows: list[dict[str, str]], width: int, dropped_first: Sequence[str]) -> list[str]:
    """The table with as few of `dropped_first` removed as needed; lines that are still too wide are cut."""
    for count in range(len(dropped_first) + 1):
        lines = _lines([{k: v for k, v in row.items() if k not in dropped_first[:count]} for row in rows])
        if max((len(line) for line in lines), default=0) <= width:
            return lines
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]


def _lines(rows: list[dict[str, str]]) -> list[str]:
    from tabulate import tabulate

    align = ["right" if key in _NUMBERS else "left" for key in rows[0]] if rows else []
    return tabulate(
        rows, headers="keys", tablefmt="simple", disable_numparse=True, colalign=align or None
    ).splitlines()


def _row(place: int, verdict: VerdictReport) -> dict[str, str]:
    record, accepted = verdict.record, verdict.accepted
    return {
        "#": str(place) if accepted else "-",
        "run": visible(record.candidate),
        "parent": one_line(verdict.manifest.parent or "-"),
        "algorithm and tile": algorithm(verdict.manifest),
        "ms": f"{record.time_ms:.2f}" if accepted else "",
        "GFLOP/s": f"{record.gflops:.1f}" if accepted else "",
        "peak": f"{verdict.percent_of_peak:.0f} %" if accepted else "",
        "ratio to BLAS": ratio_cell(verdict) if accepted else "",
        "elsewhere": f"{record.elsewhere:.3f}" if accepted and record.elsewhere else "",
        "verdict": _verdict_cell(verdict),
    }


def _verdict_cell(verdict: VerdictReport) -> str:
    record = verdict.record
    if record.outcome is Outcome.REJECTED:
        expected = verdict.manifest.expect == "rejected"
        return f"{'rejected, as expected' if expected else 'REJECTED'}: {record.verdict} ({record.gate})"
    if record.outcome is Outcome.UNJUDGED:
        return f"NOT JUDGED: {record.verdict} ({record.gate})"
    marks = [] if record.sandboxed else ["unsandboxed"]
    marks += [record.numerics] if record.numerics != "componentwise" else []
    operation = [] if record.operation == OperationName.MATMUL else [record.operation]
    return ", ".join([record.outcome, *operation, record.tier, *marks])


def algorithm(manifest: ManifestFacts) -> str:
    """The proposed kernel in a few words, "avx512 14x32 kc384"; the manifest's title without a proposal."""
    proposal = manifest.proposal or {}
    schedule = proposal.get("schedule")
    # The [proposal] table of a manifest may hold anything.
    if not schedule or not isinstance(schedule, dict):
        return one_line(manifest.title or str(proposal.get("algorithm") or "-"), 34)
    family = str(schedule.get("family", ""))
    # The vector unit describes a kernel with intrinsics; for the others the family says more.
    words = [str(schedule.get("isa", "")) if family.endswith("_intrinsics") else family]
    if schedule.get("mr") and schedule.get("nr"):
        words.append(f"{schedule['mr']}x{schedule['nr']}")
    if schedule.get("kc"):
        words.append(f"kc{schedule['kc']}")
    return one_line(" ".join(word for word in words if word), 34)


def error_cell(error: float | None) -> str:
    """A relative error, "1.4e-07"; "-" where none was measured."""
    return "-" if error is None else f"{error:.1e}"


def error_at_largest(timings: Sequence[ShapeTiming]) -> str:
    """The relative error at the shape with the most work, beside that of BLAS; empty where none was measured."""
    largest = max(timings, key=lambda timing: timing.shape.flops, default=None)
    if largest is None or largest.error is None:
        return ""
    return (
        f"relative error at {largest.shape} {error_cell(largest.error)}, "
        f"BLAS {error_cell(largest.baseline_error)}"
    )


def shape_lines(timings: Sequence[ShapeTiming], width: int) -> list[str]:
    """One line per timed shape, at most `width` wide; "minima" is the ratio of both sides' least times, "error" the
    relative error in the Frobenius norm.
    """
    rows = [
        {
            "shape": str(t.shape),
            "ratio to BLAS": f"{t.ratio:.3f} [{t.ratio_low:.3f}, {t.ratio_high:.3f}]",
            "minima": f"{t.min_baseline_time_ns / t.min_time_ns:.3f}",
            "ms": f"{t.time_ns / 1e6:.4g}",
            "least ms": f"{t.min_time_ns / 1e6:.4g}",
            "BLAS ms": f"{t.baseline_time_ns / 1e6:.4g}",
            "least BLAS ms": f"{t.min_baseline_time_ns / 1e6:.4g}",
            "GFLOP/s": f"{t.gflops:.1f}",
            "peak": f"{t.percent_of_peak:.0f} %",
            "pairs": str(t.pairs),
            "error": error_cell(t.error),
            "BLAS error": error_cell(t.baseline_error),
        }
        for t in timings
    ]
    return _fitted(rows, width, _SHAPE_COLUMNS_DROPPED_FIRST)
