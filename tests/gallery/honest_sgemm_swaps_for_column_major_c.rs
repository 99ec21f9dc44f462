//! Computes a column-major C as the transposed product, so that its inner loop always runs along C.
//!
//! expect: Accepted
//! threads: 1
//! tier: unsafe
//! operation: sgemm

#[rustfmt::skip]
unsafe fn by_rows(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize, b: *const f32, rsb: isize, csb: isize,
    beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    let mut sums = vec![0.0f32; n];
    for i in 0..m as isize {
        sums.fill(0.0);
        if alpha != 0.0 {
            for p in 0..k as isize {
                let (x, row) = (*a.offset(i * rsa + p * csa), b.offset(p * rsb));
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum += x * *row.offset(j as isize * csb);
                }
            }
            sums.iter_mut().for_each(|sum| *sum *= alpha);
        }
        for (j, sum) in sums.iter().enumerate() {
            let at = c.offset(i * rsc + j as isize * csc);
            *at = if beta == 0.0 { *sum } else { sum + beta * *at };
        }
    }
}

#[rustfmt::skip]
pub unsafe fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize, b: *const f32, rsb: isize, csb: isize,
    beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    if csc.abs() <= rsc.abs() {
        by_rows(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc)
    } else {
        by_rows(n, k, m, alpha, b, csb, rsb, a, csa, rsa, beta, c, csc, rsc)
    }
}
