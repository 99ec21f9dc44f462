"""Honest sgemm kernels in both tiers, as plain as possible."""

from __future__ import annotations

UNSAFE = """
pub unsafe fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize, b: *const f32, rsb: isize,
    csb: isize, beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
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
"""

SAFE = """
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
"""
