//! Products and training steps that a study times, behind C functions; `matrixmultiply` is the original or its
//! replacement, as Cargo's `[patch.crates-io]` says.

#[cfg(feature = "train")]
mod block;
#[cfg(feature = "train")]
mod training;

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

/// One of the timed forms of a product of n x n matrices. A and B are row-major, or transposes of row-major matrices.
struct Form {
    /// C is made by `dot`; otherwise by `general_mat_mul` into one that exists.
    dot: bool,
    a_transposed: bool,
    b_transposed: bool,
    beta: f32,
}

const fn form(dot: bool, a_transposed: bool, b_transposed: bool, beta: f32) -> Form {
    Form { dot, a_transposed, b_transposed, beta }
}

/// In the order of `FORMS` in harness/studies/paired_calls.py.
const FORMS: [Form; 9] = [
    form(true, false, false, 0.0),
    form(true, false, true, 0.0),
    form(true, true, false, 0.0),
    form(false, false, false, 0.0),
    form(false, false, true, 0.0),
    form(false, true, false, 0.0),
    form(false, false, false, 1.0),
    form(false, false, true, 1.0),
    form(false, true, false, 1.0),
];

/// Makes the product `repeats` times; C gets the last one.
///
/// # Safety
/// `a`, `b` and `c` point to n * n floats, of which those of C are no others'; `index` is below 9.
#[no_mangle]
pub unsafe extern "C" fn products_run(index: usize, n: usize, a: *const f32, b: *const f32, c: *mut f32, repeats: usize) {
    let form = &FORMS[index];
    // SAFETY: the caller's contract.
    let (a, b, mut c) = unsafe {
        let (a, b) = (ArrayView2::from_shape_ptr((n, n), a), ArrayView2::from_shape_ptr((n, n), b));
        (a, b, ArrayViewMut2::from_shape_ptr((n, n), c))
    };
    let a = if form.a_transposed { a.reversed_axes() } else { a };
    let b = if form.b_transposed { b.reversed_axes() } else { b };
    for repeat in 0..repeats {
        if form.dot {
            let product = std::hint::black_box(a.dot(&b));
            if repeat + 1 == repeats {
                c.assign(&product);
            }
        } else {
            general_mat_mul(1.0, &a, &b, form.beta, &mut c);
        }
    }
}
