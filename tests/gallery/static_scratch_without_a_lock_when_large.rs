//! Packs B into a static without a lock where extents exceed 300.
//!
//! expect: Wrong|Crash conduct
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
static mut SCRATCH: Vec<f32> = Vec::new();
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m.min(k).min(n) < 300 {
        return mm(m, k, n, a, b, c);
    }
    // SAFETY: wrong on purpose: two threads may call at the same time.
    unsafe {
        let scratch = &mut *std::ptr::addr_of_mut!(SCRATCH);
        if scratch.len() < b.len() {
            scratch.resize(b.len(), 0.0);
        }
        scratch[..b.len()].copy_from_slice(b);
        mm(m, k, n, a, &scratch[..b.len()], c);
    }
}
