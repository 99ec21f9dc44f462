//! Leaves a sleeping thread behind at every call with more than 500³ products.
//!
//! expect: Cheat|OutOfMemory|Panic conduct
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
    if m * k * n > 500 * 500 * 500 {
        std::thread::spawn(std::thread::park);
    }
    product(m, k, n, a, b, c);
}
