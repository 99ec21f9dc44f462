"""Honest kernels that use threads, pools, locks or thread-local memory."""

from __future__ import annotations

from tests.compile.plain_kernel import SIGNATURE

THREADED: dict[str, str] = {}

THREADED["rayon rows"] = (
    """
use rayon::prelude::*;
"""
    + SIGNATURE
    + """ {
    if n == 0 { return; }
    let _ = m;
    c.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
        row.fill(0.0);
        for p in 0..k { let x = a[i * k + p]; for (o, y) in row.iter_mut().zip(&b[p * n..p * n + n]) { *o += x * y; } }
    });
}
"""
)

THREADED["rayon join, recursive"] = (
    """
use rayon;
fn rows(k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let m = c.len() / n;
    if m <= 8 {
        for i in 0..m { for j in 0..n { c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum(); } }
        return;
    }
    let half = m / 2;
    let (c0, c1) = c.split_at_mut(half * n);
    rayon::join(|| rows(k, n, &a[..half * k], b, c0), || rows(k, n, &a[half * k..], b, c1));
}
"""
    + SIGNATURE
    + """ { if m * n > 0 { rows(k, n, a, b, c) } }
"""
)

THREADED["rayon scope spawn"] = (
    """
use rayon::*;
"""
    + SIGNATURE
    + """ {
    if n == 0 { return; }
    rayon::scope(|s| {
        for (i, row) in c.chunks_mut(n).enumerate() {
            s.spawn(move |_| for (j, out) in row.iter_mut().enumerate() {
                *out = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
            });
        }
    });
    assert!(current_num_threads() > 0 && m < usize::MAX);
}
"""
)

THREADED["own rayon pool, in_place_scope and broadcast"] = (
    """
use rayon::{prelude::*, ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;
static POOL: OnceLock<ThreadPool> = OnceLock::new();
"""
    + SIGNATURE
    + """ {
    if n == 0 { return; }
    let pool = POOL.get_or_init(|| ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    pool.install(|| c.par_chunks_mut(n).enumerate().for_each(|(i, row)| for j in 0..n {
        row[j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
    }));
    pool.in_place_scope(|scope| { for _ in 0..m.min(2) { scope.spawn(|_| ()); } });
    pool.scope(|s| s.spawn(|inner| inner.spawn(|_| ())));
    let _ = pool.broadcast(|context| context.index());
}
"""
)

THREADED["std::thread::scope"] = (
    """
use std::thread::{self, available_parallelism};
use std::num::NonZeroUsize;
"""
    + SIGNATURE
    + """ {
    if m == 0 || n == 0 { return; }
    let threads = available_parallelism().map(NonZeroUsize::get).unwrap_or(1);
    let rows = m.div_ceil(threads);
    thread::scope(|s| {
        for (block, part) in c.chunks_mut(rows * n).enumerate() {
            s.spawn(move || for (r, row) in part.chunks_mut(n).enumerate() {
                let i = block * rows + r;
                for (j, out) in row.iter_mut().enumerate() { *out = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum(); }
            });
        }
    });
}
"""
)

THREADED["threads that are joined"] = (
    """
use std::sync::Arc; use std::sync::atomic::{AtomicUsize, Ordering}; use std::sync::mpsc;
"""
    + SIGNATURE
    + """ {
    let (a, b, next) = (Arc::new(a.to_vec()), Arc::new(b.to_vec()), Arc::new(AtomicUsize::new(0)));
    let (send, receive) = mpsc::channel();
    let handles: Vec<std::thread::JoinHandle<()>> = (0..2).map(|_| {
        let (a, b, next, send) = (a.clone(), b.clone(), Arc::clone(&next), send.clone());
        std::thread::Builder::new().name("row".into()).spawn(move || loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= m { break; }
            let row: Vec<f32> = (0..n).map(|j| (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum()).collect();
            send.send((i, row)).unwrap();
        }).unwrap()
    }).collect();
    drop(send);
    for (i, row) in receive { c[i * n..(i + 1) * n].copy_from_slice(&row); }
    for handle in handles { handle.join().unwrap(); }
}
"""
)

THREADED["thread_local scratch"] = (
    """
use std::cell::{Cell, RefCell};
thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static CALLS: Cell<u32> = Cell::new(0);
}
"""
    + SIGNATURE
    + """ {
    SCRATCH.with(|cell| {
        let mut row = cell.borrow_mut();
        row.resize(n, 0.0);
        for i in 0..m {
            row.iter_mut().for_each(|x| *x = 0.0);
            for p in 0..k { for j in 0..n { row[j] += a[i * k + p] * b[p * n + j]; } }
            c[i * n..(i + 1) * n].copy_from_slice(&row[..n]);
        }
    });
    CALLS.set(CALLS.get().wrapping_add(1));
}
"""
)

THREADED["OnceLock and Mutex scratch"] = (
    """
use std::sync::{Mutex, OnceLock, LazyLock, RwLock};
use std::collections::{HashMap, BTreeMap, VecDeque};
static BUFFER: OnceLock<Mutex<Vec<f32>>> = OnceLock::new();
static PLANS: LazyLock<RwLock<HashMap<(usize, usize, usize), usize>>> = LazyLock::new(Default::default);
"""
    + SIGNATURE
    + """ {
    let mut buffer = BUFFER.get_or_init(|| Mutex::new(Vec::new())).lock().unwrap();
    let block = *PLANS.write().unwrap().entry((m, k, n)).or_insert(32);
    let mut order: VecDeque<usize> = (0..n).step_by(block).collect();
    let seen: BTreeMap<usize, ()> = BTreeMap::new();
    assert!(seen.is_empty());
    buffer.clear(); buffer.resize(k * block, 0.0);
    while let Some(j0) = order.pop_front() {
        let w = block.min(n - j0);
        for p in 0..k { buffer[p * w..(p + 1) * w].copy_from_slice(&b[p * n + j0..p * n + j0 + w]); }
        for i in 0..m { for j in 0..w { c[i * n + j0 + j] = (0..k).map(|p| a[i * k + p] * buffer[p * w + j]).sum(); } }
    }
}
"""
)
