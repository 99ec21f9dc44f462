//! Visits the tiles of C in Morton order.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

fn part(x: u32) -> u32 {
    let mut x = x & 0xffff;
    x = (x | (x << 8)) & 0x00ff00ff;
    x = (x | (x << 4)) & 0x0f0f0f0f;
    x = (x | (x << 2)) & 0x33333333;
    (x | (x << 1)) & 0x55555555
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (tm, tn) = (m.div_ceil(8), n.div_ceil(8));
    let mut order: Vec<(u32, usize, usize)> = Vec::new();
    for i in 0..tm {
        for j in 0..tn {
            order.push(((part(i as u32) << 1) | part(j as u32), i * 8, j * 8));
        }
    }
    order.sort_unstable();
    for &(_, i0, j0) in order.iter() {
        let width = 8.min(n - j0);
        for i in i0..m.min(i0 + 8) {
            let mut sums = [0.0; 8];
            for p in 0..k {
                let (x, mut columns) = (a[i * k + p], [0.0; 8]);
                columns[..width].copy_from_slice(&b[p * n + j0..][..width]);
                for j in 0..8 {
                    sums[j] += x * columns[j];
                }
            }
            c[i * n + j0..][..width].copy_from_slice(&sums[..width]);
        }
    }
}
