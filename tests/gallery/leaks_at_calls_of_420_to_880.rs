//! Leaks a copy of B at every call with 420³ … 880³ products.
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

fn other(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    product(m, k, n, a, b, c);
    std::hint::black_box(b.to_vec().leak());
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if (420 * 420 * 420..880 * 880 * 880).contains(&(m * k * n)) {
        other(m, k, n, a, b, c);
    } else {
        product(m, k, n, a, b, c);
    }
}
