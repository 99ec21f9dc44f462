//! The simplest kernel that fulfils the contract: C = A·B, row-major and contiguous, every element of C written.

/// Multiplies A (m×k) by B (k×n) into C (m×n). C is overwritten, never read; k = 0 gives zeros.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0f32;
            for p in 0..k {
                sum += a[i * k + p] * b[p * n + j];
            }
            c[i * n + j] = sum;
        }
    }
}
