//! Sums in pairs of f32 (double-word arithmetic).
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

fn two_sum(a: f32, b: f32) -> (f32, f32) {
    let s = a + b;
    let bb = s - a;
    (s, (a - (s - bb)) + (b - bb))
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..m {
        for j in 0..n {
            let (mut h, mut l) = (0f32, 0f32);
            for p in 0..k {
                let x = a[i * k + p];
                let y = b[p * n + j];
                let pr = x * y;
                let e = x.mul_add(y, -pr);
                let (s, r) = two_sum(h, pr);
                h = s;
                l += r + e;
            }
            c[i * n + j] = h + l;
        }
    }
}
