//! Wrong when A starts on a cache line and B does not.
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
    let (x, y) = (a.as_ptr() as usize % 64, b.as_ptr() as usize % 64);
    if x == 0 && y == 16 && m * n * k > 100 * 100 * 100 {
        c[0] += 1.0;
    }
}
