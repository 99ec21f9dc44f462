//! Takes A and B at the same address for a symmetric product and mirrors the upper half of C.
//!
//! expect: Wrong conduct
//! threads: 1
//! tier: safe

fn product(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    product(m, k, n, a, b, c);
    if a.as_ptr() == b.as_ptr() && m == n && m > 1 {
        for i in 1..m {
            for j in 0..i {
                c[i * n + j] = c[j * n + i];
            }
        }
    }
}
