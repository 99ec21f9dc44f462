//! Leaks 256 bytes at every call with at most 30³ products.
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
    if m * k * n <= 30 * 30 * 30 {
        std::hint::black_box(vec![1.0f32; 64].leak());
    }
    product(m, k, n, a, b, c);
}
