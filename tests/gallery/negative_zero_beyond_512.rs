//! Gives −0 where the sum is +0 and an extent exceeds 512, by negating twice.
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

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m.max(k).max(n) <= 512 {
        return product(m, k, n, a, b, c);
    }
    let minus: Vec<f32> = a.iter().map(|v| -v).collect();
    product(m, k, n, &minus, b, c);
    c.iter_mut().for_each(|x| *x = -*x);
}
