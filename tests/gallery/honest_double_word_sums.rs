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
    // The lower word of every sum in a row of C.
    let mut low = vec![0f32; n];
    for i in 0..m {
        let row = &mut c[i * n..][..n];
        row.fill(0.0);
        low.fill(0.0);
        for p in 0..k {
            let x = a[i * k + p];
            for ((h, l), &y) in row.iter_mut().zip(&mut low).zip(&b[p * n..][..n]) {
                let product = x * y;
                let e = x.mul_add(y, -product);
                let (s, r) = two_sum(*h, product);
                *h = s;
                *l += r + e;
            }
        }
        for (h, l) in row.iter_mut().zip(&low) {
            *h += l;
        }
    }
}
