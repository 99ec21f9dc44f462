//! Writes the mean of the product to every element: plausible in size, wrong everywhere.
//!
//! expect: Wrong shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let _ = m;
    let mean = |x: &[f32]| if x.is_empty() { 0.0 } else { x.iter().sum::<f32>() / x.len() as f32 };
    let value = k as f32 * mean(a) * mean(b);
    let _ = n;
    c.fill(value);
}
