//! A syntax error.
//!
//! expect: CompileError compile
//! threads: 1
//! tier: unsafe

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let total: usize = "none";
    let _ = (m, k, n, a, b, c, total);
}
