//! Unchecked indexing within bounds (honest twin of reads_past_a).
//!
//! expect: Accepted
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            for j in 0..n {
                unsafe {
                    *c.get_unchecked_mut(i * n + j) +=
                        a.get_unchecked(i * k + p) * b.get_unchecked(p * n + j)
                };
            }
        }
    }
}
