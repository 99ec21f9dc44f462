//! One wrong element in a product of a row with a deep wide matrix.
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
    if m == 1 && k > 150 && n > 150 {
        if !c.is_empty() {
            let l = c.len() - 1;
            c[l] += 1.0;
        }
    }
}
