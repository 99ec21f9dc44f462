//! An index error when n is not a multiple of four.
//!
//! expect: Panic shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in (0..n).step_by(4) {
            for lane in 0..4 {
                c[i * n + j + lane] = (0..k).map(|p| a[i * k + p] * b[p * n + j + lane]).sum();
            }
        }
    }
}
