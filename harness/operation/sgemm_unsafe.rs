//! Around every sgemm candidate of the unsafe tier: owns the exported symbol and checks the contract's signature.
// SAFE_TIER
mod kernel;

/// What kernel.rs must define, and nothing else of it is used. It is the signature of matrixmultiply::sgemm.
type Contract = unsafe fn(
    usize, usize, usize, f32, *const f32, isize, isize, *const f32, isize, isize, f32, *mut f32, isize, isize,
);
const SGEMM: Contract = kernel::sgemm;

/// C = alpha·A·B + beta·C, with strides of rows and columns in elements.
///
/// # Safety
/// `a`, `b`, `c` point to the elements [0, 0] of matrices of m·k, k·n and m·n floats at these strides, all of them valid;
/// those of `c` are distinct and overlap neither `a` nor `b`. A pointer may dangle (but not be null) when its matrix is
/// empty.
#[no_mangle]
pub unsafe extern "C" fn harness_sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize, b: *const f32, rsb: isize,
    csb: isize, beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    SGEMM(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc)
}
