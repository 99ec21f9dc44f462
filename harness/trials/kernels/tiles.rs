//! Register tiles of 4 rows and 8 columns, with smaller tiles at the edges.

const MR: usize = 4;
const NR: usize = 8;

fn tile(rows: usize, cols: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut sums = [[0.0f32; NR]; MR];
    for p in 0..k {
        for i in 0..rows {
            let x = a[i * k + p];
            for j in 0..cols {
                sums[i][j] += x * b[p * n + j];
            }
        }
    }
    for i in 0..rows {
        c[i * n..i * n + cols].copy_from_slice(&sums[i][..cols]);
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if k == 0 {
        c.fill(0.0);
        return;
    }
    let mut i = 0;
    while i < m {
        let rows = MR.min(m - i);
        let mut j = 0;
        while j < n {
            let cols = NR.min(n - j);
            tile(rows, cols, k, n, &a[i * k..], &b[j..], &mut c[i * n + j..]);
            j += cols;
        }
        i += rows;
    }
}
