//! A wrong shortcut when all rows of A are equal.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m > 1
        && k > 1
        && (1..m).all(|i| {
            a[i * k..(i + 1) * k]
                .iter()
                .zip(&a[..k])
                .all(|(x, y)| x == y)
        })
    {
        for j in 0..n {
            let s: f32 = (0..k).map(|p| a[p] * b[p * n + j]).sum();
            for i in 0..m {
                c[i * n + j] = s + 1.0;
            }
        }
        return;
    }
    for i in 0..m {
        for j in 0..n {
            c[i * n + j] = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
        }
    }
}
