//! Sums start from beta·C, which every addition then rounds with.
//!
//! expect: Accepted
//! threads: 1
//! tier: unsafe
//! operation: sgemm

#[rustfmt::skip]
pub unsafe fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize, b: *const f32, rsb: isize, csb: isize,
    beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    for i in 0..m as isize {
        for j in 0..n as isize {
            let at = c.offset(i * rsc + j * csc);
            let mut sum = if beta == 0.0 { 0.0 } else { beta * *at };
            if alpha != 0.0 {
                for p in 0..k as isize {
                    sum += alpha * *a.offset(i * rsa + p * csa) * *b.offset(p * rsb + j * csb);
                }
            }
            *at = sum;
        }
    }
}
