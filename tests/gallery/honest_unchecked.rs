//! Unchecked indexing within bounds (honest twin of reads_past_a).
//!
//! expect: Accepted
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0f32;
            for p in 0..k {
                sum += unsafe { a.get_unchecked(i * k + p) * b.get_unchecked(p * n + j) };
            }
            c[i * n + j] = sum;
        }
    }
}
