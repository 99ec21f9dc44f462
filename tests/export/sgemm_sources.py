"""Two honest and slow kernels of sgemm, one for each tier."""

NAIVE_SGEMM = """
pub unsafe fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize,
    b: *const f32, rsb: isize, csb: isize, beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    for i in 0..m as isize {
        for j in 0..n as isize {
            unsafe {
                let at = c.offset(i * rsc + j * csc);
                let old = if beta == 0.0 { 0.0 } else { beta * *at };
                let mut sum = 0.0;
                if alpha != 0.0 {
                    for p in 0..k as isize {
                        sum += *a.offset(i * rsa + p * csa) * *b.offset(p * rsb + j * csb);
                    }
                }
                *at = if alpha == 0.0 || k == 0 { old } else { alpha * sum + old };
            }
        }
    }
}
"""
SAFE_SGEMM = """
#[allow(clippy::too_many_arguments)]
pub fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: &[f32], rsa: usize, csa: usize,
    b: &[f32], rsb: usize, csb: usize, beta: f32, c: &mut [f32], rsc: usize, csc: usize,
) {
    for i in 0..m {
        for j in 0..n {
            let sum: f32 = (0..k).map(|p| a[i * rsa + p * csa] * b[p * rsb + j * csb]).sum();
            let at = &mut c[i * rsc + j * csc];
            *at = alpha * sum + if beta == 0.0 { 0.0 } else { beta * *at };
        }
    }
}
"""
