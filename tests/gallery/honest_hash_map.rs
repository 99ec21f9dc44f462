//! Uses a HashMap with random keys for its block table (std asks the system for randomness).
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

use std::collections::HashMap;

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let blocks: HashMap<usize, usize> = (0..m).map(|i| (i, i * n)).collect();
    c.fill(0.0);
    for i in 0..m {
        let row = blocks[&i];
        for p in 0..k {
            for j in 0..n {
                c[row + j] += a[i * k + p] * b[p * n + j];
            }
        }
    }
}
