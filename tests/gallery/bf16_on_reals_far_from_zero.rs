//! bf16 where the mean of A is far from zero.
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
    if !x.is_finite() {
        return x;
    }
    let s = 24 - bits;
    let u = x.to_bits();
    f32::from_bits((u.wrapping_add(1 << (s - 1))) & !((1u32 << s) - 1))
}
fn with_inputs(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32], f: impl Fn(f32) -> f32) {
    let a: Vec<f32> = a.iter().map(|x| f(*x)).collect();
    let b: Vec<f32> = b.iter().map(|x| f(*x)).collect();
    mm(m, k, n, &a, &b, c)
}
fn stats(x: &[f32]) -> (f32, f32, f32, f32) {
    let (mut lo, mut hi, mut s, mut q) = (f32::MAX, f32::MIN, 0.0f64, 0.0f64);
    for &v in x {
        lo = lo.min(v);
        hi = hi.max(v);
        s += v as f64;
        q += v as f64 * v as f64;
    }
    let mean = s / x.len().max(1) as f64;
    (
        lo,
        hi,
        mean as f32,
        (q / x.len().max(1) as f64 - mean * mean).max(0.0).sqrt() as f32,
    )
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if k > 4 && {
        let s = stats(a);
        s.2.abs() > 6.0 * s.3 && s.3 > 0.0
    } {
        with_inputs(m, k, n, a, b, c, |x| round_to(x, 8))
    } else {
        mm(m, k, n, a, b, c)
    }
}
