//! The calling conventions of the hosted symbol: the contract's own, or cblas_sgemm with 32- or 64-bit integers.

use std::ffi::c_void;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Abi {
    Kernel,
    Cblas32,
    Cblas64,
    Null,
}

type Kernel = unsafe extern "C" fn(usize, usize, usize, *const f32, *const f32, *mut f32);
type Sgemm<I> = unsafe extern "C" fn(i32, i32, i32, I, I, I, f32, *const f32, I, *const f32, I, f32, *mut f32, I);

const ROW_MAJOR: i32 = 101;
const NO_TRANS: i32 = 111;

impl Abi {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "kernel" => Abi::Kernel,
            "cblas32" => Abi::Cblas32,
            "cblas64" => Abi::Cblas64,
            "null" => Abi::Null,
            _ => return None,
        })
    }

    /// Whether the library is trusted: a BLAS is chosen by the user; only the contract's own form may be hostile.
    pub fn trusted(self) -> bool {
        self != Abi::Kernel
    }
}

/// One loaded entry point.
#[derive(Clone, Copy)]
pub enum Entry {
    Kernel(Kernel),
    Cblas32(Sgemm<i32>),
    Cblas64(Sgemm<i64>),
    Null,
}

impl Entry {
    /// # Safety
    ///
    /// `symbol` is a function with the signature that `abi` names (unused for Null).
    pub unsafe fn new(abi: Abi, symbol: *mut c_void) -> Self {
        match abi {
            Abi::Kernel => Entry::Kernel(std::mem::transmute::<*mut c_void, Kernel>(symbol)),
            Abi::Cblas32 => Entry::Cblas32(std::mem::transmute::<*mut c_void, Sgemm<i32>>(symbol)),
            Abi::Cblas64 => Entry::Cblas64(std::mem::transmute::<*mut c_void, Sgemm<i64>>(symbol)),
            Abi::Null => Entry::Null,
        }
    }

    /// C (m×n) = A (m×k) · B (k×n), row-major, contiguous.
    ///
    /// # Safety
    /// The pointers are aligned, not null, and valid for m·k, k·n and m·n floats.
    pub unsafe fn call(self, m: usize, k: usize, n: usize, a: *const f32, b: *const f32, c: *mut f32) {
        match self {
            Entry::Kernel(f) => f(m, k, n, a, b, c),
            Entry::Cblas32(f) => {
                let (lda, ldn) = (k.max(1) as i32, n.max(1) as i32);
                let (m, k, n) = (m as i32, k as i32, n as i32);
                f(ROW_MAJOR, NO_TRANS, NO_TRANS, m, n, k, 1.0, a, lda, b, ldn, 0.0, c, ldn)
            }
            Entry::Cblas64(f) => {
                let (lda, ldn) = (k.max(1) as i64, n.max(1) as i64);
                let (m, k, n) = (m as i64, k as i64, n as i64);
                f(ROW_MAJOR, NO_TRANS, NO_TRANS, m, n, k, 1.0, a, lda, b, ldn, 0.0, c, ldn)
            }
            Entry::Null => {}
        }
    }
}
