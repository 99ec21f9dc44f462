//! Scales C first, then adds the products of each block of k.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe
//! operation: sgemm

const KC: usize = 256;

#[rustfmt::skip]
pub fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: &[f32], rsa: usize, csa: usize, b: &[f32], rsb: usize, csb: usize,
    beta: f32, c: &mut [f32], rsc: usize, csc: usize,
) {
    let mut rows = vec![0.0f32; n];
    let mut panel = vec![0.0f32; KC * n];
    for i in 0..m {
        for j in 0..n {
            let at = &mut c[i * rsc + j * csc];
            *at = if beta == 0.0 { 0.0 } else { beta * *at };
        }
    }
    if alpha == 0.0 {
        return;
    }
    for first in (0..k).step_by(KC) {
        let depth = KC.min(k - first);
        for p in 0..depth {
            for j in 0..n {
                panel[p * n + j] = b[(first + p) * rsb + j * csb];
            }
        }
        for i in 0..m {
            rows.fill(0.0);
            for p in 0..depth {
                let x = a[i * rsa + (first + p) * csa];
                for (sum, y) in rows.iter_mut().zip(&panel[p * n..p * n + n]) {
                    *sum += x * y;
                }
            }
            for j in 0..n {
                c[i * rsc + j * csc] += alpha * rows[j];
            }
        }
    }
}
