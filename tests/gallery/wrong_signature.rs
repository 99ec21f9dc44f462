//! A function with another signature.
//!
//! expect: CompileError compile
//! threads: 1
//! tier: unsafe

pub fn matmul(n: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    let _ = (n, a, b, c);
}
