//! A constant whose evaluation never ends.
//!
//! expect: CompileError|Timeout compile
//! threads: 1
//! tier: unsafe

const FOREVER: u64 = {
    let mut x = 1u64;
    while x != 0 {
        x = x.wrapping_add(2);
    }
    x
};

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(FOREVER as f32);
    let _ = (m, k, n, a, b);
}
