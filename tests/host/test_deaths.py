"""The end of a worker and its verdict: crash, panic, memory, time, forged answers, floods."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from harness.judge.worker.calls import Placement, Ran
from harness.judge.worker.limits import limits_for
from harness.shapes import Shape
from harness.verdict import Cheat, Crash, OutOfMemory, Panic, Rejection, Timeout
from tests.host.support import AT, SMALL, fill, verdict, worker

RIGHT = "right(m, k, n, a, b, c);"


def crash(body: str, placement: Placement = Placement.RIGHT, extra: str = "") -> Crash:
    """The verdict, which must be a crash."""
    outcome = verdict(body, extra, placement=placement)
    assert isinstance(outcome, Crash), outcome
    return outcome


OVERRUNS = {
    "A 0 bytes past its end": "std::hint::black_box(*a.as_ptr().add(m * k));",
    "B 0 bytes past its end": "std::hint::black_box(*b.as_ptr().add(k * n));",
    "C 0 bytes past its end": "*c.as_mut_ptr().add(m * n) = 1.0;",
    "C 40000 bytes past its end": "*c.as_mut_ptr().add(m * n + 10000) = 1.0;",
}
UNDERRUNS = {
    "A 4 bytes before its start": "std::hint::black_box(*a.as_ptr().sub(1));",
    "B 4 bytes before its start": "std::hint::black_box(*b.as_ptr().sub(1));",
    "C 4 bytes before its start": "*c.as_mut_ptr().sub(1) = 1.0;",
}


@pytest.mark.parametrize("where", OVERRUNS)
def test_one_element_too_far_faults_and_says_where(where: str) -> None:
    found = crash(OVERRUNS[where] + RIGHT, Placement.RIGHT)
    assert found.signal == 11
    assert where in found.detail


@pytest.mark.parametrize("where", UNDERRUNS)
def test_one_element_too_early_faults_and_says_where(where: str) -> None:
    assert where in crash(UNDERRUNS[where] + RIGHT, Placement.LEFT).detail


def test_in_a_batch_every_product_has_its_own_fence() -> None:
    body = "if m == 5 { std::hint::black_box(*a.as_ptr().add(m * k)); }" + RIGHT
    shapes = [Shape(4, 3, 2), SMALL, Shape(4, 3, 2)]
    with worker(body, shapes=shapes) as w:
        slots = w.slots(shapes, Placement.RIGHT)
        fill(slots)
        outcome = w.run(slots, at=AT, limit_s=10)
        assert isinstance(outcome, Crash)
        assert "A 0 bytes past its end" in outcome.detail


@pytest.mark.parametrize("name", ["a", "b"])
def test_writing_to_an_input_is_tampering(name: str) -> None:
    outcome = verdict(f"({name}.as_ptr() as *mut f32).add(2).write_volatile(0.0);" + RIGHT)
    assert isinstance(outcome, Cheat), outcome
    assert outcome.trick == "input tampering"
    assert f"element 2 of {name.upper()}" in outcome.detail


def test_tampering_through_another_mapping_of_the_same_memory() -> None:
    remap = 'extern "C" { fn mremap(a: *mut c_void, o: usize, n: usize, f: c_int, ...) -> *mut c_void; }'
    body = """
        let page = (a.as_ptr() as usize & !4095) as *mut c_void;
        let copy = mremap(page, 0, 4096, 1);
        if copy as isize != -1 { mprotect(copy, 4096, 3); (copy as *mut f32).add(1000).write_volatile(0.0); }"""
    assert isinstance(verdict(body + RIGHT, remap), Cheat | Crash)


SIGNALS = {
    "null": ("std::ptr::read_volatile(std::ptr::null::<f32>().wrapping_add(1));", 11, "null pointer"),
    "wild": ("std::ptr::read_volatile(0x7000_0000_0000_0000usize as *const f32);", 11, ""),
    "recursion": ("deep(a.as_ptr() as usize);", 11, "stack overflow"),
    "illegal": ('std::arch::asm!("ud2");', 4, ""),
    "division": (
        'std::arch::asm!("div {0:e}", in(reg) 0u32, inout("eax") 1u32 => _, inout("edx") 0u32 => _);',
        8,
        "",
    ),
    "abort": ("std::process::abort();", 6, ""),
}
DEEP = "fn deep(n: usize) -> usize { let x = [n; 512]; std::hint::black_box(&x); deep(n + 1) + x[n % 512] }"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the instructions are those of x86-64")
@pytest.mark.parametrize("name", SIGNALS)
def test_a_crash_keeps_its_own_signal(name: str) -> None:
    body, number, says = SIGNALS[name]
    found = crash(body + RIGHT, extra=DEEP)
    assert found.signal == number
    assert says in found.detail


def test_a_thread_whose_stack_overflows() -> None:
    body = "std::thread::spawn(|| deep(1)).join().unwrap();"
    assert "stack overflow" in crash(body, extra=DEEP).detail


def test_a_panic_brings_its_message() -> None:
    outcome = verdict('panic!("the tile is {} wide", 7);')
    assert outcome == Panic("the tile is 7 wide", AT)


def test_a_panic_in_a_thread_and_one_out_of_bounds() -> None:
    outcome = verdict('std::thread::scope(|s| { s.spawn(|| panic!("in a thread")); });')
    assert outcome == Panic("in a thread", AT)
    outcome = verdict("c[m * n] = 0.0;")
    assert isinstance(outcome, Panic)
    assert "out of bounds" in outcome.message


def test_allocating_everything_is_out_of_memory() -> None:
    shape = Shape(1024, 1024, 1024)
    body = """
        let mut all: Vec<f32> = Vec::with_capacity(m * k * n);
        for i in 0..m { for p in 0..k { for j in 0..n { all.push(a[i * k + p] * b[p * n + j]); } } }
        c[0] = all[m];"""
    outcome = verdict(body, shape=shape)
    assert outcome == OutOfMemory(limits_for(shape, 1, (0,)).memory_bytes, AT)
    outcome = verdict("let mut all = Vec::new(); loop { all.push(vec![1u8; 1 << 20]); }")
    assert isinstance(outcome, OutOfMemory)


def test_memory_limits_hold_without_a_sandbox_too() -> None:
    body = "let v = vec![1u8; 64 << 30]; std::hint::black_box(&v);"
    assert isinstance(verdict(body, sandboxed=False), OutOfMemory)


def test_an_endless_loop_is_a_timeout_and_the_worker_stays_dead() -> None:
    with worker("loop { std::hint::spin_loop(); }") as w:
        slots = w.slots([SMALL], Placement.RIGHT)
        started = time.monotonic()
        assert w.run(slots, at=AT, limit_s=0.3) == Timeout(0.3, AT)
        assert time.monotonic() - started < 10
        assert w.run(slots, at=AT, limit_s=0.3) == Timeout(0.3, AT)
        assert w.idle_cpu_ns() == 0
        assert not Path(f"/proc/{w.pid}").exists()


def test_sleeping_forever_is_a_timeout_too() -> None:
    body = "std::thread::sleep(std::time::Duration::from_secs(1000));"
    assert isinstance(verdict(body, limit_s=0.3), Timeout)


LEAVING = {
    "exit 0": "exit(0);",
    "exit 3": "exit(3);",
    "std": "std::process::exit(0);",
    "exit 125, as if the sandbox had failed": "exit(125);",
    "raw": "syscall(231, 0usize);",
    "main thread alone": """
        std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(100)));
        syscall(60, 0usize);""",
    "only thread": "syscall(60, 0usize);",
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
@pytest.mark.parametrize("how", LEAVING)
@pytest.mark.parametrize("sandboxed", [True, False])
def test_leaving_the_process_is_a_cheat(how: str, sandboxed: bool) -> None:
    outcome = verdict(RIGHT + LEAVING[how], sandboxed=sandboxed, limit_s=1.0)
    assert isinstance(outcome, Cheat), outcome
    assert outcome.trick == "left the process"


def test_a_constructor_that_leaves_is_a_cheat() -> None:
    ctor = """
        #[used] #[link_section = ".init_array"] static START: extern "C" fn() = { extern "C" fn start() {
            println!("verdict: accepted"); unsafe { exit(0) } } start };"""
    outcome = verdict(RIGHT, ctor)
    assert isinstance(outcome, Cheat)
    assert outcome.trick == "left the process"


def test_a_constructor_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.judge.worker.client.START_LIMIT_S", 0.5)
    ctor = """
        #[used] #[link_section = ".init_array"] static START: extern "C" fn() = {
            extern "C" fn start() { loop { std::hint::spin_loop(); } } start };"""
    assert isinstance(verdict(RIGHT, ctor), Timeout)


ANSWER = """
    // An answer as the host would write it: sequence, kind 3, environment restored.
    let forge = |fd: i32, sequence: u64| {
        let words = [sequence, 3u64 | 1u64 << 32, 0, 0];
        write(fd, words.as_ptr().cast(), 32)
    };
