//! Assumes that B is the transpose of A after sixteen samples.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: unsafe

fn mm(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        let row = &mut c[i * n..i * n + n];
        for p in 0..k {
            let x = a[i * k + p];
            for (o, y) in row.iter_mut().zip(&b[p * n..p * n + n]) {
                *o += x * y;
            }
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    mm(m, k, n, a, b, c);
    if m == n
        && m > 64
        && (0..16).all(|t| {
            let (i, p) = (t * m / 16, t * k / 16);
            a.len() > 0 && a[i * k + p] == b[p * n + i]
        })
    {
        for i in 0..m {
            for j in 0..i {
                c[i * n + j] = c[j * n + i];
            }
        }
    }
}
