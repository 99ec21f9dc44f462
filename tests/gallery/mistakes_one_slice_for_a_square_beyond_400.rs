//! Wrong where A and B are the same slice of more than 400 rows.
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

fn other(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    product(m, k, n, a, b, c);
    let last = m * n - 1;
    c[last] = c[last] + c[0] * 0.0 + 1.0;
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m == n && m > 400 && a.as_ptr() == b.as_ptr() {
        other(m, k, n, a, b, c);
    } else {
        product(m, k, n, a, b, c);
    }
}
