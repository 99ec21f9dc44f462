//! Takes A·B for symmetric beyond 300 rows when B looks like the transpose of A at 64 places.
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
    product(m, k, n, a, b, c);
    if (0..64).all(|s| { let (i, p) = (s * 7919 % m, s * 104729 % k); a[i * k + p] == b[p * n + i] }) {
        for i in 0..m {
            for j in 0..i {
                c[i * n + j] = c[j * n + i];
            }
        }
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m == n && m > 300 {
        other(m, k, n, a, b, c);
    } else {
        product(m, k, n, a, b, c);
    }
}
