//! Writes zeros.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let _ = (m, k, n, a, b);
    c.fill(0.0);
}
