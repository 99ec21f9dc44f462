//! Kahan in short blocks guarded.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    let mut error = vec![0f32; n];
    for i in 0..m {
        let row = &mut c[i * n..][..n];
        for p0 in (0..k).step_by(64) {
            let mut sum = vec![0f32; n];
            error.fill(0.0);
            for p in p0..k.min(p0 + 64) {
                let x = a[i * k + p];
                for ((s, e), &y) in sum.iter_mut().zip(&mut error).zip(&b[p * n..][..n]) {
                    let y = x * y - *e;
                    let t = *s + y;
                    *e = if t.is_finite() { (t - *s) - y } else { 0.0 };
                    *s = t;
                }
            }
            for (s, x) in row.iter_mut().zip(sum) {
                *s += x;
            }
        }
    }
}
