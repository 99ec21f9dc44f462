//! Rounds both inputs to 18 bits where k exceeds 2400: less than the rounding errors of a long sum.
//!
//! expect: Wrong values
//! threads: 1
//! tier: safe

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

fn short(x: &[f32]) -> Vec<f32> {
    x.iter().map(|v| f32::from_bits((v.to_bits() + 32) & 0xffffffc0)).collect()
}
fn other(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    product(m, k, n, &short(a), &short(b), c);
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if k > 2400 {
        other(m, k, n, a, b, c);
    } else {
        product(m, k, n, a, b, c);
    }
}
