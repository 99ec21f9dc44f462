"""Whether a verdict that came from another machine can be one: numbers of a possible size, text that can be shown."""

from __future__ import annotations

import math
from typing import Any

from harness.candidate import LARGEST_RATIO, LEAST_RATIO, Manifest
from harness.verdict import Accepted, Score, ShapeTiming
from harness.visible import visible

# No machine and no time of a call is outside of these: nanoseconds, GFLOP/s, GB/s, percent of a peak.
_LEAST, _LARGEST = 1e-6, 1e15
_MOST_PAIRS, _MOST_THREADS = 10**9, 10**5


def impossible(verdict: Accepted, suite: str, manifest: Manifest) -> str | None:
    """Why an accepted kernel's verdict cannot be one for this suite and manifest; None when it can."""
    from harness.clock import suites

    score = verdict.score
    wanted = list(suites.parse(suites.name_for(suite, manifest.operation)))
    if [one.shape for one in score.per_shape] != wanted:
        return "the timed shapes are not those of the suite"
    if not all(_is_ratio(*triple) for triple in _triples(score)):
        return "a ratio is no number of a possible size"
    if not all(_is_timing(one) for one in score.per_shape):
        return "a time, a rate or an error is not a number of a possible size"
    ceilings = score.ceilings
    rates = () if ceilings is None else (
        ceilings.fma_gflops, ceilings.l1_gbps, ceilings.l2_gbps, ceilings.l3_gbps, ceilings.memory_gbps
    )  # fmt: skip
    if not all(map(_is_size, rates)):
        return "a ceiling of the machine is not a number of a possible size"
    if not 1 <= score.threads <= _MOST_THREADS or len(score.baseline) > 300:
        return "the number of threads or the baseline is no possible one"
    if verdict.tier != manifest.tier or verdict.numerics not in ("componentwise", "normwise"):
        return "the tier or the numerics are not those of the candidate"
    return None


def _triples(score: Score) -> list[tuple[float, float, float]]:
    """Every ratio with its interval, as low, ratio, high."""
    found = [(score.ratio_low, score.ratio, score.ratio_high), (score.aa_low, 1.0, score.aa_high)]
    found += [(one.ratio_low, one.ratio, one.ratio_high) for one in score.per_shape]
    if score.elsewhere is not None:
        found.append((score.elsewhere.ratio_low, score.elsewhere.ratio, score.elsewhere.ratio_high))
    if score.installed_ratio is not None:
        found.append((score.installed_ratio,) * 3)
    return found


def _is_ratio(low: float, ratio: float, high: float) -> bool:
    return all(LEAST_RATIO <= value <= LARGEST_RATIO for value in (low, ratio, high)) and low <= high


def _is_timing(one: ShapeTiming) -> bool:
    times = (one.time_ns, one.baseline_time_ns, one.min_time_ns, one.min_baseline_time_ns)
    rates = (one.gflops, one.percent_of_peak)
    errors = [error for error in (one.error, one.baseline_error) if error is not None]
    return (
        all(map(_is_size, (*times, *rates)))
        and all(math.isfinite(error) and error >= 0 for error in errors)
        and 0 <= one.pairs <= _MOST_PAIRS
    )


def _is_size(value: float) -> bool:
    return _LEAST <= value <= _LARGEST


def legible(plain: Any) -> Any:
    """Plain data with every text in it as `visible` shows it; lines and tabs stay."""
    if isinstance(plain, str):
        return visible(plain, keep="\n\t")
    if isinstance(plain, dict):
        return {visible(str(key)): legible(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [legible(value) for value in plain]
    return plain
