//! Reserves too much memory with try_reserve and unwraps the error.
//!
//! expect: OutOfMemory shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let _ = (m, k, n, a, b);
    c.fill(0.0);
    let mut v: Vec<u8> = Vec::new();
    v.try_reserve(1 << 40).expect("memory");
}
