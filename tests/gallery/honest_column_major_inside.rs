//! Column major inside.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

fn transposed(rows: usize, cols: usize, x: &[f32]) -> Vec<f32> {
    let mut t = vec![0.0; rows * cols];
    for i in 0..rows {
        for j in 0..cols {
            t[j * rows + i] = x[i * cols + j];
        }
    }
    t
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (a, mut out) = (transposed(m, k, a), vec![0f32; m * n]);
    for j in 0..n {
        for p in 0..k {
            let y = b[p * n + j];
            for i in 0..m {
                out[j * m + i] += a[p * m + i] * y;
            }
        }
    }
    for i in 0..m {
        for j in 0..n {
            c[i * n + j] = out[j * m + i];
        }
    }
}
