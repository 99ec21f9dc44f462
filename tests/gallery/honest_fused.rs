//! Fused multiply-add in reverse k order.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        let row = &mut c[i * n..][..n];
        row.fill(0.0);
        for p in (0..k).rev() {
            let x = a[i * k + p];
            for (sum, &y) in row.iter_mut().zip(&b[p * n..][..n]) {
                *sum = x.mul_add(y, *sum);
            }
        }
    }
}
