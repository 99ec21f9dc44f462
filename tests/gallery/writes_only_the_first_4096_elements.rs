//! Writes every tile to the same small buffer; most of C is never written, like candidates/run2.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let hot = c.len().min(4096);
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0;
            for p in 0..k {
                sum += a[i * k + p] * b[p * n + j];
            }
            if hot > 0 {
                c[(i * n + j) % hot] = sum;
            }
        }
    }
}
