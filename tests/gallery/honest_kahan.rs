//! Compensated summation after Kahan.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    // The error of every sum in a row of C.
    let mut error = vec![0f32; n];
    for i in 0..m {
        let row = &mut c[i * n..][..n];
        row.fill(0.0);
        error.fill(0.0);
        for p in 0..k {
            let x = a[i * k + p];
            for ((s, e), &y) in row.iter_mut().zip(&mut error).zip(&b[p * n..][..n]) {
                let y = x * y - *e;
                let t = *s + y;
                *e = (t - *s) - y;
                *s = t;
            }
        }
    }
}
