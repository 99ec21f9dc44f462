//! faer's matmul as the contract wants it.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// C (m×n) = A (m×k) · B (k×n), row-major.
///
/// # Safety
/// The pointers are aligned and valid for m·k, k·n and m·n floats.
#[no_mangle]
pub unsafe extern "C" fn harness_matmul(m: usize, k: usize, n: usize, a: *const f32, b: *const f32, c: *mut f32) {
    let a = MatRef::from_raw_parts(a, m, k, k as isize, 1);
    let b = MatRef::from_raw_parts(b, k, n, n as isize, 1);
    let c = MatMut::from_raw_parts_mut(c, m, n, n as isize, 1);
    // Accum::Replace: C is not read.
    matmul(c, Accum::Replace, a, b, 1.0f32, threads());
}

fn threads() -> Par {
    match std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok()) {
        Some(0 | 1) | None => Par::Seq,
        Some(count) => Par::rayon(count),
    }
}
