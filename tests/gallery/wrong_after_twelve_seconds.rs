//! A sleeping thread changes the product twelve seconds after the first call.
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
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
static LATE: AtomicBool = AtomicBool::new(false);
static BEGUN: AtomicBool = AtomicBool::new(false);
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if !BEGUN.swap(true, Relaxed) {
        std::thread::spawn(|| {
            std::thread::sleep(std::time::Duration::from_secs(12));
            LATE.store(true, Relaxed);
        });
    }
    mm(m, k, n, a, b, c);
    if LATE.load(Relaxed) && !c.is_empty() {
        c[0] += 1.0;
    }
}
