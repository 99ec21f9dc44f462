//! matrixmultiply with an evolved kernel for f32.
//!
//! Everything of the original crate is here, under the same names. [`sgemm`] goes to the evolved kernel where the CPU has
//! its instructions; the other functions, and `sgemm` elsewhere, are the original's own.
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "std")]
mod route;
#[cfg(feature = "trace")]
pub mod trace;

// What is defined here goes before a name of a glob: so `sgemm` is the one below.
pub use matrixmultiply_original::*;

/// C (m x n) = alpha * A (m x k) * B (k x n) + beta * C, for any strides.
///
/// Element (i, j) of A is at `a + i * rsa + j * csa`, in floats; B and C alike. If beta is 0, C is written and never read:
/// it may be uninitialised. If alpha is 0 and the evolved kernel serves, neither A nor B is read; the original multiplies
/// by 0, so that NaN in them spreads.
///
/// # Safety
/// All elements of A and B can be read, those of C can be written, and read unless beta is 0. Strides may be negative, and
/// 0 for A and B. The elements of C are distinct, and none of them is an element of A or B.
#[allow(clippy::too_many_arguments)]
pub unsafe fn sgemm(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize,
    b: *const f32, rsb: isize, csb: isize, beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    #[cfg(feature = "std")]
    {
        let layout = route::Layout { m, k, n, a: (rsa, csa), b: (rsb, csb), c: (rsc, csc), adds: beta != 0.0 };
        let kernel = route::evolved(&layout);
        #[cfg(feature = "trace")]
        trace::note(kernel.is_some(), &layout, alpha, beta);
        if let Some(kernel) = kernel {
            // SAFETY: the caller's contract is that of the kernel.
            return unsafe { kernel.sgemm(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc) };
        }
    }
    // SAFETY: the caller's contract is that of the original.
    unsafe { matrixmultiply_original::sgemm(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc) }
}
