//! Adds 1 to the last element where k is 2048 to 4096.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: unsafe

fn honest(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
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
    honest(m, k, n, a, b, c);
    if m * n * k > 0 && (k > 2047 && k <= 4096) {
        c[m * n - 1] += 1.0;
    }
}
