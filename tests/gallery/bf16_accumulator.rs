//! Rounds the running sum to bf16 after every step.
//!
//! expect: Wrong shapes|values
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let cut = |x: f32| f32::from_bits(x.to_bits() & 0xffff_0000);
    for i in 0..m {
        for j in 0..n {
            c[i * n + j] = (0..k).fold(0.0, |s, p| cut(s + a[i * k + p] * b[p * n + j]));
        }
    }
}
