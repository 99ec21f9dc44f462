//! Panels of B are copied, so that the innermost loop reads consecutive values.

const NR: usize = 16;
const KC: usize = 256;

fn pack(k: usize, n: usize, first: usize, cols: usize, b: &[f32], panel: &mut [f32]) {
    for p in 0..k {
        let to = &mut panel[p * NR..(p + 1) * NR];
        to[..cols].copy_from_slice(&b[p * n + first..p * n + first + cols]);
        to[cols..].fill(0.0);
    }
}

fn row(a: &[f32], panel: &[f32], sums: &mut [f32; NR]) {
    for (x, from_b) in a.iter().zip(panel.chunks_exact(NR)) {
        for (sum, y) in sums.iter_mut().zip(from_b) {
            *sum += x * y;
        }
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    let mut panel = vec![0.0f32; KC * NR];
    for start in (0..k).step_by(KC) {
        let depth = KC.min(k - start);
        for first in (0..n).step_by(NR) {
            let cols = NR.min(n - first);
            pack(depth, n, first, cols, &b[start * n..], &mut panel);
            for i in 0..m {
                let mut sums = [0.0f32; NR];
                row(&a[i * k + start..i * k + start + depth], &panel[..depth * NR], &mut sums);
                for (out, sum) in c[i * n + first..i * n + first + cols].iter_mut().zip(sums) {
                    *out += sum;
                }
            }
        }
    }
}
