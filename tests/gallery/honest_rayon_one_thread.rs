//! Uses rayon but declares one thread, and gets one.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

use rayon::prelude::*;

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
    if n == 0 {
        return;
    }
    let _ = m;
    c.par_chunks_mut(n).enumerate().for_each(|(i, row)| product(1, k, n, &a[i * k..(i + 1) * k], b, row));
}