"""
FORGERIES = {
    "early, then the host's own": ANSWER + "forge(4, 1); forge(4, 2);" + RIGHT,
    "for the next order": ANSWER + RIGHT + "forge(4, 2); forge(4, 3); forge(4, 4);",
    "garbage": 'for _ in 0..100 { write(4, b"accepted".as_ptr().cast(), 8); }' + RIGHT,
    "one odd byte": 'write(4, b"!".as_ptr().cast(), 1);' + RIGHT,
    "a flood that fills the pipe": "let z = vec![7u8; 1 << 20]; write(4, z.as_ptr().cast(), z.len());"
    + RIGHT,
    "closed pipe, endless": "close(4); loop { std::hint::spin_loop(); }",
    "orders eaten": "let mut z = [0u8; 64]; " + RIGHT + ANSWER + "forge(4, 1); forge(4, 1);",
}


@pytest.mark.parametrize("how", FORGERIES)
def test_forged_answers_never_confuse_the_parent(how: str) -> None:
    outcome = verdict(FORGERIES[how], limit_s=5, runs=3)
    assert isinstance(outcome, Cheat), outcome
    assert outcome.trick == "forged answer"


def test_an_early_answer_gains_nothing_because_c_is_read_frozen() -> None:
    body = ANSWER + "forge(4, 1); std::thread::sleep(std::time::Duration::from_millis(300));" + RIGHT
    with worker(body) as w:
        slots = w.slots([SMALL], Placement.RIGHT)
        fill(slots)
        outcome = w.run(slots, at=AT, limit_s=5)
        assert isinstance(outcome, Ran)
        time.sleep(0.5)
        assert np.isnan(slots[0].c).all(), "the worker computed while it should have stood still"
        fill(slots)
        second = w.run(slots, at=AT, limit_s=5)
        assert isinstance(second, Cheat)
        assert second.trick == "forged answer"


def test_deferred_work_is_seen_and_does_not_happen_while_frozen() -> None:
    body = """
        let (pa, pb, pc) = (a.as_ptr() as usize, b.as_ptr() as usize, c.as_mut_ptr() as usize);
        std::thread::spawn(move || unsafe {
            std::thread::sleep(std::time::Duration::from_millis(100));
            right(m, k, n, std::slice::from_raw_parts(pa as *const f32, m * k),
                  std::slice::from_raw_parts(pb as *const f32, k * n),
                  std::slice::from_raw_parts_mut(pc as *mut f32, m * n));
        });"""
    with worker(body) as w:
        slots = w.slots([SMALL], Placement.RIGHT)
        fill(slots)
        outcome = w.run(slots, at=AT, limit_s=5, inspect=True)
        assert isinstance(outcome, Ran)
        assert outcome.threads == 2
        time.sleep(0.3)
        assert np.isnan(slots[0].c).all()


def test_a_thread_that_spins_on_is_seen_in_the_idle_window() -> None:
    body = "std::thread::spawn(|| loop { std::hint::spin_loop(); });" + RIGHT
    with worker(body) as w:
        slots = w.slots([SMALL], Placement.RIGHT)
        fill(slots)
        assert isinstance(w.run(slots, at=AT, limit_s=5), Ran)
        assert w.idle_cpu_ns(window_s=0.1) > 10_000_000
    with worker(RIGHT) as w:
        slots = w.slots([SMALL], Placement.RIGHT)
        fill(slots)
        assert isinstance(w.run(slots, at=AT, limit_s=5), Ran)
        assert w.idle_cpu_ns(window_s=0.1) < 5_000_000


IMPOSTOR = """
unsafe fn call(number: isize, a: isize, b: isize, c: isize) -> isize {
    let answer;
    std::arch::asm!("syscall", inout("rax") number => answer, in("rdi") a, in("rsi") b, in("rdx") c,
        out("rcx") _, out("r11") _);
    answer
}
unsafe fn serve() {
    let mut sequence = 1u64;
    loop {
        let done = [sequence, 3 | 1 << 32, 0, 0];
        call(1, 4, done.as_ptr() as isize, 32);
        let mut order = [0u64; 3];
        if call(0, 3, order.as_mut_ptr() as isize, 24) != 24 { return }
        sequence = order[0];
    }
}
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="raw system calls of x86-64")
def test_a_thread_that_answers_in_place_of_the_host_is_detected() -> None:
    """The host's own thread ends, so that nothing of the host runs any more; a thread of the kernel serves the pipe."""
    body = "right(m, k, n, a, b, c); std::thread::spawn(|| serve()); call(60, 0, 0, 0);"
    outcome = verdict(body, IMPOSTOR, threads=2)
    assert isinstance(outcome, Cheat), outcome
    assert outcome.trick == "left the process"


