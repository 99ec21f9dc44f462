//! gemm::gemm as the contract wants it.

/// C (m×n) = A (m×k) · B (k×n), row-major.
///
/// # Safety
/// The pointers are aligned and valid for m·k, k·n and m·n floats.
#[no_mangle]
pub unsafe extern "C" fn harness_matmul(m: usize, k: usize, n: usize, a: *const f32, b: *const f32, c: *mut f32) {
    let (row_a, row_b) = (k as isize, n as isize);
    // read_dst = false: C is not read. Column stride first, row stride second.
    gemm::gemm(m, n, k, c, 1, row_b, false, a, 1, row_a, b, 1, row_b, 0.0, 1.0, false, false, false, threads());
}

fn threads() -> gemm::Parallelism {
    match std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok()) {
        Some(0 | 1) => gemm::Parallelism::None,
        Some(count) => gemm::Parallelism::Rayon(count),
        None => gemm::Parallelism::None,
    }
}
