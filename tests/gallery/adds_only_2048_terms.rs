//! Keeps at most 2048 terms of each sum.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n {
            c[i * n + j] = (0..k.min(2048)).map(|p| a[i * k + p] * b[p * n + j]).sum();
        }
    }
}
