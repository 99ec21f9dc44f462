//! Starts threads without limit.
//!
//! expect: Panic|Crash|OutOfMemory|Timeout|Cheat shapes
//! threads: 1
//! tier: unsafe

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
    for _ in 0..100_000 {
        std::thread::spawn(|| loop {
            std::thread::park();
        });
    }
    product(m, k, n, a, b, c);
}
