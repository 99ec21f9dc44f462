//! Computes correctly but leaves a thread that spins on the other core and slows the baseline.
//!
//! expect: Cheat conduct
//! threads: all
//! tier: unsafe

use std::sync::Once;

static STARTED: Once = Once::new();

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
    product(m, k, n, a, b, c);
    STARTED.call_once(|| {
        std::thread::spawn(|| loop {
            std::hint::spin_loop();
        });
    });
}
