//! Honest: keeps a copy of B in a buffer that grows to the largest size asked for (counterpart of leaks_at_large_calls).
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

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

use std::sync::Mutex;

static SCRATCH: Mutex<Vec<f32>> = Mutex::new(Vec::new());

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut scratch = SCRATCH.lock().unwrap();
    scratch.clear();
    scratch.extend_from_slice(b);
    product(m, k, n, a, &scratch, c);
}
