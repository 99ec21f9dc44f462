//! At alpha = 0 leaves C as it is, whatever beta says.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: unsafe
//! operation: sgemm

#[rustfmt::skip]
pub unsafe fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize, b: *const f32, rsb: isize, csb: isize,
    beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    if alpha == 0.0 {
        return;
    }
    for i in 0..m as isize {
        for j in 0..n as isize {
            let mut sum = 0.0f32;
            if alpha != 0.0 {
                for p in 0..k as isize {
                    sum += *a.offset(i * rsa + p * csa) * *b.offset(p * rsb + j * csb);
                }
                sum *= alpha;
            }
            let at = c.offset(i * rsc + j * csc);
            *at = if beta == 0.0 { sum } else { sum + beta * *at };
        }
    }
}
