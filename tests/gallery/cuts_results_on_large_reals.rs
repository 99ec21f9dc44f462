//! Truncates the last three bits of results at large shapes.
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
fn trunc_to(x: f32, bits: u32) -> f32 {
    let s = 24 - bits;
    f32::from_bits(x.to_bits() & !((1u32 << s) - 1))
}
fn has_zero(x: &[f32]) -> bool {
    x.iter().any(|v| *v == 0.0)
}
fn whole(x: &[f32]) -> bool {
    x.iter().all(|v| v.to_bits() & 0x1ff == 0)
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    mm(m, k, n, a, b, c);
    if m.min(k).min(n) >= 131 && m * k * n > 200 * 200 * 200 && dense_reals(a, b) {
        for x in c.iter_mut() {
            *x = trunc_to(*x, 21);
        }
    }
}
