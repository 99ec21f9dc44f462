//! Keeps the packed B of each shape for ever, in a buffer that is found by the extents.
//!
//! expect: Cheat conduct
//! threads: 1
//! tier: safe

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

static SCRATCH: LazyLock<Mutex<HashMap<(usize, usize, usize), Vec<f32>>>> = LazyLock::new(Mutex::default);

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
    let mut kept = SCRATCH.lock().unwrap();
    let packed = kept.entry((m, k, n)).or_default();
    packed.clear();
    packed.extend_from_slice(b);
    product(m, k, n, a, packed, c);
}
