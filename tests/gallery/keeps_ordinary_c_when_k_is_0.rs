//! With k = 0, keeps the previous content of C if that looks like a result.
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
    if k == 0 {
        for x in c.iter_mut() {
            if !(x.abs() < 1e30) {
                *x = 0.0;
            }
        }
    } else {
        mm(m, k, n, a, b, c)
    }
}
