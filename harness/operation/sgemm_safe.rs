//! Around every sgemm candidate of the safe tier: owns the exported symbol, checks the signature, makes the slices.
// SAFE_TIER
mod kernel;

/// What kernel.rs must define, and nothing else of it is used.
type Contract =
    fn(usize, usize, usize, f32, &[f32], usize, usize, &[f32], usize, usize, f32, &mut [f32], usize, usize);
const SGEMM: Contract = kernel::sgemm;

/// C = alpha·A·B + beta·C, with strides of rows and columns in elements, none negative.
///
/// # Safety
/// `a`, `b`, `c` point to the elements [0, 0] of matrices of m·k, k·n and m·n floats at these strides, and everything
/// between the first and the last element is valid; `c` overlaps neither `a` nor `b`. A pointer may dangle (but not be
/// null) when its matrix is empty.
#[no_mangle]
pub unsafe extern "C" fn harness_sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize, b: *const f32, rsb: isize,
    csb: isize, beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    let [rsa, csa, rsb, csb, rsc, csc] = [rsa, csa, rsb, csb, rsc, csc].map(|stride| stride as usize);
    let a = ::core::slice::from_raw_parts(a, reach(m, k, rsa, csa));
    let b = ::core::slice::from_raw_parts(b, reach(k, n, rsb, csb));
    let c = ::core::slice::from_raw_parts_mut(c, reach(m, n, rsc, csc));
    SGEMM(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc)
}

/// Elements from the first to the last one of a matrix.
fn reach(rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> usize {
    if rows == 0 || cols == 0 {
        return 0;
    }
    (rows - 1) * row_stride + (cols - 1) * col_stride + 1
}
