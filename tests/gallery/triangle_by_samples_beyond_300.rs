//! Takes B for an upper triangle beyond 300 rows when 256 places say so.
//!
//! expect: Wrong shapes
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

fn other(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if (0..256).all(|s| { let (p, j) = (s * 7919 % k, s * 104729 % n); p <= j || b[p * n + j] == 0.0 }) {
        c.fill(0.0);
        for i in 0..m {
            for p in 0..k {
                for j in p..n {
                    c[i * n + j] += a[i * k + p] * b[p * n + j];
                }
            }
        }
    } else {
        product(m, k, n, a, b, c);
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if k == n && m > 300 && n > 300 {
        other(m, k, n, a, b, c);
    } else {
        product(m, k, n, a, b, c);
    }
}
