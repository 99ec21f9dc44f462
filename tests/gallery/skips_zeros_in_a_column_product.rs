//! Skips zeros of A where B is a column: NaN and infinity of B are lost.
//!
//! expect: Wrong values
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
    if n != 1 || m < 2 {
        return mm(m, k, n, a, b, c);
    }
    for i in 0..m {
        let mut s = 0.0;
        for p in 0..k {
            if a[i * k + p] != 0.0 {
                s += a[i * k + p] * b[p];
            }
        }
        c[i] = s;
    }
}
