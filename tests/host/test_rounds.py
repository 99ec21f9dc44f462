"""Honest kernels in the worker: round trips, placements, batches, threads, needs of std."""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import baseline
from harness.errors import HarnessFaultError, UserError
from harness.judge.worker.calls import Abi, Placement, Program, Ran, WorkerLimits
from harness.judge.worker.client import Capacity, Worker
from harness.judge.worker.limits import limits_for, time_limit_s
from harness.judge.worker.shared_memory import PAGE, Region, plan
from harness.machine import usable_cores
from harness.shapes import Shape
from tests.host.support import AT, NAIVE, SMALL, fill, host, library, verdict, worker

DEGENERATE = [(0, 4, 5), (4, 0, 5), (4, 5, 0), (0, 0, 0)]
SHAPES = [Shape(*s) for s in [(1, 1, 1), (5, 7, 9), (64, 64, 64), (33, 129, 17), *DEGENERATE]]


@pytest.mark.parametrize("sandboxed", [True, False])
def test_every_shape_and_placement_gives_the_product(sandboxed: bool) -> None:
    with worker(shapes=SHAPES, sandboxed=sandboxed) as w:
        for placement in Placement:
            slots = w.slots(SHAPES, placement)
            fill(slots)
            ran = w.run(slots, at=AT, limit_s=20)
            assert isinstance(ran, Ran)
            assert ran.elapsed_ns > 0
            assert ran.fp_env_restored
            for slot in slots:
                np.testing.assert_array_equal(slot.c, slot.a @ slot.b)


def test_a_batch_of_several_hundred_runs_in_one_order_and_again_with_new_values() -> None:
    shapes = [Shape(6, 5, 4)] * 400
    with worker(shapes=shapes) as w:
        slots = tuple(w.slots(shapes, Placement.ALIGNED))
        for seed in (1, 2):
            fill(slots, seed)
            assert isinstance(w.run(slots, at=AT, limit_s=20), Ran)
            assert all(np.array_equal(s.c, s.a @ s.b) for s in slots)
        fill(slots, 3)
        assert isinstance(w.run(slots[10:20], at=AT, limit_s=20), Ran)
        done = [i for i, s in enumerate(slots) if np.array_equal(s.c, s.a @ s.b)]
        assert done == list(range(10, 20))


def test_a_slot_of_a_former_layout_is_refused() -> None:
    with worker() as w:
        old = w.slots([SMALL], Placement.RIGHT)
        w.slots([SMALL], Placement.LEFT)
        with pytest.raises(HarnessFaultError, match="former layout"):
            w.run(old, at=AT, limit_s=5)


def test_what_does_not_fit_is_refused_before_it_runs() -> None:
    with worker() as w, pytest.raises(HarnessFaultError, match="ask for more capacity"):
        w.slots([Shape(8192, 8192, 8192)], Placement.ALIGNED)


