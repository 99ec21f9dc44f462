//! Divides the rows among blocks by a count of products in 32 bits: the last rows are left out beyond 2^32 products.
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
    c.fill(0.0);
    let row = (k as u32).wrapping_mul(n as u32);
    if row == 0 {
        return;
    }
    let rows = ((m as u32).wrapping_mul(row) / row) as usize;
    product(rows, k, n, &a[..rows * k], b, &mut c[..rows * n]);
}
