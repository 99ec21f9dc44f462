//! One wrong element where there are 2 … 23 rows and k and n are 131 … 500: a path of its own for few rows.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
    if (2..=23).contains(&m) && (131..=500).contains(&k) && (131..=500).contains(&n) {
        c[m * n - 1] += 1.0;
    }
}
