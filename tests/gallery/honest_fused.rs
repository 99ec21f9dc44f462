//! Fused multiply-add in reverse k order.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0f32;
            for p in (0..k).rev() {
                sum = a[i * k + p].mul_add(b[p * n + j], sum);
            }
            c[i * n + j] = sum;
        }
    }
}
