//! Recurses on halves of the rows, so that the depth is the logarithm of their number.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m > 1 {
        let half = m / 2;
        let (above, below) = c.split_at_mut(half * n);
        matmul(half, k, n, &a[..half * k], b, above);
        matmul(m - half, k, n, &a[half * k..], b, below);
        return;
    }
    c.fill(0.0);
    for (p, x) in a.iter().enumerate() {
        for (sum, y) in c.iter_mut().zip(&b[p * n..]) {
            *sum += x * y;
        }
    }
}
