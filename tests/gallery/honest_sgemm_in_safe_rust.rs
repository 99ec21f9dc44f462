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
    let mut sums = vec![0.0f32; n];
    for i in 0..m {
        sums.fill(0.0);
        if alpha != 0.0 {
            for p in 0..k {
                let x = a[i * rsa + p * csa];
                if csb == 1 && n > 0 {
                    // A slice, so that the compiler vectorises the loop.
                    sums.iter_mut().zip(&b[p * rsb..p * rsb + n]).for_each(|(sum, y)| *sum += x * y);
                } else {
                    sums.iter_mut().enumerate().for_each(|(j, sum)| *sum += x * b[p * rsb + j * csb]);
                }
            }
            sums.iter_mut().for_each(|sum| *sum *= alpha);
        }
        for (j, sum) in sums.iter().enumerate() {
            let at = &mut c[i * rsc + j * csc];
            *at = if beta == 0.0 { *sum } else { sum + beta * *at };
        }
    }
}
