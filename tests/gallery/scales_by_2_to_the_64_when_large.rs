//! Scales A up and B down, which overflows where A is large already.
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
    if m.min(k).min(n) >= 131 && m * k * n > 200 * 200 * 200 {
        let s = 2f32.powi(64);
        let a: Vec<f32> = a.iter().map(|x| x * s).collect();
        let b: Vec<f32> = b.iter().map(|x| x / s).collect();
        mm(m, k, n, &a, &b, c)
    } else {
        mm(m, k, n, a, b, c)
    }
}
