"""Whether the memory or the threads of a worker grow with every call of a kernel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.judge.kernel_runner import Rejected
from harness.judge.worker.calls import Ran
from harness.verdict import At, Cheat

# The rounds after which memory and threads must not grow any more, and how much either may still grow in total.
SETTLED, GROWTH_BYTES, GROWTH_THREADS = 4, 256 << 10, 3
# The share of rounds in which a leak shows. A small one shows less often, because the heap grows in pieces of 132 KiB;
# but in many rounds it shows in each of three spans, and the size falls in hardly any.
OFTEN, SPANS, MANY, FALLS = 0.75, 3, 9, 1 / 8


def must_not_grow(rounds: Sequence[Ran], at: At, calls: int = 1) -> None:
    """Raise Rejected when memory or threads still grow in rounds of `calls` calls each, again and again and by more
    than a little in total.

    An honest kernel's scratch and pool have their size after a few rounds. Fewer than seven rounds say nothing.
    """
    sizes = np.array([(ran.data_bytes, ran.threads) for ran in rounds[SETTLED:]], np.int64)
    if len(sizes) < 3:
        return
    changes = np.diff(sizes, axis=0)
    always = np.mean(changes > 0, axis=0) >= OFTEN
    if len(changes) >= MANY:
        spans = np.diff(sizes[:: len(changes) // SPANS], axis=0)
        always |= (spans > 0).all(axis=0) & (np.mean(changes < 0, axis=0) <= FALLS)
    grown, number = sizes[-1] - sizes[0], calls * len(changes)
    if always[0] and grown[0] > GROWTH_BYTES:
        text = f"{grown[0] / 2**20:.1f} MiB in {number} calls"
        raise Rejected(Cheat("memory grows with every call", text, at))
    if always[1] and grown[1] > GROWTH_THREADS:
        raise Rejected(Cheat("threads pile up", f"{grown[1]} more in {number} calls", at))
