"""An outside yardstick: netlib's level-3 test (sblat3, routine SGEMM) with what the contract has of its parameters.

Sizes {0,1,2,3,5,9}³, alpha = 1, beta = 0, no transposition, threshold 16, operands from its generator SBEG. The
padding of leading dimensions is done by placement: every matrix lies between fences, so that what sblat3 finds by
looking at the padding is a fault here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.judge.kernel_runner import KernelRunner, Rejected
from harness.judge.reference import product_f64
from harness.judge.worker.calls import F32, Placement
from harness.shapes import Shape
from harness.verdict import Crash, Gate
from tests.judge.rust_kernels import INTRINSICS, PADDED, STRASSEN, TEXTBOOK
from tests.judge.test_rust import examination

SIZES = (0, 1, 2, 3, 5, 9)
THRESHOLD = 16.0
EPSILON = float(np.finfo(np.float32).eps)


def sbeg() -> Iterator[float]:
    """SBEG of sblat3: I ← I·891 mod 1000 from 7, once more at every fifth number, (I − 500)/1001."""
    i = 7
    for count in itertools.count(1):
        i = i * 891 % 1000
        if count % 5 == 0:
            i = i * 891 % 1000
        yield (i - 500) / 1001


def operands(shape: Shape, numbers: Iterator[float]) -> tuple[F32, F32]:
    def matrix(rows: int, cols: int) -> F32:
        return np.array(list(itertools.islice(numbers, rows * cols)), np.float32).reshape(rows, cols)

    return matrix(shape.m, shape.k), matrix(shape.k, shape.n)


def worst_ratio(a: F32, b: F32, c: F32) -> float:
    """SMMCH's: the largest |C − Ĉ| / (eps · (|A|·|B|)), NaN-safe: a NaN counts as infinite."""
    size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    error = np.abs(c - product_f64(a, b)) / EPSILON
    ratio = np.where(size > 0, error / np.where(size > 0, size, 1), np.where(error == 0, 0, np.inf))
    return float(np.where(np.isnan(ratio), np.inf, ratio).max(initial=0))


@pytest.mark.parametrize("placement", Placement)
@pytest.mark.parametrize(
    "source", [TEXTBOOK, PADDED, INTRINSICS, STRASSEN], ids=("textbook", "padded", "avx", "strassen")
)
def test_honest_kernels_stay_below_the_threshold(source: str, placement: Placement, tmp_path: Path) -> None:
    numbers = sbeg()
    pairs = [operands(Shape(*sizes), numbers) for sizes in itertools.product(SIZES, repeat=3)]
    with KernelRunner(examination(source, tmp_path), Gate.SHAPES) as runner:
        products = runner.products(pairs, 1, placement)
    worst = max(worst_ratio(a, b, c) for (a, b), c in zip(pairs, products, strict=True))
    assert worst < THRESHOLD
    assert len(products) == 216


def test_half_precision_is_above_the_threshold(tmp_path: Path) -> None:
    source = TEXTBOOK.replace("a[i * k + p] *", "f32::from_bits(a[i * k + p].to_bits() & 0xffff_0000) *")
    pairs = [operands(Shape(9, 9, 9), sbeg())]
    with KernelRunner(examination(source, tmp_path), Gate.SHAPES) as runner:
        (product,) = runner.products(pairs, 1)
    assert worst_ratio(*pairs[0], product) > THRESHOLD


@pytest.mark.parametrize(
    ("placement", "index"),
    [(Placement.RIGHT, "(i * k + p + 1)"), (Placement.LEFT, "(i * k + p).wrapping_sub(1)")],
)
def test_an_access_to_the_padding_faults(placement: Placement, index: str, tmp_path: Path) -> None:
    source = TEXTBOOK.replace("a[i * k + p]", f"unsafe {{ *a.as_ptr().wrapping_add{index} }}")
    with (
        KernelRunner(examination(source, tmp_path), Gate.SHAPES) as runner,
        pytest.raises(Rejected) as rejected,
    ):
        runner.products([operands(Shape(2, 3, 4), sbeg())], 1, placement)
    assert isinstance(rejected.value.rejection, Crash)
