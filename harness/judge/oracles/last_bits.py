"""The last bits of results: sums in f32 use all 24 bits of the mantissa."""

from __future__ import annotations

import numpy as np

from harness.judge.reference import F64, first_wrong
from harness.judge.worker.calls import F32
from harness.verdict import Counterexample

# Number of rounded results from which their last bits mean something, and the least share of either value of that bit.
ENOUGH, LEAST_SHARE = 128, 0.15


def short(got: F32, want: F64, name: str) -> Counterexample | None:
    """None when the last bits of the results are mixed, else the first element; `want` is the product in f64.

    Kills results, or sums of blocks, that are rounded to 23 bits or fewer, which for a deep k hides below the rounding
    errors of an f32 sum. Only results that f32 must round are counted. In an honest kernel, about half of them are odd
    in the last place, or down to a third where the last addition cancels.
    """
    with np.errstate(all="ignore"):
        rounded = (
            np.isfinite(got) & (np.abs(got) > np.finfo(np.float32).tiny) & (want != want.astype(np.float32))
        )
    odd = (got.view(np.uint32) & 1 == 1)[rounded]
    share = float(np.mean(odd)) if odd.size >= ENOUGH else 0.5
    if LEAST_SHARE <= share <= 1 - LEAST_SHARE:
        return None
    return first_wrong(
        got, ~rounded, want, f"the last bit of results is nearly always {int(share > 0.5)} on {name}"
    )
