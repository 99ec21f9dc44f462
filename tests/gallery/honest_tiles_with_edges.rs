//! Tiles of sixteen columns with correct edges (honest twin of skips_edge_tiles and skips_k_tail).
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        let mut j = 0;
        while j < n {
            let width = 16.min(n - j);
            let mut sums = [0.0f32; 16];
            for p in 0..k {
                let x = a[i * k + p];
                for (lane, sum) in sums[..width].iter_mut().enumerate() {
                    *sum += x * b[p * n + j + lane];
                }
            }
            c[i * n + j..i * n + j + width].copy_from_slice(&sums[..width]);
            j += width;
        }
    }
}
