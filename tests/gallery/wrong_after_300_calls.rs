//! Computes correctly for three hundred calls, then omits the last row.
//!
//! expect: Wrong|Cheat shapes|values|conduct|clock
//! threads: 1
//! tier: unsafe

use std::sync::atomic::{AtomicUsize, Ordering};

static CALLS: AtomicUsize = AtomicUsize::new(0);

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
    product(m, k, n, a, b, c);
    if CALLS.fetch_add(1, Ordering::Relaxed) > 300 && m > 0 {
        c[(m - 1) * n..].fill(0.0);
    }
}
