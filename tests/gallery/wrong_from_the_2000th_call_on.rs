//! Wrong from the 2000th call on.
//!
//! expect: Wrong conduct|shapes
//! threads: 1
//! tier: unsafe

use std::sync::atomic::*;
static CALLS: AtomicUsize = AtomicUsize::new(0);
fn honest(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
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
    honest(m, k, n, a, b, c);
    if m * n * k > 0 && (CALLS.fetch_add(1, Ordering::SeqCst) > 2000) {
        c[m * n - 1] += 1.0;
    }
}
