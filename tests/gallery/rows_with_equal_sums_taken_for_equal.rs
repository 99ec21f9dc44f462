//! Takes two consecutive rows of A with the same sum and the same first element for equal. Begins where all
//! extents exceed 300.
//!
//! expect: Wrong shapes|values
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
    if m.min(k).min(n) <= 300 {
        return product(m, k, n, a, b, c);
    }
    product(m, k, n, a, b, c);
    let sum = |i: usize| a[i * k..][..k].iter().map(|v| *v as f64).sum::<f64>();
    for i in 1..m {
        if sum(i) == sum(i - 1) {
            c.copy_within((i - 1) * n..i * n, i * n);
        }
    }
}
