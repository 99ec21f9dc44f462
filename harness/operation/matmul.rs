//! Around every candidate: this crate owns the exported symbol and checks the contract's signature.
// SAFE_TIER
mod kernel;

/// What kernel.rs must define, and nothing else of it is used.
type Contract = fn(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]);
const MATMUL: Contract = kernel::matmul; // pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32])

/// # Safety
/// `a`, `b`, `c` are aligned and valid for m·k, k·n and m·n floats; `c` overlaps neither. Any of them may dangle
/// (but not be null) when its product is 0. The host has checked that the products do not overflow.
#[no_mangle]
pub unsafe extern "C" fn harness_matmul(m: usize, k: usize, n: usize, a: *const f32, b: *const f32, c: *mut f32) {
    let a = ::core::slice::from_raw_parts(a, m * k);
    let b = ::core::slice::from_raw_parts(b, k * n);
    let c = ::core::slice::from_raw_parts_mut(c, m * n);
    MATMUL(m, k, n, a, b, c)
}
