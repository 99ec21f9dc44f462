"""From paired timings to an interval: median log-ratio, block bootstrap over processes, small-sample correction.

All functions use y = log(t_blas / t_candidate), grouped by process pair: groups[p] holds the pairs of process p.

Timings inside one process share its page placement and neighbours, so they are not independent; processes are (Kalibera
and Jones 2013: repeat at the noisiest level). Hence whole processes are resampled, never single pairs. A percentile
bootstrap over P = 4 … 8 processes covers only 78 … 90 %. So the interval is centre ± t(P−1) · √(P/(P−1)) · SE, where SE
is the bootstrap's standard deviation; the root undoes the bootstrap's variance shrinkage by (P−1)/P (Hesterberg 2015,
"What Teachers Should Know About the Bootstrap", section 3). The tests check its coverage on simulated hierarchical
noise with spikes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
# groups[p] = log-ratios of process pair p
Groups = Mapping[int, Sequence[float]]

RESAMPLES = 400
# Minimum number of processes from which the spread is estimated; with fewer it is assumed.
MIN_PROCESSES = 3
# Assumed half-width, as a log, for fewer processes: ±20 %, more than the spread of single undisturbed runs of
# one kernel on shared virtual machines (frequency, steal, page placement).
FEW_HALF_WIDTH = math.log(1.2)

# Factor on the half-width. A race checks its intervals after every round and stops when they are narrow, which
# favours intervals that are narrow by luck; this factor compensates for it in the simulations of the tests.
PEEKING = 1.15

# Factor for best turns: a bootstrap of minima underestimates the spread, since most resamples contain the one
# minimum (Hesterberg 2015, section 4).
EXTREME = 1.25

# Two-sided 95 % quantiles of Student's t for 1, 2, … degrees of freedom; beyond the table the last one is used,
# which errs on the wide side.
_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """A centre and its 95 % half-width, both logs of the ratio t_blas / t_candidate."""

    centre: float
    half_width: float

    @property
    def ratio(self) -> float:
        """The centre as a ratio; above 1 the candidate is faster."""
        return math.exp(self.centre)

    @property
    def low(self) -> float:
        """The lower end as a ratio."""
        return math.exp(self.centre - self.half_width)

    @property
    def high(self) -> float:
        """The upper end as a ratio."""
        return math.exp(self.centre + self.half_width)

    @property
    def bias(self) -> float:
        """Distance of 0 (equally fast) from the interval, as a log; 0.0 inside."""
        return max(0.0, abs(self.centre) - self.half_width)

    def blurred(self, half_width: float) -> RatioInterval:
        """The same centre with an independent uncertainty (a log, 95 % half-width) added in quadrature."""
        return RatioInterval(self.centre, math.hypot(self.half_width, half_width))

    def widened(self, by: float) -> RatioInterval:
        """The same centre with `by` (a log) added to the half-width."""
        return RatioInterval(self.centre, self.half_width + by)


@dataclass(frozen=True, slots=True)
class Best:
    """The best turns of each process pair: turns[p] = nanoseconds of the candidate and of the baseline.

    The estimate is log(best of the baseline / best of the candidate) over all processes.
    """

    turns: Mapping[int, tuple[float, float]]


def interval(groups: Groups | Best, rng: np.random.Generator) -> RatioInterval:
    """The 95 % interval of the median log-ratio, or of the best turns' log-ratio; `groups` has at least one pair.

    With fewer than MIN_PROCESSES processes the half-width is FEW_HALF_WIDTH, because two runs cannot show their spread.
    """
    order = _processes(groups)
    centre = float(_resampled(groups, order, np.arange(len(order)).reshape(1, -1))[0])
    if len(order) < MIN_PROCESSES:
        return RatioInterval(centre, FEW_HALF_WIDTH)
    picks = rng.integers(0, len(order), (RESAMPLES, len(order)))
    return RatioInterval(centre, _corrected(_resampled(groups, order, picks), len(order)))


def geometric_mean(suite: Sequence[Groups | Best], rng: np.random.Generator) -> RatioInterval:
    """The interval of the mean log-ratio over the shapes of a suite.

    Shapes measured in the same processes share those processes' noise, so one draw of processes serves all shapes of a
    resample; a shape that stopped earlier ignores draws of processes in which it was not measured. Shapes with too few
    processes add their assumed spread in quadrature.
    """
    centre = float(np.mean([interval(groups, rng).centre for groups in suite]))
    known = [groups for groups in suite if len(_processes(groups)) >= MIN_PROCESSES]
    variance = (len(suite) - len(known)) * FEW_HALF_WIDTH**2
    if known:
        order = sorted({process for groups in known for process in _processes(groups)})
        picks = rng.integers(0, len(order), (RESAMPLES, len(order)))
        total = sum(_resampled(groups, order, picks) for groups in known)
        # The smallest number of processes of any shape limits how well the spread is known.
        variance += _corrected(np.asarray(total), min(len(_processes(groups)) for groups in known)) ** 2
    return RatioInterval(centre, math.sqrt(variance) / len(suite))


def _processes(groups: Groups | Best) -> list[int]:
    return sorted(groups.turns if isinstance(groups, Best) else groups)


def _corrected(resampled: F64, processes: int) -> float:
    t = _T95[min(processes - 1, len(_T95)) - 1]
    return PEEKING * t * math.sqrt(processes / (processes - 1)) * float(np.std(resampled))


def _resampled(groups: Groups | Best, order: Sequence[int], picks: NDArray[np.int64]) -> F64:
    """The estimate in each resample; a resample without any process of this shape takes the overall estimate."""
    if isinstance(groups, Best):
        ours, theirs = np.log([groups.turns.get(process, (math.nan, math.nan)) for process in order]).T
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # rows of NaN only
            found = np.nanmin(theirs[picks], axis=1) - np.nanmin(ours[picks], axis=1)
        overall = float(np.nanmin(theirs) - np.nanmin(ours))
    else:
        table = _padded(groups, order)
        found = _medians(table[picks].reshape(len(picks), -1))
        overall = float(_medians(table.reshape(1, -1))[0])
    found = np.where(np.isnan(found), overall, found)
    return overall + EXTREME * (found - overall) if isinstance(groups, Best) else found


def _padded(groups: Groups, order: Sequence[int]) -> F64:
    """One row per process, padded with NaN: shape (processes, most pairs)."""
    width = max(len(pairs) for pairs in groups.values())
    table = np.full((len(order), width), np.nan)
    for row, process in enumerate(order):
        pairs = groups.get(process, ())
        table[row, : len(pairs)] = pairs
    return table


def _medians(rows: F64) -> F64:
    """The median of each row without NaN; NaN for a row of NaN only."""
    ordered = np.sort(rows, axis=1)  # NaN sorts to the end
    counts = np.sum(~np.isnan(rows), axis=1)
    every = np.arange(len(rows))
    low = ordered[every, np.maximum(counts - 1, 0) // 2]
    high = ordered[every, np.minimum(counts // 2, rows.shape[1] - 1)]
    return np.asarray(0.5 * (low + high))
