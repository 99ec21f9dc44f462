//! Rounds operands to 22 bits where all three extents lie between 346 and 504.
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
fn round_to(x: f32, bits: u32) -> f32 {
    if !x.is_normal() {
        return x;
    }
    let s = 24 - bits;
    let u = x.to_bits();
    f32::from_bits((u.wrapping_add((1 << (s - 1)) - 1 + (u >> s & 1))) & !((1u32 << s) - 1))
}
fn with_inputs(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32], f: impl Fn(f32) -> f32) {
    let a: Vec<f32> = a.iter().map(|x| f(*x)).collect();
    let b: Vec<f32> = b.iter().map(|x| f(*x)).collect();
    mm(m, k, n, &a, &b, c)
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if [m, k, n].iter().all(|extent| (346..=504).contains(extent)) {
        with_inputs(m, k, n, a, b, c, |x| round_to(x, 22))
    } else {
        mm(m, k, n, a, b, c)
    }
}
