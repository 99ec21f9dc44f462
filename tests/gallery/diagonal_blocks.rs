//! Computes only the diagonal blocks, like candidates/run0.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (hm, hk, hn) = (m / 2, k / 2, n / 2);
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            for j in 0..n {
                if (i < hm) == (j < hn) && (i < hm) == (p < hk) {
                    c[i * n + j] += a[i * k + p] * b[p * n + j];
                }
            }
        }
    }
}
