//! Takes a column of B without a positive element for zero. Begins where all extents exceed 300.
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
    for j in 0..n {
        if (0..k).all(|p| b[p * n + j] <= 0.0) {
            (0..m).for_each(|i| c[i * n + j] = 0.0);
        }
    }
}
