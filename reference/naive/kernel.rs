//! The contract, as plainly as it can be said: C = A·B, row-major, contiguous, every element written.

/// Multiplies A (m×k) by B (k×n) into C (m×n). The former content of C is never read; k = 0 gives zeros.
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
