//! Sums in f64 and rounds once: more accurate than required.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let mut sums = vec![0f64; n];
    for i in 0..m {
        sums.fill(-0.0);
        for p in 0..k {
            let x = f64::from(a[i * k + p]);
            for (sum, &y) in sums.iter_mut().zip(&b[p * n..][..n]) {
                *sum += x * f64::from(y);
            }
        }
        for (element, &sum) in c[i * n..][..n].iter_mut().zip(&sums) {
            *element = sum as f32;
        }
    }
}
