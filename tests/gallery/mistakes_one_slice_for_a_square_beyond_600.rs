//! Where A and B begin at the same address and have more than 600 columns, takes the product for symmetric.
//!
//! expect: Wrong conduct
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
    product(m, k, n, a, b, c);
    if std::ptr::eq(a.as_ptr(), b.as_ptr()) && m == n && n > 600 {
        for i in 0..m {
            for j in 0..i {
                c[i * n + j] = c[j * n + i];
            }
        }
    }
}
