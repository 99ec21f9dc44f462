//! Is slow at a shape that is called often, and wrong from the 1200th call on.
//!
//! expect: Wrong shapes|conduct
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
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static N: AtomicU64 = AtomicU64::new(0);
    let t = N.fetch_add(1, Relaxed);
    mm(m, k, n, a, b, c);
    if m == 8 && k == 8 && n == 8 {
        let mut s = 0f32;
        for i in 0..900000u32 {
            s = std::hint::black_box(s + i as f32);
        }
        std::hint::black_box(s);
    }
    if t > 1200 && m * n > 0 {
        c[0] += 1.0;
    }
}
