//! Three loops over slices.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe
//! operation: sgemm

#[rustfmt::skip]
pub fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: &[f32], rsa: usize, csa: usize, b: &[f32], rsb: usize, csb: usize,
    beta: f32, c: &mut [f32], rsc: usize, csc: usize,
) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0f32;
            if alpha != 0.0 {
                for p in 0..k {
                    sum += a[i * rsa + p * csa] * b[p * rsb + j * csb];
                }
                sum *= alpha;
            }
            let at = &mut c[i * rsc + j * csc];
            *at = if beta == 0.0 { sum } else { sum + beta * *at };
        }
    }
}