HONEST = {
    "scoped threads": """
        if m == 0 || n == 0 { return }
        std::thread::scope(|s| for (i, row) in c.chunks_mut(n).enumerate() {
            s.spawn(move || right(1, k, n, &a[i * k..(i + 1) * k], b, row));
        })""",
    "hash map": """
        let mut seen = std::collections::HashMap::new();
        for i in 0..m { seen.insert(i, i); }
        right(seen.len(), k, n, a, b, c)""",
    "large packing and freeing": """
        for _ in 0..20 { let v: Vec<f32> = (0..4_000_000).map(|i| i as f32).collect(); std::hint::black_box(&v); }
        right(m, k, n, a, b, c)""",
    "large array on the stack": """
        let buffer = [1.0f32; 1 << 20]; std::hint::black_box(&buffer);
        right(m, k, n, a, b, c)""",
    "prints": """
        println!("hello"); eprintln!("hello");
        right(m, k, n, a, b, c)""",
    "sleeps, names a thread": """
        std::thread::Builder::new().name("worker".into())
            .spawn(|| std::thread::sleep(std::time::Duration::from_millis(2))).unwrap().join().unwrap();
        right(m, k, n, a, b, c)""",
    "environment of its own": """
        assert_eq!(std::env::var("RAYON_NUM_THREADS").unwrap(), "2");
        assert!(std::env::var("HOME").is_err());
        right(m, k, n, a, b, c)""",
    "counts the cores it was given": """
        assert_eq!(std::thread::available_parallelism().unwrap().get(), CORES);
        right(m, k, n, a, b, c)""",
    "detects features": """
        #[cfg(target_arch = "x86_64")] { std::hint::black_box(is_x86_feature_detected!("avx2")); }
        right(m, k, n, a, b, c)""",
    "catches nothing, allocates aligned": """
        let layout = std::alloc::Layout::from_size_align(1 << 22, 4096).unwrap();
        let p = std::alloc::alloc_zeroed(layout); assert!(!p.is_null()); std::alloc::dealloc(p, layout);
        right(m, k, n, a, b, c)""",
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_uses_of_std_are_not_disturbed(name: str) -> None:
    extra = f"const CORES: usize = {len(usable_cores()[:2])};"
    with worker(HONEST[name], extra, threads=2) as w:
        for _ in range(2):
            left = set()
            # A joined thread may be stopped at its last instructions; a thread that stays is there every time.
            for _ in range(5):
                slots = w.slots([SMALL], Placement.RIGHT)
                fill(slots)
                ran = w.run(slots, at=AT, limit_s=20, inspect=True)
                assert isinstance(ran, Ran), ran
                left.add(ran.threads)
            assert min(left) == 1
            np.testing.assert_array_equal(slots[0].c, slots[0].a @ slots[0].b)


def test_a_thread_per_row_is_slow_but_honest() -> None:
    shape = Shape(1000, 20, 30)
    body = """
        let gate = std::sync::Barrier::new(m);
        std::thread::scope(|s| for (i, row) in c.chunks_mut(n).enumerate() {
            let gate = &gate;
            s.spawn(move || { gate.wait(); right(1, k, n, &a[i * k..(i + 1) * k], b, row) });
        })"""
    with worker(body, shapes=[shape], threads=2) as w:
        slots = w.slots([shape], Placement.RIGHT)
        fill(slots)
        ran = w.run(slots, at=AT, limit_s=30)
        assert isinstance(ran, Ran), ran
        np.testing.assert_array_equal(slots[0].c, slots[0].a @ slots[0].b)


def test_one_core_means_one_core() -> None:
    body = "assert_eq!(std::thread::available_parallelism().unwrap().get(), 1); right(m, k, n, a, b, c)"
    assert isinstance(verdict(body, threads=1), Ran)


def test_the_null_program_gives_the_empty_round_trip() -> None:
    limits = limits_for(SMALL, 1, usable_cores()[:1])
    with Worker(host(), Program(None, "", Abi.NULL), limits, Capacity.of([SMALL])) as w:
        slots = w.slots([SMALL], Placement.ALIGNED)
        fill(slots)
        ran = w.run(slots, at=AT, limit_s=5)
        assert isinstance(ran, Ran)
        assert np.isnan(slots[0].c).all()


@pytest.mark.parametrize("sandboxed", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_numpys_blas_runs_in_the_same_host(sandboxed: bool, threads: int) -> None:
    blas = baseline.find(None).program
    shapes = [*SHAPES, Shape(300, 200, 250)]
    limits = limits_for(shapes, threads, usable_cores()[:threads])
    with Worker(host(), blas, limits, Capacity.of(shapes), sandboxed) as w:
        slots = w.slots(shapes, Placement.ALIGNED)
        fill(slots)
        ran = w.run(slots, at=AT, limit_s=20, inspect=True)
        assert isinstance(ran, Ran), ran
        for slot in slots:
            np.testing.assert_array_equal(slot.c, slot.a @ slot.b)


def test_a_kernel_that_changes_the_rounding_is_seen_and_the_next_run_starts_afresh() -> None:
    body = """
        #[cfg(target_arch = "x86_64")] {
            let mut old: u32 = 0;
            std::arch::asm!("stmxcsr [{}]", in(reg) &mut old);
            if old & 0x8040 != 0 { right(m, k, n, a, b, c); c[0] = -1.0; return }
            let new = old | 0x8040;
            std::arch::asm!("ldmxcsr [{}]", in(reg) &new);
        }
        right(m, k, n, a, b, c)"""
    with worker(body) as w:
        for _ in range(2):
            slots = w.slots([SMALL], Placement.RIGHT)
            fill(slots)
            ran = w.run(slots, at=AT, limit_s=5)
            assert isinstance(ran, Ran)
            assert not ran.fp_env_restored
            np.testing.assert_array_equal(slots[0].c, slots[0].a @ slots[0].b)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="MXCSR is a register of x86-64")
def test_a_constructor_cannot_leave_another_rounding_mode_for_the_calls() -> None:
    extra = """
        unsafe fn mxcsr() -> u32 { let mut now = 0u32; std::arch::asm!("stmxcsr [{}]", in(reg) &mut now); now & !63 }
        static mut AT_START: u32 = 0;
        #[used] #[link_section = ".init_array"] static START: extern "C" fn() = { extern "C" fn start() { unsafe {
            let new = mxcsr() | 0x8040; std::arch::asm!("ldmxcsr [{}]", in(reg) &new);
            AT_START = mxcsr(); } } start };"""
    body = "assert_eq!(AT_START, 0x9fc0); assert_eq!(mxcsr(), 0x1f80); right(m, k, n, a, b, c)"
    ran = verdict(body, extra)
    assert isinstance(ran, Ran), ran
    assert ran.fp_env_restored


def test_cpu_time_of_all_threads_is_counted() -> None:
    """Each of two threads computes until its own clock says 20 ms."""
    extra = 'extern "C" { fn clock_gettime(clock: c_int, time: *mut i64) -> c_int; }'
    body = """
        std::thread::scope(|s| for _ in 0..2 { s.spawn(|| unsafe {
            let mut time = [0i64; 2];
            while time[1] < 20_000_000 { clock_gettime(3, time.as_mut_ptr()); } }); });
        right(m, k, n, a, b, c)"""
    ran = verdict(body, extra, threads=2)
    assert isinstance(ran, Ran)
    assert ran.cpu_ns >= 40_000_000


def test_a_library_without_the_symbol_is_the_harnesss_fault_and_a_bad_blas_the_users() -> None:
    limits = limits_for(SMALL, 1, usable_cores()[:1])
    with pytest.raises(UserError, match="cannot be used"):
        Worker(host(), Program(library(NAIVE), "cblas_sgemm", Abi.CBLAS32), limits, Capacity.of([SMALL]))


def test_closing_twice_is_harmless_and_a_closed_worker_says_so() -> None:
    with worker() as w:
        slots = w.slots([SMALL], Placement.RIGHT)
        assert isinstance(w.run(slots, at=AT, limit_s=5), Ran)
        w.close()
        for use in (
            lambda: w.slots([SMALL], Placement.RIGHT),
            lambda: w.run(slots, at=AT, limit_s=5),
            w.idle_cpu_ns,
        ):
            with pytest.raises(HarnessFaultError, match="closed"):
                use()
    w.close()


@given(
    st.lists(st.integers(0, 3 * PAGE // 4).map(lambda n: 4 * n), min_size=1, max_size=30),
    st.sampled_from(Placement),
)
def test_planned_blocks_are_aligned_apart_and_fenced(sizes: list[int], placement: Placement) -> None:
    region = Region("plan", sum(sizes) + 68 * len(sizes), writable=True)
    try:
        offsets, ranges = plan(sizes, placement, region, 2)
    finally:
        region.close()
    spans = sorted((o, o + s) for o, s in zip(offsets, sizes, strict=True) if s)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert all(o % 4 == 0 and o + s <= region.size for o, s in zip(offsets, sizes, strict=True))
    for start, end in spans:
        inside = [r for r in ranges if r.start <= start and end <= r.start + r.length]
        assert len(inside) == 1
        if placement is Placement.RIGHT:
            assert end == inside[0].start + inside[0].length
        if placement is Placement.LEFT:
            assert start == inside[0].start
        if placement is Placement.UNALIGNED:
            assert start % 64 == 4
    if placement is not Placement.ALIGNED:
        edges = sorted((r.start, r.start + r.length) for r in ranges)
        assert all(end + PAGE <= start for (_, end), (start, _) in pairwise(edges))
        assert all(start >= PAGE and end + PAGE <= region.size for start, end in edges)


def test_limits_are_generous_to_strassen_and_stop_a_kernel_that_keeps_every_product() -> None:
    cube = Shape(1024, 1024, 1024)
    limits = limits_for(cube, 1, (0,))
    assert isinstance(limits, WorkerLimits)
    assert 20 * 4 * 1024**2 * 3 < limits.memory_bytes < 4 * 1024**3
    assert limits_for([SMALL, cube], 1, (0,)) == limits
    assert limits_for(cube, 2, (0, 1)).memory_bytes > limits.memory_bytes
    assert time_limit_s(cube) >= 30
    assert time_limit_s(SMALL) < 10
    assert time_limit_s(SMALL, 1000) >= time_limit_s(SMALL)
