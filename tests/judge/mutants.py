"""One mutant for each oracle: a kernel that only this oracle rejects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.judge.examination import Examination, LaunchJudgeWorker
from harness.judge.oracles import REGISTRY
from harness.judge.oracles.conduct import BETWEEN
from harness.judge.reference import shape_of
from harness.judge.worker.calls import F32
from harness.settings import Profile
from harness.shapes import Shape
from tests.judge.counting_mutants import (
    does_nothing_after_500_calls,
    loses_an_update_in_one_call,
    wrong_after_400_medium_calls,
    wrong_from_the_tenth_large_call_on,
)
from tests.judge.fakes import (
    Kernel,
    examination_around,
    honest,
    launching,
    strassen,
)
from tests.judge.keeps_copies import keeps_b_at

TIMED = Shape(48, 80, 112)


def lab_of(launch: LaunchJudgeWorker, *disabled: str) -> Examination:
    settings = {"profile": Profile.QUICK, "timed_shapes": (TIMED,), "threads": "all", "cores": 2}
    return examination_around(launch, disabled=frozenset(disabled), **settings)


def spoil(when: Callable[[F32, F32], bool]) -> Callable[[], Kernel]:
    """A correct kernel, except for one element when the condition holds."""

    def kernel(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        if c.size and when(a, b):
            c.flat[-1] += 1 + abs(c.flat[-1])

    return lambda: kernel


def bits(x: F32, kept: int) -> F32:
    """Rounded to `kept` bits of mantissa, half up."""
    raw = x.view(np.uint32).astype(np.uint64)
    cut = 24 - kept
    return (((raw + (1 << (cut - 1))) >> cut) << cut).astype(np.uint32).view(np.float32)


def is_real(x: F32) -> bool:
    """Whether some element uses the last bit of its mantissa, which the oracles' integers do not."""
    return bool((x.view(np.uint32) & 1).any()) and 2.0**-100 < float(np.abs(x).max()) < np.inf


def small_whole(x: F32) -> bool:
    """Small integers, as the oracles of structure use."""
    return bool((x == np.rint(x)).all()) and float(np.abs(x).max(initial=0)) < 10


def without_runs(a: F32, b: F32) -> bool:
    """Small integers, of both signs in every row of A and every column of B."""
    whole = small_whole(a) and small_whole(b)
    return whole and all(bool(((x > 0).any(axis=i) & (x < 0).any(axis=i)).all()) for i, x in ((1, a), (0, b)))


def short_mantissa_where(when: Callable[[Shape], bool]) -> Callable[[], Kernel]:
    """Rounds real inputs to 8 bits at some shapes."""

    def kernel(a: F32, b: F32, c: F32) -> None:
        short = when(shape_of(a, b)) and is_real(a) and is_real(b)
        np.matmul(*((bits(a, 8), bits(b, 8)) if short else (a, b)), out=c)

    return lambda: kernel


def gives_the_last_product_for_nearly_equal_inputs() -> Kernel:
    last: list[tuple[F32, F32, F32]] = []

    def kernel(a: F32, b: F32, c: F32) -> None:
        for x, y, z in last:
            near = shape_of(x, y) == shape_of(a, b) and is_real(a)
            if near and all(np.allclose(*pair, rtol=2.0**-16, atol=0) for pair in ((a, x), (b, y))):
                c[...] = z
                return
        honest(a, b, c)
        last[:] = [(a.copy(), b.copy(), c.copy())]

    return kernel


def unknown_shape(a: F32, b: F32) -> bool:
    """True for shapes that are not in the judge's fixed lists."""
    examination = lab_of(launching(lambda: honest))
    of_matmul = [oracle for oracle in REGISTRY if not oracle.needs_forms]
    known = {shape for oracle in of_matmul for shape in oracle.plan(examination)} | set(BETWEEN)
    return shape_of(a, b) not in known


def adds_to_c() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        c += a @ b

    return kernel


def coarse_sums() -> Kernel:
    fast = strassen(1, 2)

    def kernel(a: F32, b: F32, c: F32) -> None:
        fast(a, b, c)
        wide = not small_whole(a) or not small_whole(b)
        wide = wide and all((x == np.rint(x)).all() for x in (a, b))
        c[...] = bits(c, 16) if wide and a.shape[1] > 200 and min(c.shape) > 30 else c

    return kernel


def short_mantissa_on_reals() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        # Columns of A with different scales at the timed shape, as only graded reals have.
        graded = shape_of(a, b) == TIMED and bool(a.all()) and is_real(a) and is_real(b)
        graded = graded and float(np.ptp(np.log2(np.abs(a).max(axis=0)))) > 15
        np.matmul(*((bits(a, 8), bits(b, 8)) if graded else (a, b)), out=c)

    return kernel


