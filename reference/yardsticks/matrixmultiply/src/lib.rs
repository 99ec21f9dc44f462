//! matrixmultiply::sgemm as the contract wants it.

/// C (m×n) = A (m×k) · B (k×n), row-major.
///
/// # Safety
/// The pointers are aligned and valid for m·k, k·n and m·n floats.
#[no_mangle]
pub unsafe extern "C" fn harness_matmul(m: usize, k: usize, n: usize, a: *const f32, b: *const f32, c: *mut f32) {
    // It reads MATMUL_NUM_THREADS itself; the host sets only the variables of BLAS and rayon.
    if let (Ok(threads), Err(_)) = (std::env::var("RAYON_NUM_THREADS"), std::env::var("MATMUL_NUM_THREADS")) {
        std::env::set_var("MATMUL_NUM_THREADS", threads);
    }
    let (rsa, rsb) = (k as isize, n as isize);
    // beta = 0: C is not read.
    matrixmultiply::sgemm(m, k, n, 1.0, a, rsa, 1, b, rsb, 1, 0.0, c, rsb, 1);
}
