//! Computes only whole tiles of 16 columns; the right edge keeps its previous content.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n / 16 * 16 {
            c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
        }
    }
}
