//! Wrong from the 500th call with more than 100³ products on.
//!
//! expect: Wrong conduct
//! threads: 1
//! tier: safe

use std::sync::atomic::{AtomicU32, Ordering};

static CALLS: AtomicU32 = AtomicU32::new(0);

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
    if m * k * n > 100 * 100 * 100 && CALLS.fetch_add(1, Ordering::Relaxed) >= 500 {
        c[m * n / 2] += 1.0;
    }
}
