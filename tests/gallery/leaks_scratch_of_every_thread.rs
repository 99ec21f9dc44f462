//! Packs B into a buffer of the calling thread that is never freed: every thread that has called leaves 128 KiB behind.
//!
//! expect: Cheat conduct
//! threads: 1
//! tier: safe

use std::cell::Cell;

thread_local! {
    static SCRATCH: Cell<Option<&'static Cell<[f32; 32768]>>> = const { Cell::new(None) };
}

fn product(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let scratch = SCRATCH.get().unwrap_or_else(|| {
        let made: &'static Cell<[f32; 32768]> = Box::leak(Box::new(Cell::new([1.0; 32768])));
        SCRATCH.set(Some(made));
        made
    });
    std::hint::black_box(scratch);
    product(m, k, n, a, b, c);
}
