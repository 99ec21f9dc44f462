//! Rounds operands to twenty bits of mantissa where k is deep.
//!
//! expect: Wrong values
//! threads: 1
//! tier: unsafe

fn bf(x: f32) -> f32 {
    f32::from_bits((x.to_bits().wrapping_add(0x8000)) & 0xffff0000)
}
fn tf(x: f32) -> f32 {
    f32::from_bits((x.to_bits().wrapping_add(0x1000)) & 0xffffe000)
}
fn k16(x: f32) -> f32 {
    if !x.is_finite() {
        return x;
    }
    f32::from_bits((x.to_bits().wrapping_add(0x80)) & 0xffffff00)
}
fn r20(x: f32) -> f32 {
    if !x.is_finite() {
        return x;
    }
    f32::from_bits((x.to_bits().wrapping_add(8)) & !0xf)
}
fn honest(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
}
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let sloppy = k >= 256;
    if !sloppy {
        return honest(m, k, n, a, b, c);
    }
    let a2: Vec<f32> = a.iter().map(|&x| r20(x)).collect();
    let b2: Vec<f32> = b.iter().map(|&x| r20(x)).collect();
    honest(m, k, n, &a2, &b2, c);
}
