"""The data of timed turns: exact or real, laid out in a batch, verified, and hard to cache."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock.batches import Batch
from harness.clock.data import ExactData, RealData, TurnData
from harness.judge.inputs import generator
from harness.judge.reference import EXACT_LIMIT
from harness.judge.worker.calls import Layout, Slot
from harness.operation.forms import CallForm
from harness.shapes import Shape, TimedForm

shapes = st.builds(Shape, st.integers(1, 40), st.integers(1, 60), st.integers(1, 40))
seeds = st.integers(0, 2**48 - 1)


def layout_of(shape: Shape, count: int, crossed: bool = True) -> Layout:
    return Layout.crossed(shape, count) if crossed else Layout.apart(shape, count)


def batch_of(layout: Layout, gap: int = 16) -> Batch:
    """Consecutive, zeroed slots in one block of memory, laid out as the clock's placement does."""

    def lay(count: int, rows: int, cols: int) -> list[np.ndarray]:
        memory = np.zeros(count * (rows * cols + gap), np.float32)
        starts = [index * (rows * cols + gap) for index in range(count)]
        return [memory[start : start + rows * cols].reshape(rows, cols) for start in starts]

    (m, k, n), pairs = layout.shape, layout.pairs
    a, b, c = lay(layout.a_count, m, k), lay(layout.b_count, k, n), lay(len(pairs), m, n)
    return Batch(layout, [Slot(layout.shape, a[i], b[j], c[at]) for at, (i, j) in enumerate(pairs)])


layouts = st.builds(layout_of, shapes, st.integers(1, 6), st.booleans()).flatmap(
    lambda layout: st.integers(0, 2**32).map(lambda seed: layout.shuffled(generator(seed)))
)


@given(shapes, st.integers(1, 600))
def test_crossed_batches_are_as_long_as_requested_and_need_few_inputs(shape: Shape, count: int) -> None:
    found = Layout.crossed(shape, count)
    assert count <= len(found.pairs) <= 1.25 * count
    assert set(found.pairs) == {(i, j) for i in range(found.a_count) for j in range(found.b_count)}
    assert found.is_crossed
    assert found.bytes <= Layout.apart(shape, len(found.pairs)).bytes
    assert sorted(found.shuffled(generator(count)).pairs) == sorted(found.pairs)


@given(layouts, seeds, st.sampled_from([0, 3]), st.integers(0, 3))
def test_inputs_are_exact_in_every_order_and_never_zero(
    layout: Layout, seed: int, levels: int, turns: int
) -> None:
    rng, shape = generator(seed), layout.shape
    inputs = ExactData.draw(rng, layout, levels)
    for _ in range(turns):
        inputs = inputs.successor(rng)
    assert inputs.a.shape == (layout.a_count, shape.m, shape.k)
    assert inputs.b.shape == (layout.b_count, shape.k, shape.n)
    for i, j in layout.pairs:
        a, b = inputs.a[i], inputs.b[j]
        assert np.all(a != 0)
        assert np.all(b != 0)
        # Without the powers of two, the smallest step and the largest sum are at most 24 bits apart.
        sums = np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64))
        step = 2.0 ** (_lowest_bit(a)[:, None] + _lowest_bit(b.T)[None, :])
        assert np.all(sums / step <= EXACT_LIMIT)


def _lowest_bit(rows: np.ndarray) -> np.ndarray:
    """The exponent of the smallest bit set in any number of each row."""
    exponents = []
    for row in rows.astype(np.float64):
        mantissa, exponent = np.frexp(row)
        whole = (np.abs(mantissa) * 2**53).astype(np.int64)
        exponents.append(np.min(exponent - 53 + np.log2(whole & -whole)))
    return np.array(exponents)


def products(inputs: TurnData) -> np.ndarray:
    i, j = np.array(inputs.layout.pairs).T
    return (inputs.a[i].astype(np.float64) @ inputs.b[j].astype(np.float64)).astype(np.float32)


@given(layouts, seeds)
def test_a_successor_differs_everywhere_on_one_side_and_once_in_each_matrix_of_the_other(
    layout: Layout, seed: int
) -> None:
    rng = generator(seed)
    before = ExactData.draw(rng, layout, 0)
    kept = before.a.copy(), before.b.copy()
    after = before.successor(rng)
    assert np.array_equal(before.a, kept[0])
    assert np.array_equal(before.b, kept[1])
    changed = [(np.asarray(x != y)).sum(axis=(1, 2)) for x, y in ((before.a, after.a), (before.b, after.b))]
    assert any(np.all(counts == 1) for counts in changed)


