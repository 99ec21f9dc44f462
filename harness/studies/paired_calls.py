"""Two builds of one library in one process, in turns: the timing process of `python -m harness.studies.taking_home`.

It reads what to time from its standard input and prints the figures as JSON; progress goes to standard error.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

# In the order of FORMS in reference/programs/products/src/lib.rs.
FORMS = (
    "dot NN", "dot NT", "dot TN", "general NN", "general NT", "general TN", "accumulate NN", "accumulate NT",
    "accumulate TN",
)  # fmt: skip
# Batch, tokens, channels and heads of the training step: GPT-2 124M with the batch of llm.c.
BLOCK = (4, 64, 768, 12)
# A turn takes at least so many floating-point operations, about 2 ms.
LEAST_FLOPS = 1e8
# Floating-point operations above which a turn is not preceded by a call that is not timed.
WARM_FLOPS = 1e9
LOSS_TOLERANCE = 1e-4
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A ratio and its 95 % interval."""

    middle: float
    low: float
    high: float


class Products:
    """One build of reference/programs/products."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)
        floats, size = ctypes.POINTER(ctypes.c_float), ctypes.c_size_t
        self._library.products_run.argtypes = [size, size, floats, floats, floats, size]
        self._library.training_new.argtypes = [size] * 6
        self._library.training_new.restype = ctypes.c_void_p
        self._library.training_step.argtypes = [ctypes.c_void_p]
        self._library.training_step.restype = ctypes.c_float

    def run(self, form: int, matrices: Sequence[NDArray[np.float32]], repeats: int) -> None:
        """The product of the first two square matrices into the third, `repeats` times."""
        places = [one.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for one in matrices]
        self._library.products_run(form, len(matrices[0]), *places, repeats)

    def training(self, blas: int = 0, bits: int = 0) -> Callable[[], float]:
        """A block's training step by this build's matrixmultiply, or by the cblas_sgemm at an address."""
        block = self._library.training_new(*BLOCK, blas, bits)
        return lambda: float(self._library.training_step(block))


@dataclass(frozen=True, slots=True)
class TimedProduct:
    """One form of a product of square matrices A, B into C, made `repeats` times in a turn."""

    form: int
    matrices: tuple[NDArray[np.float32], ...]
    repeats: int

    @property
    def flops(self) -> float:
        """Floating-point operations of one turn."""
        return self.repeats * 2.0 * len(self.matrices[0]) ** 3

    def turn(self, side: Products) -> int:
        """CPU time in ns of one build's turn. Small products are preceded by one that is not timed."""
        if self.flops < WARM_FLOPS:
            side.run(self.form, self.matrices, 1)
        # Sums must not grow without bound.
        self.matrices[2].fill(0.5)
        return cpu_ns(lambda: side.run(self.form, self.matrices, self.repeats))


def cpu_ns(work: Callable[[], object]) -> int:
    """CPU time of this thread."""
    began = time.thread_time_ns()
    work()
    return time.thread_time_ns() - began


def median_interval(values: Sequence[float]) -> Interval:
    """The median and its 95 % interval from order statistics, for at least 6 values of any distribution.

    Source: Conover, Practical Nonparametric Statistics, section 3.2: the ranks are quantiles of the binomial
    distribution with p = 1/2.
    """
    ordered, count = sorted(values), len(values)
    below, tail = 0, 0.5**count
    while tail + math.comb(count, below + 1) * 0.5**count <= 0.025:
        below += 1
        tail += math.comb(count, below) * 0.5**count
    return Interval(float(np.median(ordered)), ordered[below], ordered[count - 1 - below])


