//! Rounds operands to ten bits of mantissa, as tensor cores do.
//!
//! expect: Wrong values
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

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let cut = |x: f32| f32::from_bits(x.to_bits() & 0xffff_e000);
    let (a, b): (Vec<f32>, Vec<f32>) = (a.iter().map(|&x| cut(x)).collect(), b.iter().map(|&x| cut(x)).collect());
    product(m, k, n, &a, &b, c);
}
