//! Keeps a panel of 4 MiB on the stack, which a thread of Rust's std does not have.
//!
//! expect: Crash conduct
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut panel = [0.0f32; 1 << 20];
    c.fill(0.0);
    for i in 0..m {
        for p0 in (0..k).step_by(1024) {
            let depth = 1024.min(k - p0);
            for j0 in (0..n).step_by(1024) {
                let width = 1024.min(n - j0);
                for p in 0..depth {
                    panel[p * width..][..width].copy_from_slice(&b[(p0 + p) * n + j0..][..width]);
                }
                std::hint::black_box(&mut panel);
                for p in 0..depth {
                    let x = a[i * k + p0 + p];
                    for j in 0..width {
                        c[i * n + j0 + j] += x * panel[p * width + j];
                    }
                }
            }
        }
    }
}