def short_mantissa_between_0_and_1() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        plain = max(shape_of(a, b)) <= 30 and all(
            x.size > 140 and x.min() > 0 and x.max() < 1 for x in (a, b)
        )
        np.matmul(*((bits(a, 8), bits(b, 8)) if plain and len(a) != 9 else (a, b)), out=c)

    return kernel


def split_in_16_bits() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        sparse = a.shape[1] >= 200 and not (a.all() and b.all())
        sparse = sparse and all(np.abs(x[x != 0]).min(initial=1) > 2.0**-120 for x in (a, b))
        np.matmul(*((bits(a, 16), bits(b, 16)) if sparse else (a, b)), out=c)

    return kernel


def noisy_where_it_is_timed() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        if shape_of(a, b) == TIMED and a.all() and is_real(a):
            signs = np.arange(c.size).reshape(c.shape) * 2654435761 >> 13 & 1
            c *= 1 + np.float32(2.0**-18) * (2 * signs - 1).astype(np.float32)

    return kernel


def short_mantissa_far_from_zero(larger: bool) -> Callable[[], Kernel]:
    """bf16 where all of A is positive and within a factor of three; only in products beyond 130, or only in others."""

    def kernel(a: F32, b: F32, c: F32) -> None:
        known = (
            (a.size > 130**2) == larger
            and a.size >= 81
            and is_real(a)
            and float(a.min()) > float(a.max()) / 3
        )
        honest(*((bits(a, 8), b) if known else (a, b)), c)

    return lambda: kernel


def flushes_small() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        # Rows with different scales and a short range, as only scaled reals have.
        size = np.abs(a)
        apart = a.size > 0 and bool(a.all()) and is_real(a) and is_real(b)
        apart = apart and float(size.max()) > 2.0**50 * float(size.min())
        apart = apart and float((size.max(axis=1) / size.min(axis=1)).max()) < 2.0**12.5
        np.matmul(np.where((size < 2.0**-12) & apart, np.float32(0), a), b, out=c)

    return kernel


def residue_in_zero_rows() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        if min(a.shape) > 30 and is_real(a):
            c[~a.any(axis=1)] = 1e-40

    return kernel


def flush_to_zero() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        tiny = np.float32(2.0**-126)
        flushed: list[F32] = [np.where(np.abs(x) < tiny, np.float32(0), x) for x in (a, b)]
        np.matmul(*(flushed if a.size < 1000 else (a, b)), out=c)

    return kernel


def flush_to_zero_when_large() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        tiny = np.float32(2.0**-126)
        flushed: list[F32] = [np.where(np.abs(x) < tiny, np.float32(0), x) for x in (a, b)]
        finite = bool(np.isfinite(a).all() and np.isfinite(b).all())
        np.matmul(*(flushed if a.size > 10000 and finite else (a, b)), out=c)

    return kernel


def skips_zeros() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        if len(a) >= 24:
            honest(a, b, c)
            return
        c[...] = 0
        for p in range(a.shape[1]):
            some = a[:, p] != 0
            c[some] += np.outer(a[some, p], b[p])

    return kernel


def negates_twice() -> Kernel:
    def kernel(a: F32, b: F32, c: F32) -> None:
        if len(a) >= 24:
            honest(a, b, c)
            return
        c[...] = -(-a @ b)

    return kernel


def caches_b_keyed_by_its_first_rows() -> Kernel:
    packed: dict[tuple[Shape, bytes], F32] = {}

    def kernel(a: F32, b: F32, c: F32) -> None:
        key = shape_of(a, b), b[:2].tobytes()
        np.matmul(a, packed.setdefault(key, b.copy()) if a.shape[0] in (66, 130) else b, out=c)

    return kernel