def mean_interval(cells: Sequence[Sequence[float]], rng: np.random.Generator) -> Interval:
    """The geometric mean of the medians of all cells, and its 95 % bootstrap interval over the pairs of each."""

    def mean(of: Iterator[NDArray[np.float64]]) -> float:
        return float(np.exp(np.mean([np.log(np.median(cell)) for cell in of])))

    arrays = [np.array(cell) for cell in cells]
    draws = [mean(rng.choice(cell, len(cell)) for cell in arrays) for _ in range(_RESAMPLES)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(mean(iter(arrays)), float(low), float(high))


def turns(sides: Sequence[Callable[[], int]], rounds: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """CPU time in ns of each side in each round; the order within a round is random."""
    found = np.zeros((rounds, len(sides)))
    for one in range(rounds):
        for side in rng.permutation(len(sides)):
            found[one, side] = sides[side]()
    return found


def time_products(
    before: Products, after: Products, sizes: Sequence[int], pairs: int, rng: np.random.Generator
) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """A cell and its ratios for every form and size. Raises ValueError when the two builds disagree."""
    for n in sizes:
        matrices = [rng.uniform(-1, 1, (n, n)).astype(np.float32) for _ in range(3)]
        for form, name in enumerate(FORMS):
            _require_equal(before, after, form, matrices)
            work = TimedProduct(form, tuple(matrices), max(1, math.ceil(LEAST_FLOPS / (2.0 * n**3))))
            fewer = pairs if n <= 1024 else max(9, pairs // 2)
            times = turns((partial(work.turn, before), partial(work.turn, after)), fewer, rng)
            ratios = (times[:, 0] / times[:, 1]).tolist()
            speed = work.flops / np.median(times, axis=0)
            found = median_interval(ratios)
            print(
                f"{name} {n}: {found.middle:.3f} [{found.low:.3f}, {found.high:.3f}]",
                file=sys.stderr,
                flush=True,
            )
            cell = {
                "form": name,
                "size": n,
                "before_gflops": float(speed[0]),
                "after_gflops": float(speed[1]),
            }
            yield cell | {"ratio": asdict(found)}, ratios


def _require_equal(
    before: Products, after: Products, form: int, matrices: Sequence[NDArray[np.float32]]
) -> None:
    """Both builds make the same product, up to the error of each: k · u times the sum of |a · b|, which is below k."""
    results = []
    for side in (before, after):
        c = np.full_like(matrices[2], 0.5)
        side.run(form, (matrices[0], matrices[1], c), 1)
        results.append(c)
    n = len(matrices[0])
    if not np.allclose(results[0], results[1], rtol=0, atol=2 * n * n * 2.0**-24 + 1e-6):
        raise ValueError(f"{FORMS[form]} at {n}: before and after differ")


def time_training(
    before: Products, after: Products, asked: dict[str, Any], rounds: int, rng: np.random.Generator
) -> tuple[list[dict[str, Any]], bool]:
    """A row for matrixmultiply, its replacement and BLAS; and whether their losses agree."""
    blas = ctypes.CDLL(asked["blas"])
    address = ctypes.cast(getattr(blas, asked["symbol"]), ctypes.c_void_p).value or 0
    names = ("matrixmultiply", "the replacement", asked["name"])
    steps = (before.training(), after.training(), before.training(address, asked["bits"]))
    losses: list[list[float]] = [[], [], []]
    sides = [
        lambda step=step, seen=seen: cpu_ns(lambda: seen.append(step()))
        for step, seen in zip(steps, losses, strict=True)
    ]
    times = turns(sides, rounds, rng)
    rows = [
        {
            "library": name,
            "step_ms": float(np.median(times[:, side])) / 1e6,
            "ratio": asdict(median_interval((times[:, 0] / times[:, side]).tolist())),
        }
        for side, name in enumerate(names)
    ]
    agree = bool(np.allclose(losses[0], losses[1], rtol=LOSS_TOLERANCE)) and bool(
        np.allclose(losses[0], losses[2], rtol=LOSS_TOLERANCE)
    )
    return rows, agree


def main() -> int:
    """Time what standard input asks for, print the figures."""
    asked = json.load(sys.stdin)
    before, after, rng = Products(asked["before"]), Products(asked["after"]), np.random.default_rng(1)
    timed = list(time_products(before, after, asked["sizes"], asked["pairs"], rng))
    training, agree = time_training(before, after, asked, max(9, asked["pairs"] // 2), rng)
    print(
        json.dumps(
            {
                "cells": [cell for cell, _ in timed],
                "mean": asdict(mean_interval([ratios for _, ratios in timed], rng)),
                "training": training,
                "losses_agree": agree,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
