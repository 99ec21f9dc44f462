"""Small kernels for the host's tests: compiled directly with rustc, run in a real worker."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness.caches import default_cache
from harness.compile import crates
from harness.judge.worker.calls import Abi, Placement, Program, Ran, Slot
from harness.judge.worker.client import Capacity, Worker
from harness.judge.worker.limits import limits_for
from harness.machine import usable_cores
from harness.shapes import Shape
from harness.verdict import At, Gate, Rejection

AT = At(Gate.SHAPES)
SMALL = Shape(5, 7, 9)

# Every test kernel defines `go`; the exported wrapper is that of the contract.
WRAPPER = """
#![allow(dead_code, unused)]
use std::ffi::{c_char, c_int, c_long, c_void};
extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn fork() -> c_int;
    fn _exit(code: c_int) -> !;
    fn exit(code: c_int) -> !;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn getppid() -> c_int;
    fn getpid() -> c_int;
    fn raise(signal: c_int) -> c_int;
    fn write(fd: c_int, bytes: *const c_void, count: usize) -> isize;
    fn close(fd: c_int) -> c_int;
    fn mmap(at: *mut c_void, len: usize, prot: c_int, flags: c_int, fd: c_int, off: i64) -> *mut c_void;
    fn mprotect(at: *mut c_void, len: usize, prot: c_int) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
}
fn right(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m { for j in 0..n {
        let mut s = 0.0; for p in 0..k { s += a[i * k + p] * b[p * n + j]; } c[i * n + j] = s;
    } }
}
#[no_mangle]
pub unsafe extern "C" fn harness_matmul(m: usize, k: usize, n: usize, a: *const f32, b: *const f32, c: *mut f32) {
    let a = std::slice::from_raw_parts(a, m * k);
    let b = std::slice::from_raw_parts(b, k * n);
    let c = std::slice::from_raw_parts_mut(c, m * n);
    go(m, k, n, a, b, c)
}
unsafe fn go(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
"""
NAIVE = "right(m, k, n, a, b, c)"


@lru_cache(maxsize=1)
def host() -> Path:
    """The real host, built once."""
    return crates.host_binary(lambda line: None)


def library(body: str, extra: str = "") -> Path:
    """`body` as the kernel, compiled once per text and kept in the cache."""
    source = WRAPPER + body + "\n}\n" + extra
    folder = default_cache() / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"host-{hashlib.sha256(source.encode()).hexdigest()[:20]}.so"
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            text = Path(scratch) / "kernel.rs"
            text.write_text(source)
            command = ["rustc", "--edition=2021", "-Copt-level=1", "-Cpanic=abort", "--crate-type=cdylib"]
            out = Path(scratch) / "kernel.so"
            subprocess.run([*command, str(text), "-o", str(out)], check=True, capture_output=True, text=True)
            out.replace(made)
    return made


@contextlib.contextmanager
def worker(
    body: str = NAIVE,
    extra: str = "",
    *,
    shapes: Sequence[Shape] = (SMALL,),
    threads: int = 1,
    sandboxed: bool = True,
) -> Iterator[Worker]:
    """A worker that hosts `body`."""
    cores = usable_cores()[:threads]
    limits = limits_for(list(shapes), threads, cores)
    program = Program(library(body, extra), "harness_matmul", Abi.KERNEL)
    with Worker(host(), program, limits, Capacity.of(shapes), sandboxed) as opened:
        yield opened


def fill(slots: Sequence[Slot], seed: int = 1) -> None:
    """Small integers, whose products are exact, and poison in C."""
    draw = np.random.default_rng(seed)
    for slot in slots:
        slot.a[:] = draw.integers(-8, 9, slot.a.shape)
        slot.b[:] = draw.integers(-8, 9, slot.b.shape)
        slot.c[:] = np.nan


def verdict(
    body: str = NAIVE,
    extra: str = "",
    *,
    shape: Shape = SMALL,
    placement: Placement = Placement.RIGHT,
    limit_s: float = 20.0,
    sandboxed: bool = True,
    threads: int = 1,
    runs: int = 1,
) -> Ran | Rejection:
    """The outcome of running `body`; the last of `runs` runs."""
    with worker(body, extra, shapes=(shape,), sandboxed=sandboxed, threads=threads) as opened:
        outcome: Ran | Rejection | None = None
        for _ in range(runs):
            slots = opened.slots([shape], placement)
            fill(slots)
            outcome = opened.run(slots, at=AT, limit_s=limit_s, inspect=True)
        assert outcome is not None
        return outcome
