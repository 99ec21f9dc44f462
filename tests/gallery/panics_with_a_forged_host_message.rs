//! Panics with the messages of the host and of the allocator.
//!
//! expect: Panic shapes
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let _ = (m, k, n, a, b);
    c.fill(0.0);
    panic!("\n\n\u{1b}[31mroundtable-host: sandbox: no\nmemory allocation of 8 bytes failed\n")
}
