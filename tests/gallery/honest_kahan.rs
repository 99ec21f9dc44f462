//! Compensated summation after Kahan.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n {
            let (mut s, mut e) = (0f32, 0f32);
            for p in 0..k {
                let y = a[i * k + p] * b[p * n + j] - e;
                let t = s + y;
                e = (t - s) - y;
                s = t;
            }
            c[i * n + j] = s;
        }
    }
}