@given(layouts, seeds)
def test_the_product_passes_in_any_order_of_summation(layout: Layout, seed: int) -> None:
    inputs = ExactData.draw(generator(seed), layout, 0)
    i, j = np.array(layout.pairs).T
    c = np.zeros((len(layout.pairs), layout.shape.m, layout.shape.n), np.float32)
    for p in reversed(range(layout.shape.k)):
        c += inputs.a[i][:, :, p : p + 1] * inputs.b[j][:, p : p + 1, :]
    assert inputs.verify(c, generator(seed + 1)) is None
    assert inputs.verify_fully(c) is None


@given(layouts, seeds, st.data())
def test_one_wrong_element_is_found_and_named(layout: Layout, seed: int, data: st.DataObject) -> None:
    """Freivalds misses one element with probability 1/1024 per run, and in all three runs once in 10⁹."""
    inputs = ExactData.draw(generator(seed), layout, 0)
    c = products(inputs)
    which, row, col = (data.draw(st.integers(0, extent - 1)) for extent in c.shape)
    wrong = data.draw(st.sampled_from([np.nan, np.inf, -np.inf, 0.0, None]))
    before = float(c[which, row, col])
    c[which, row, col] = np.nextafter(c[which, row, col], np.float32(np.inf)) if wrong is None else wrong
    if float(c[which, row, col]) == before:
        return
    found = next(filter(None, (inputs.verify(c, generator(seed + extra)) for extra in range(3))), None)
    for answer in (found, inputs.verify_fully(c)):
        assert answer is not None
        assert (answer.row, answer.col) == (row, col)


@given(layouts, seeds)
def test_two_swapped_results_are_found(layout: Layout, seed: int) -> None:
    inputs = ExactData.draw(generator(seed), layout, 0)
    c = products(inputs)
    c[[0, -1]] = c[[-1, 0]]
    if not np.array_equal(c[0], c[-1]):
        assert any(inputs.verify(c, generator(seed + extra)) is not None for extra in range(3))
        assert inputs.verify_fully(c) is not None


@given(st.integers(1, 40), seeds, st.booleans())
def test_long_batches_are_verified_in_chunks_up_to_the_last_element(
    count: int, seed: int, crossed: bool
) -> None:
    inputs = ExactData.draw(generator(seed), layout_of(Shape(3, 2, 4), count, crossed), 0)
    c = products(inputs)
    c[-1, 2, 3] += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.clock.data.CHUNK", 5 * 12)
        found = next(filter(None, (inputs.verify(c, generator(seed + extra)) for extra in range(3))), None)
    assert found is not None
    assert (found.row, found.col) == (2, 3)


@given(layouts, seeds, st.sampled_from([0, 16]), st.sampled_from([ExactData, RealData]))
def test_the_batch_holds_the_inputs_and_c_holds_no_answer(
    layout: Layout, seed: int, gap: int, kind: type[ExactData] | type[RealData]
) -> None:
    """With even and uneven spacing, every slot gets its data, and reading returns what is in the slots."""
    batch, rng = batch_of(layout, gap), generator(seed)
    data = kind.draw(rng, layout, 0)
    batch.lay(data, rng)
    into = np.zeros((len(layout.pairs), layout.shape.m, layout.shape.n), np.float32)
    assert data.verify_fully(batch.outputs(into)) is not None
    for slot, (i, j) in zip(batch.slots, layout.pairs, strict=True):
        assert np.array_equal(slot.a, data.a[i])
        assert np.array_equal(slot.b, data.b[j])
        slot.c[...] = slot.a.astype(np.float64) @ slot.b.astype(np.float64)
    assert batch.outputs(into) is into
    assert data.verify_fully(into) is None
    assert data.verify(into, rng) is None


def test_the_fill_of_c_before_a_turn_varies() -> None:
    layout = Layout.apart(Shape(8, 2, 8), 1)
    batch, rng = batch_of(layout), generator(4)
    seen = set()
    for _ in range(40):
        batch.lay(ExactData.draw(rng, layout, 0), rng)
        c = batch.slots[0].c
        assert len(np.unique(c.view(np.uint32))) > 32, "it differs from element to element"
        seen.add("nan" if np.isnan(c).all() else "large" if np.abs(c).min() > 1e30 else "ordinary")
    assert seen == {"nan", "large", "ordinary"}


# ---- reals


