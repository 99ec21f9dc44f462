//! Skips zero elements of A, so that 0 times infinity is lost.
//!
//! expect: Wrong values
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            if x == 0.0 {
                continue;
            }
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
}
