"""The last bits of results: sums in f32 use all 24 bits of the mantissa."""

from __future__ import annotations

import numpy as np

from harness.judge.reference import F64, first_wrong
from harness.judge.worker.calls import F32
from harness.verdict import Counterexample

# Number of rounded results from which their last bits mean something.
ENOUGH = 512
# The least share of either value of that bit: for any k, and for k = 2.
LEAST_SHARE, LEAST_SHARE_OF_TWO = 0.1, 0.04


def short(got: F32, want: F64, k: int, name: str) -> Counterexample | None:
    """None when the last bits of the results are mixed, else the first element; `want` is the product in f64.

    Kills results, or sums of blocks, that are rounded to 23 bits or fewer, which for a deep k hides below the rounding
    errors of an f32 sum. Only results that f32 must round are counted. In an honest kernel, half of them are odd in the
    last place, and fewer where the last addition joins two sums of the same binade. If that addition moves the result
    to the next binade, it drops one bit: half of the results need no rounding, the others are halfway and become even,
    so a quarter is odd. If it cancels, the last place stays empty. Over all orders of summation a fifth was odd at
    least. The exception is k = 2 with products of one magnitude: half of its additions cancel, so an eighth is odd.
    """
    least = LEAST_SHARE_OF_TWO if k == 2 else LEAST_SHARE
    with np.errstate(all="ignore"):
        rounded = (
            np.isfinite(got) & (np.abs(got) > np.finfo(np.float32).tiny) & (want != want.astype(np.float32))
        )
    odd = (got.view(np.uint32) & 1 == 1)[rounded]
    share = float(np.mean(odd)) if odd.size >= ENOUGH else 0.5
    if least <= share <= 1 - least:
        return None
    return first_wrong(
        got, ~rounded, want, f"the last bit of results is nearly always {int(share > 0.5)} on {name}"
    )