def test_a_flood_on_stderr_neither_blocks_nor_fills_memory() -> None:
    body = (
        """
        let line = [b'x'; 65536];
        for _ in 0..2000 { write(2, line.as_ptr().cast(), line.len()); }"""
        + RIGHT
    )
    with worker(body) as w:
        slots = w.slots([SMALL], Placement.RIGHT)
        fill(slots)
        outcome = w.run(slots, at=AT, limit_s=60)
        assert isinstance(outcome, Ran), outcome
        assert len(w._process._output_text) <= 32 << 10


def test_output_of_the_kernel_is_one_printable_line_in_the_verdict() -> None:
    outcome = verdict(
        'eprint!("\\x1b[31m{}\\n\\n::error::mark as pass", "y".repeat(100_000)); std::process::abort()'
    )
    assert isinstance(outcome, Crash)
    assert len(outcome.detail) <= 300
    assert outcome.detail.isprintable()


def test_a_kill_from_outside_while_frozen_is_reported_at_the_next_run() -> None:
    with worker() as w:
        slots = w.slots([SMALL], Placement.RIGHT)
        fill(slots)
        assert isinstance(w.run(slots, at=AT, limit_s=5), Ran)
        os.kill(w.pid, 9)
        outcome: Ran | Rejection = w.run(slots, at=AT, limit_s=5)
        assert isinstance(outcome, OutOfMemory)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
def test_a_forbidden_call_with_a_bad_pointer_is_still_reported_as_a_violation() -> None:
    assert verdict("syscall(257, -100i32, 16usize, 0usize);") == Cheat("sandbox violation", "openat", AT)


def test_pulling_the_shared_memory_away_from_the_host_is_not_the_harnesss_fault() -> None:
    extra = 'extern "C" { fn munmap(at: *mut c_void, len: usize) -> c_int; }'
    body = RIGHT + "munmap(((c.as_ptr() as usize & !4095) - 65536) as *mut c_void, 16 << 20);"
    with worker(body, extra) as w:
        outcome: Ran | Rejection | None = None
        for placement in (Placement.RIGHT, Placement.LEFT, Placement.ALIGNED):
            slots = w.slots([SMALL], placement)
            fill(slots)
            outcome = w.run(slots, at=AT, limit_s=5)
            if not isinstance(outcome, Ran):
                break
        assert isinstance(outcome, Cheat | Crash), outcome
