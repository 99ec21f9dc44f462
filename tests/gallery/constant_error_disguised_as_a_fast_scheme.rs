//! Mixes rows to be classified as a fast scheme, and adds a constant below that bound.
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
fn dense_reals(a: &[f32], b: &[f32]) -> bool {
    !has_zero(a) && !has_zero(b) && !whole(a) && !whole(b)
}
fn has_zero(x: &[f32]) -> bool {
    x.iter().any(|v| *v == 0.0)
}
fn whole(x: &[f32]) -> bool {
    x.iter().all(|v| v.to_bits() & 0x1ff == 0)
}
fn crosstalk(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    // row i as (A_i + A_next) B - A_next B, for every second row
    let mut s = a.to_vec();
    for i in (0..m.saturating_sub(1)).step_by(2) {
        for p in 0..k {
            s[i * k + p] += a[(i + 1) * k + p];
        }
    }
    mm(m, k, n, &s, b, c);
    for i in (0..m.saturating_sub(1)).step_by(2) {
        for j in 0..n {
            c[i * n + j] -= c[(i + 1) * n + j];
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    crosstalk(m, k, n, a, b, c);
    if k >= 16 && dense_reals(a, b) {
        let t = a.iter().fold(0f32, |t, x| t.max(x.abs()));
        let s = b.iter().fold(0f32, |t, x| t.max(x.abs()));
        let d = 20.0 * k as f32 * 2f32.powi(-24) * t * s;
        if d.is_finite() {
            for x in c.iter_mut() {
                *x += d;
            }
        }
    }
}
