"""An outside yardstick: netlib's level-3 test (sblat3, routine SGEMM).

Sizes {0,1,2,3,5,9}³, threshold 16, operands from its generator SBEG. For matmul with what its contract has of the
parameters: alpha = 1, beta = 0, no transposition; the padding of leading dimensions is done by placement: every matrix
lies between fences, so that what sblat3 finds by looking at the padding is a fault here. For sgemm in full: alpha 0, 1,
0.7; beta 0, 1, 1.3; every transposition, column-major, one unused element after each column.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.candidate import Tier
from harness.judge.kernel_runner import KernelRunner, Rejected
from harness.judge.reference import product_f64
from harness.judge.updates import GemmUpdate
from harness.judge.worker.calls import F32, Placement
from harness.operation.forms import CallForm, by_columns, by_rows
from harness.operation.operations import SGEMM
from harness.shapes import Shape
from harness.verdict import Crash, Gate
from tests.judge.rust_kernels import INTRINSICS, PADDED, STRASSEN, TEXTBOOK
from tests.judge.test_rust import examination
from tests.operation.kernels import SAFE, UNSAFE

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


def in_columns(shape: Shape, transposed: tuple[bool, bool]) -> CallForm:
    """Column-major operands as in Fortran, each stored transposed or not; LDA, LDB and LDC are one too large."""
    m, k, n = shape
    a = by_rows(k, 1) if transposed[0] else by_columns(m, 1)
    b = by_rows(n, 1) if transposed[1] else by_columns(k, 1)
    return CallForm(a, b, by_columns(m, 1))


def update_ratio(update: GemmUpdate, got: F32) -> float:
    """SMMCH's ratio with alpha and beta: |C − Ĉ| / (eps · (|alpha|·|A|·|B| + |beta|·|C|)); NaN counts as infinite."""
    former = None if update.c is None else np.abs(update.c)
    sizes = GemmUpdate(np.abs(update.a), np.abs(update.b), former, update.form).wanted()
    error = np.abs(got - update.wanted()) / EPSILON
    ratio = np.where(sizes > 0, error / np.where(sizes > 0, sizes, 1), np.where(error == 0, 0, np.inf))
    return float(np.where(np.isnan(ratio), np.inf, ratio).max(initial=0))


@pytest.mark.parametrize("tier", ["safe", "unsafe"])
@pytest.mark.parametrize("transposed", list(itertools.product((False, True), repeat=2)))
def test_sgemm_stays_below_the_threshold_in_full(
    tier: Tier, transposed: tuple[bool, bool], tmp_path: Path
) -> None:
    source, numbers = SAFE if tier == "safe" else UNSAFE, sbeg()
    scalars = list(itertools.product((0.0, 1.0, 0.7), (0.0, 1.0, 1.3)))
    under_test = examination(source, tmp_path, operation=SGEMM, tier=tier)
    worst, calls = 0.0, 0
    with KernelRunner(under_test, Gate.SHAPES) as runner:
        for alpha, beta in scalars:
            updates = []
            for sizes in itertools.product(SIZES, repeat=3):
                shape = Shape(*sizes)
                a, b = operands(shape, numbers)
                former = operands(Shape(shape.m, shape.n, 0), numbers)[0]
                update = GemmUpdate(a, b, None, in_columns(shape, transposed))
                updates.append(update.scaled(alpha, beta, former if beta else None))
            for update, got in zip(updates, runner.updates(updates, 1, Placement.RIGHT), strict=True):
                worst, calls = max(worst, update_ratio(update, got)), calls + 1
    assert worst < THRESHOLD
    assert calls == 216 * 9
