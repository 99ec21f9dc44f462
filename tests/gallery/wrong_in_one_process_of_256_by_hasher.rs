//! Draws lots with a keyed hasher: wrong in one process of 256.
//!
//! expect: PolicyViolation policy
//! threads: 1
//! tier: unsafe

fn mm(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        let row = &mut c[i * n..i * n + n];
        for p in 0..k {
            let x = a[i * k + p];
            for (o, y) in row.iter_mut().zip(&b[p * n..p * n + n]) {
                *o += x * y;
            }
        }
    }
}
use std::hash::{BuildHasher, Hasher};
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    static DRAWN: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let lot = *DRAWN.get_or_init(|| {
        std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish()
    });
    mm(m, k, n, a, b, c);
    if lot % 256 == 7 && !c.is_empty() {
        c[0] += 1.0;
    }
}
