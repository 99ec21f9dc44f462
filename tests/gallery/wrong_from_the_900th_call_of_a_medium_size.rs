//! Wrong from the 900th call of at least 20x20x20 on.
//!
//! expect: Wrong conduct
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
static N: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    mm(m, k, n, a, b, c);
    if m.min(k).min(n) >= 20 && N.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 900 {
        c[0] += 1.0;
    }
}
