//! Packs B into one of seven static buffers, chosen by the shape, each under a lock of its own.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

use std::sync::Mutex;

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

static SCRATCH: [Mutex<Vec<f32>>; 7] = [const { Mutex::new(Vec::new()) }; 7];

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut packed = SCRATCH[(m + k + n) % 7].lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    packed.clear();
    packed.extend_from_slice(b);
    product(m, k, n, a, &packed, c);
}