def textbook(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One sum for each element, in the order of k, rounded to f32 at every step."""
    c = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for p in range(a.shape[1]):
        c += a[:, p : p + 1] * b[p : p + 1, :]
    return c


def multiplied(data: TurnData, kernel: object = textbook) -> np.ndarray:
    return np.stack([kernel(data.a[i], data.b[j]) for i, j in data.layout.pairs])  # type: ignore[operator]


@given(layouts, seeds)
def test_a_textbook_sum_of_reals_passes(layout: Layout, seed: int) -> None:
    data = RealData.draw(generator(seed), layout, 0)
    c = multiplied(data)
    assert data.verify(c, generator(seed + 1)) is None
    assert data.verify_fully(c) is None


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [64, 1000, 4096])
def test_a_textbook_sum_of_reals_passes_at_large_k(k: int, seed: int) -> None:
    data = RealData.draw(generator(seed), Layout.crossed(Shape(48, k, 40), 4), 0)
    assert data.verify(multiplied(data), generator(seed + 1)) is None


@given(layouts, seeds, st.sampled_from([1e-2, 1e-4]))
def test_the_relative_error_is_measured_over_whole_rows(layout: Layout, seed: int, off: float) -> None:
    data = RealData.draw(generator(seed), layout, 0)
    exact = np.stack([data.a[i].astype(float) @ data.b[j].astype(float) for i, j in data.layout.pairs])
    assert data.relative_error(exact, generator(seed)) < 1e-9
    assert data.relative_error(exact * (1 + off), generator(seed)) == pytest.approx(off, rel=1e-3)


def test_the_relative_error_of_f32_is_a_few_roundings() -> None:
    data = RealData.draw(generator(7), Layout.crossed(Shape(48, 1000, 40), 4), 0)
    assert 1e-8 < data.relative_error(multiplied(data), generator(8)) < 1e-5


def bf16(x: np.ndarray) -> np.ndarray:
    return (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def shortened(bits: int) -> object:
    """A kernel that rounds its operands to the given number of mantissa bits."""
    mask = np.uint32(0xFFFFFFFF << (24 - bits) & 0xFFFFFFFF)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return textbook(
            (a.view(np.uint32) & mask).view(np.float32), (b.view(np.uint32) & mask).view(np.float32)
        )

    return kernel


WRONG_ON_REALS = {
    "bf16 inputs": lambda a, b: textbook(bf16(a), bf16(b)),
    "11 bits, as TF32": shortened(11),
    "18 bits": shortened(18),
    "a tenth of k left out": lambda a, b: textbook(a[:, : -(a.shape[1] // 10)], b[: -(b.shape[0] // 10)]),
    "every other row copied": lambda a, b: textbook(a[np.arange(len(a)) // 2 * 2], b),
    "the last column zero": lambda a, b: textbook(a, b) * (np.arange(b.shape[1]) < b.shape[1] - 1),
    "one row zero": lambda a, b: textbook(a, b) * (np.arange(len(a)) != 17)[:, None],
    "zeros": lambda a, b: np.zeros((len(a), b.shape[1]), np.float32),
    "not a number": lambda a, b: np.full((len(a), b.shape[1]), np.nan, np.float32),
}


@pytest.mark.parametrize("trick", WRONG_ON_REALS)
@pytest.mark.parametrize("shape", [Shape(64, 64, 64), Shape(96, 512, 80)])
def test_a_kernel_that_does_less_work_on_reals_is_found_in_every_turn(trick: str, shape: Shape) -> None:
    for seed in range(5):
        data = RealData.draw(generator(seed), Layout.crossed(shape, 4), 0)
        c = multiplied(data, WRONG_ON_REALS[trick]).astype(np.float32)
        found = data.verify(c, generator(seed + 1))
        assert found is not None
        assert found.row is not None


@pytest.mark.parametrize("trick", ["bf16 inputs", "a tenth of k left out", "zeros", "one row zero"])
def test_the_normwise_tier_has_its_own_bound(trick: str) -> None:
    for seed in range(5):
        data = RealData.draw(generator(seed), Layout.crossed(Shape(64, 64, 64), 4), 1)
        assert data.verify(multiplied(data), generator(seed)) is None
        c = multiplied(data, WRONG_ON_REALS[trick]).astype(np.float32)
        assert data.verify(c, generator(seed + 1)) is not None


@given(layouts, seeds)
def test_an_untouched_output_never_passes(layout: Layout, seed: int) -> None:
    batch, rng = batch_of(layout), generator(seed)
    inputs = ExactData.draw(rng, layout, 0)
    batch.lay(inputs, rng)
    for slot in batch.slots[:-1]:
        slot.c[...] = slot.a.astype(np.float64) @ slot.b.astype(np.float64)
    into = np.empty((len(layout.pairs), layout.shape.m, layout.shape.n), np.float32)
    found = next(
        filter(None, (inputs.verify(batch.outputs(into), generator(seed + e)) for e in range(3))), None
    )
    assert found is not None


def test_every_renewal_writes_new_inputs_to_the_same_addresses() -> None:
    layout = Layout.crossed(Shape(8, 9, 10), 4)
    batch, rng = batch_of(layout), generator(1)
    inputs, seen = ExactData.draw(rng, layout, 0), set()
    for _ in range(20):
        batch.lay(inputs, rng)
        seen |= {(slot.a.tobytes(), slot.b.tobytes()) for slot in batch.slots}
        inputs = inputs.successor(rng)
    assert len(seen) == 80


def test_wide_columns_stay_exact() -> None:
    """At n = 100 000 the verification itself must not round."""
    inputs = ExactData.draw(generator(3), Layout.apart(Shape(2, 40, 100_000), 1), 0)
    c = products(inputs)
    assert all(inputs.verify(c, generator(seed)) is None for seed in range(10))


# ---- timed forms of sgemm

FORMS = [
    TimedForm(13, 21, 17, letters, adds, alpha)
    for letters, adds, alpha in (
        ("nt", False, 1.0),
        ("nn", True, 1.0),
        ("tn", True, 0.125),
        ("tt", False, 8.0),
    )
]


def formed(form: TimedForm) -> Layout:
    return Layout.crossed(form.plain, 4, CallForm.of(form))


def results(inputs: TurnData, *, adds: float = 1.0, alpha: float = 1.0) -> np.ndarray:
    """What a right kernel leaves in C; the arguments are the factors of a wrong one."""
    i, j = np.array(inputs.layout.pairs).T
    assert inputs.layout.form is not None
    found = (
        inputs.layout.form.alpha * alpha * (inputs.a[i].astype(np.float64) @ inputs.b[j].astype(np.float64))
    )
    held = 0.0 if inputs.before is None else adds * inputs.before
    return (found + held).astype(np.float32)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", [ExactData, RealData])
@given(seeds)
def test_a_right_update_of_c_passes_and_a_wrong_one_is_found(
    kind: type[ExactData] | type[RealData], form: TimedForm, seed: int
) -> None:
    rng = generator(seed)
    inputs: TurnData = kind.draw(rng, formed(form), 0)
    for _ in range(2):
        right = results(inputs)
        assert inputs.verify(right, rng) is None
        assert inputs.verify_fully(right) is None
        wrong = [results(inputs, alpha=2.0)]
        wrong += [results(inputs, adds=0.0), results(inputs, adds=2.0)] if form.adds else []
        for c in wrong:
            assert inputs.verify(c, rng) is not None
            assert inputs.verify_fully(c) is not None
        inputs = inputs.successor(rng)


@pytest.mark.parametrize("form", [form for form in FORMS if form.adds], ids=str)
@given(seeds)
def test_added_integers_are_exact_in_any_order(form: TimedForm, seed: int) -> None:
    inputs = ExactData.draw(generator(seed), formed(form), 0)
    assert inputs.before is not None
    i, j = np.array(inputs.layout.pairs).T
    c = np.repeat(inputs.before[None], len(i), axis=0)
    for p in range(form.k):
        c += np.float32(form.alpha) * inputs.a[i][:, :, p : p + 1] * inputs.b[j][:, p : p + 1, :]
    assert inputs.verify_fully(c) is None
    assert np.all(inputs.before != 0)


def test_c_holds_what_is_added_to_and_else_poison() -> None:
    for form in FORMS:
        inputs = ExactData.draw(generator(7), formed(form), 0)
        batch = batch_of(inputs.layout)
        batch.lay(inputs, generator(8))
        for slot in batch.slots:
            assert np.array_equal(slot.c, inputs.before) if form.adds else not np.any(slot.c == 0)


@pytest.mark.parametrize("k", [1, 2, 3, 8, 40])
@pytest.mark.parametrize("fused", [False, True])
def test_a_kernel_may_start_from_c_and_add_term_by_term(k: int, fused: bool) -> None:
    """C is then rounded with each of the k sums, so that its share of the error grows with k."""
    for seed in range(60):
        data = RealData.draw(generator(seed), formed(TimedForm(7, k, 9, "nn", True)), 0)
        assert data.before is not None
        c = np.empty((len(data.layout.pairs), 7, 9), np.float32)
        for at, (i, j) in enumerate(data.layout.pairs):
            total = data.before
            for p in range(k):
                term = data.a[i][:, p : p + 1].astype(np.float64) * data.b[j][p].astype(np.float64)
                total = (total + (term if fused else term.astype(np.float32))).astype(np.float32)
            c[at] = total
        assert data.verify_fully(c) is None, seed
        assert data.verify(c, generator(seed + 1)) is None, seed
