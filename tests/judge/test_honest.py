"""Unusual honest kernels are not rejected: padded squares, ragged fast schemes, deep recursion."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock.data import ExactData
from harness.judge import search
from harness.judge.inputs import filling, generator
from harness.judge.kernel_runner import KernelRunner
from harness.judge.mixing import _halves
from harness.judge.oracles import named
from harness.judge.reference import normwise_bound, product_f64
from harness.judge.worker.autopsy import WorkerEnd, verdict
from harness.judge.worker.calls import F32, Layout
from harness.judge.worker.limits import LARGEST_PADDED, PADDED_FLOPS_PER_S, time_limit_s
from harness.judge.worker.process import Death
from harness.shapes import Shape
from harness.verdict import At, Crash, Gate, OutOfMemory, Panic, Wrong
from tests.judge.fakes import examination_for, strassen

pytestmark = pytest.mark.slow


def test_a_kernel_may_take_the_time_of_the_padded_square() -> None:
    assert time_limit_s(Shape(3, 1031, 5)) > 2 * 2048**3 / PADDED_FLOPS_PER_S
    assert time_limit_s(Shape(3, LARGEST_PADDED + 1, 5)) < 10
    assert time_limit_s(Shape(0, 2000, 5)) < 10


@given(st.integers(0, 300))
def test_every_row_is_changed_once_while_any_other_row_is_not(extent: int) -> None:
    halves = np.stack([np.zeros(extent, bool), *_halves(extent)])
    apart = halves[:, :, None] & ~halves[:, None, :]
    assert (apart.any(axis=0) | np.eye(extent, dtype=bool)).all()


@given(st.integers(0, 20), st.integers(0, 5000), st.integers(0, 1000))
def test_rows_fill_24_bits_and_every_second_one_has_large_elements_at_any_k(
    rows: int, k: int, seed: int
) -> None:
    x = filling(generator(seed), rows, k)
    assert x.dtype == np.float32
    assert (x == np.trunc(x)).all()
    assert (np.abs(x).sum(axis=1, dtype=np.float64) <= 2**24).all()
    assert (np.count_nonzero(x[::2], axis=1) <= 24).all()


def winograd(a: F32, b: F32, least: int) -> F32:
    """Winograd's variant of Strassen's method in f32, down to blocks of `least`."""
    if len(a) <= least:
        return a @ b
    h = len(a) // 2
    (a11, a12), (a21, a22) = ((x[:, :h], x[:, h:]) for x in (a[:h], a[h:]))
    (b11, b12), (b21, b22) = ((x[:, :h], x[:, h:]) for x in (b[:h], b[h:]))
    s1, t1 = a21 + a22, b12 - b11
    s2, t2 = s1 - a11, b22 - t1
    pairs = (
        (a11, b11),
        (a12, b21),
        (a12 - s2, b22),
        (a22, t2 - b21),
        (s1, t1),
        (s2, t2),
        (a11 - a21, b22 - b12),
    )
    p1, p2, p3, p4, p5, p6, p7 = (winograd(x, y, least) for x, y in pairs)
    u2 = p1 + p6
    u3, u4 = u2 + p7, u2 + p5
    return np.block([[p1 + p2, u4 + p3], [u3 - p4, u3 + p5]])


def padded_to_a_square(a: F32, b: F32, c: F32) -> None:
    """One level of Strassen's scheme on squares with a power of two as edge, where that is above 64."""
    (m, k), n = a.shape, b.shape[1]
    edge = 1 << (max(m, k, n, 1) - 1).bit_length()
    x, y = np.zeros((edge, edge), np.float32), np.zeros((edge, edge), np.float32)
    x[:m, :k], y[:k, :n] = a, b
    z = np.empty_like(x)
    with np.errstate(all="ignore"):
        strassen(1, 65)(x, y, z)
    c[...] = z[:m, :n]