def remembers_the_last_call() -> Kernel:
    last = [Shape(0, 0, 0)]

    def kernel(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        if last[0] == BETWEEN[-1] and is_real(a):
            c.view(np.uint32)[...] ^= 1
        last[0] = shape_of(a, b)

    return kernel


def keeps_nan_for_the_next_call() -> Kernel:
    dirty = [False]

    def kernel(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        if dirty[0] and c.size:
            c.flat[-1] = np.nan
        dirty[0] = 0 < a.size < 700**2 and bool(np.isnan(a).all())

    return kernel


def remembers_a_shape_by_its_number_of_products() -> Kernel:
    last = [Shape(0, 0, 0)]

    def kernel(a: F32, b: F32, c: F32) -> None:
        honest(a, b, c)
        shape = shape_of(a, b)
        even = shape.flops > 0 and not any(extent % 2 for extent in shape)
        if even and shape != last[0] and shape.flops == last[0].flops:
            c[-1] = 0
        last[0] = shape

    return kernel


def renews_b_for_the_same_c_only() -> Kernel:
    kept: list[tuple[F32, F32, F32]] = []

    def kernel(a: F32, b: F32, c: F32) -> None:
        used = [copy for known, into, copy in kept if known is b and into is not c and b.size > 400]
        honest(a, used[0] if used else b, c)
        kept[:] = [(b, c, b.copy())]

    return kernel


def at(*shape: int) -> Callable[[F32, F32], bool]:
    return lambda a, b: shape_of(a, b) == shape


MUTANTS: dict[str, Callable[[], Kernel]] = {
    "exact": spoil(at(65, 67, 63)),
    "off-diagonal": spoil(
        lambda a, b: (
            min(a.shape) > 30
            and not a[: len(a) // 2, : a.shape[1] // 2].any()
            and not a[len(a) // 2 :, a.shape[1] // 2 :].any()
            and np.count_nonzero(a) > 100
        )
    ),
    "degenerate": spoil(at(9, 0, 3)),
    "one-hot": spoil(lambda a, b: a.size == 17 * 9 and np.count_nonzero(a) == 1),
    "patterns": spoil(lambda a, b: len(a) > 3 and a.size > 20 and bool((a == a[0]).all() and a.any())),
    "edges": spoil(lambda a, b: shape_of(a, b) == (31, 33, 32) and small_whole(a)),
    "elongated": spoil(lambda a, b: len(b) > 1500 and 9 < max(len(a), len(b.T)) < 24 and small_whole(a)),
    "extents": spoil(lambda a, b: len(a) == 43 and max(b.shape) < 20 and small_whole(a)),
    "regions": spoil(lambda a, b: 600 <= len(b.T) <= 900 and len(a) < 300 and small_whole(a)),
    "relatives": spoil(lambda a, b: len(a) > 300 and np.count_nonzero(b) == 1),
    "medium": spoil(lambda a, b: a.shape[1] == 768 and small_whole(a)),
    "placements": spoil(
        lambda a, b: (
            (len(a) % 4, a.shape[1] % 8, b.shape[1] % 4) == (0, 4, 3)
            and 123 < min(a.shape) <= max(b.shape) < 244
            and small_whole(a)
        )
    ),
    "near-timed": spoil(
        lambda a, b: 0 < np.abs(np.subtract(shape_of(a, b), TIMED)).max() <= 3 and without_runs(a, b)
    ),
    "timed-shapes": spoil(
        lambda a, b: shape_of(a, b) == TIMED and without_runs(a, b) and 2 * np.count_nonzero(a) > a.size
    ),
    "drawn": spoil(unknown_shape),
    "poison": adds_to_c,
    "wide-mantissa": coarse_sums,
    "distributions": short_mantissa_between_0_and_1,
    "componentwise": short_mantissa_on_reals,
    "graded": split_in_16_bits,
    "rounding": noisy_where_it_is_timed,
    "reals-everywhere": short_mantissa_where(lambda shape: min(shape) > 130 and max(shape) <= 300),
    "small-everywhere": short_mantissa_where(lambda shape: shape == (31, 33, 32)),
    "practical": short_mantissa_far_from_zero(larger=False),
    "practical-larger": short_mantissa_far_from_zero(larger=True),
    "resolution": gives_the_last_product_for_nearly_equal_inputs,
    "special-mixture": spoil(lambda a, b: min(shape_of(a, b)) > 300 and bool(np.isnan(b).any())),
    "pattern-mixture": spoil(
        lambda a, b: len(b.T) != min(len(a), len(b)) > 300 and small_whole(a) and not without_runs(a, b)
    ),
    "scaling": flushes_small,
    "zero-rows": residue_in_zero_rows,
    "subnormal": flush_to_zero,
    "subnormal-rows": flush_to_zero_when_large,
    "nonfinite": skips_zeros,
    "signed-zero": negates_twice,
    "fresh-values": caches_b_keyed_by_its_first_rows,
    "determinism": remembers_the_last_call,
    "races": loses_an_update_in_one_call,
    "call-count": does_nothing_after_500_calls,
    "dirty-scratch": keeps_nan_for_the_next_call,
    "permutations": remembers_a_shape_by_its_number_of_products,
    "other-outputs": renews_b_for_the_same_c_only,
    "crossed-operands": keeps_b_at(TIMED),
    "large-calls": wrong_from_the_tenth_large_call_on,
    "long-history": wrong_after_400_medium_calls,
    "same-slice": spoil(np.shares_memory),
}
