//! Pairwise summation: another order with a smaller error.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

fn pairwise(x: &[f32]) -> f32 {
    match x.len() {
        0 => 0.0,
        1 => x[0],
        len => pairwise(&x[..len / 2]) + pairwise(&x[len / 2..]),
    }
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n {
            let column: Vec<f32> = (0..k).map(|p| a[i * k + p] * b[p * n + j]).collect();
            c[i * n + j] = pairwise(&column);
        }
    }
}