@pytest.mark.parametrize("largest_cube", [600, 60])
def test_infinities_may_meet_the_zeros_of_a_padded_square_where_nothing_else_mixes(
    largest_cube: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cube around the shape shows the padding, and a flat product where the cube would be too large."""
    monkeypatch.setattr(search, "LARGEST_SQUARE", largest_cube)
    oracle, shape = named("special-mixture"), Shape(50, 72, 45)
    for counts_padding, expected in ((True, type(None)), (False, Wrong)):
        with KernelRunner(examination_for(padded_to_a_square), Gate.VALUES) as runner:
            found = search.judge(runner, replace(oracle, counts_padding=counts_padding), shape, 1)
        assert isinstance(found, expected), found


def test_a_kernel_that_mixes_nothing_anywhere_must_treat_infinities_right() -> None:
    def careless(a: F32, b: F32, c: F32) -> None:
        with np.errstate(all="ignore"):
            c[...] = np.where(np.isinf(a @ b), np.float32(np.nan), a @ b)

    with KernelRunner(examination_for(careless), Gate.VALUES) as runner:
        assert isinstance(search.judge(runner, named("special-mixture"), Shape(50, 72, 45), 1), Wrong)


@pytest.mark.parametrize("levels", [4, 6])
def test_the_normwise_bound_has_room_for_deep_schemes_only(levels: int) -> None:
    rng = np.random.default_rng(levels)
    a, b = (rng.uniform(-1, 1, (512, 512)).astype(np.float32) for _ in range(2))
    error = float(np.abs(winograd(a, b, 512 >> levels) - product_f64(a, b)).max())
    assert 0.02 < error / normwise_bound(a, b, levels) < 0.75
    shallow = normwise_bound(a, b)
    assert [normwise_bound(a, b, shown) / shallow for shown in (1, 2, 3, 6, 7, 9)] == [1, 1, 4, 4, 1, 1]
    assert normwise_bound(a[:100, :128], b[:128, :128], 3) == normwise_bound(a[:100, :128], b[:128, :128])


def test_levels_hidden_by_the_padding_have_room_too() -> None:
    """With short k the bound is small, and of 1024 padded rows only 509 show where the scheme spreads them."""
    rng = np.random.default_rng(0)
    x, y = np.zeros((1024, 1024), np.float32), np.zeros((1024, 1024), np.float32)
    x[:509, :30], y[:30, :515] = rng.uniform(-1, 1, (509, 30)), rng.uniform(-1, 1, (30, 515))
    a, b = x[:509, :30], y[:30, :515]
    error = float(np.abs(winograd(x, y, 8)[:509, :515] - product_f64(a, b)).max())
    assert normwise_bound(a, b, 2) < error < normwise_bound(a, b, 3)


@pytest.mark.parametrize("edge", [64, 256, 512])
def test_deep_fast_schemes_stay_exact_on_timed_data(edge: int) -> None:
    rng = generator(edge)
    for _ in range(3):
        inputs = ExactData.draw(rng, Layout.apart(Shape(edge, edge, edge), 1), 1)
        c = winograd(inputs.a[0], inputs.b[0], 8)[np.newaxis]
        assert inputs.verify_fully(c) is None
        assert inputs.verify(c, rng) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("memory allocation of 1099511627776 bytes failed\n", OutOfMemory),
        ("thread 'main' (1) panicked at kernel.rs:4:1:\nmemory allocation of 8 bytes failed\n", Panic),
        ("thread 'main' (1) panicked at kernel.rs:4:1:\n\nCannot allocate memory\n", Panic),
        (
            "\nthread 'main' (1) panicked at kernel.rs:4:1:\nx: TryReserveError { kind: AllocError { layout: Layout",
            OutOfMemory,
        ),
        (
            "\nthread 'main' (1) panicked at x.rs:1:1:\nfailed to spawn thread: Os { code: 11, kind: WouldBlock,",
            OutOfMemory,
        ),
        ("", Crash),
    ],
)
def test_a_panic_is_classified_by_the_message_of_std_not_by_the_candidates_text(
    said: str, expected: type
) -> None:
    death = Death(status=signal.SIGABRT, late=False, trick="", evidence="", output=said)
    assert os.WIFSIGNALED(death.status)
    case = WorkerEnd(At(Gate.SHAPES), 3.0, 1 << 20, (), bytes(4096), loaded=True)
    assert type(verdict(death, case)) is expected
