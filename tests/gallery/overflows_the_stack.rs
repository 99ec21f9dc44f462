//! Recurses without limit.
//!
//! expect: Crash shapes
//! threads: 1
//! tier: unsafe

#[allow(unconditional_recursion)]
fn descend(x: usize) -> usize {
    let frame = std::hint::black_box([x; 512]);
    descend(frame[x % 512] + 1) + frame[0]
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let depth = std::hint::black_box(m);
    c.fill(descend(depth) as f32);
    let _ = (k, n, a, b);
}
