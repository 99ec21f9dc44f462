//! Packs B into one static buffer that all callers share without a lock.
//!
//! expect: Wrong|Crash conduct
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

static mut SCRATCH: Vec<f32> = Vec::new();

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    // SAFETY: wrong on purpose: two threads may call at the same time.
    unsafe {
        let scratch = &mut *std::ptr::addr_of_mut!(SCRATCH);
        if scratch.len() < b.len() {
            scratch.resize(b.len(), 0.0);
        }
        scratch[..b.len()].copy_from_slice(b);
        product(m, k, n, a, &scratch[..b.len()], c);
    }
}
