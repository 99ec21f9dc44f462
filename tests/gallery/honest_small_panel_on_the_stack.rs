//! Honest: keeps a panel of 256 KiB on the stack (counterpart of needs_four_mib_of_stack).
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut panel = [0.0f32; 1 << 16];
    c.fill(0.0);
    for p0 in (0..k).step_by(256) {
        let depth = 256.min(k - p0);
        for j0 in (0..n).step_by(256) {
            let width = 256.min(n - j0);
            for p in 0..depth {
                panel[p * width..][..width].copy_from_slice(&b[(p0 + p) * n + j0..][..width]);
            }
            for i in 0..m {
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
