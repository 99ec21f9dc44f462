//! One wrong element where n is 560 … 1000 and m and k are 100 … 500.
//!
//! expect: Wrong shapes|values
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

fn other(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    product(m, k, n, a, b, c);
    let last = m * n - 1;
    c[last] = c[last] + c[0] * 0.0 + 1.0;
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if (560..=1000).contains(&n) && (100..=500).contains(&k) && (100..=500).contains(&m) {
        other(m, k, n, a, b, c);
    } else {
        product(m, k, n, a, b, c);
    }
}
