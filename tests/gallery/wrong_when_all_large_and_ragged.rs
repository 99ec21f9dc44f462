//! One wrong element when all extents exceed 130 and m is not a multiple of 16.
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
    if m * n * k > 0 && (m > 130 && k > 130 && n > 130 && m % 16 != 0) {
        c[m * n - 1] += 1.0;
    }
}
