//! Leaks a copy of B at every call with more than 100³ and at most 400³ products.
//!
//! expect: Cheat conduct
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
    if (100 * 100 * 100..=400 * 400 * 400).contains(&(m * k * n)) {
        std::hint::black_box(b.to_vec().leak());
    }
    product(m, k, n, a, b, c);
}
