//! The calling conventions of the hosted symbol: those of the two contracts, or cblas_sgemm with 32- or 64-bit integers.

use crate::fault::Fault;
use std::ffi::c_void;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Abi {
    Kernel,
    Sgemm,
    Cblas32,
    Cblas64,
    Null,
}

type Kernel = unsafe extern "C" fn(usize, usize, usize, *const f32, *const f32, *mut f32);
#[rustfmt::skip]
type Strided = unsafe extern "C" fn(
    usize, usize, usize, f32, *const f32, isize, isize, *const f32, isize, isize, f32, *mut f32, isize, isize,
);
type Cblas<I> = unsafe extern "C" fn(i32, i32, i32, I, I, I, f32, *const f32, I, *const f32, I, f32, *mut f32, I);

const ROW_MAJOR: i32 = 101;
const COL_MAJOR: i32 = 102;
const NO_TRANS: i32 = 111;
const TRANS: i32 = 112;

impl Abi {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "kernel" => Abi::Kernel,
            "sgemm" => Abi::Sgemm,
            "cblas32" => Abi::Cblas32,
            "cblas64" => Abi::Cblas64,
            "null" => Abi::Null,
            _ => return None,
        })
    }

    /// Whether the library is trusted: a BLAS is chosen by the user; only the forms of the contracts may be hostile.
    pub fn trusted(self) -> bool {
        !matches!(self, Abi::Kernel | Abi::Sgemm)
    }
}

/// C = alpha·A·B + beta·C for A (m×k), B (k×n), C (m×n); `strides` of rows and columns in elements, of A, B and C.
#[derive(Clone, Copy)]
pub struct Product {
    pub m: usize,
    pub k: usize,
    pub n: usize,
    pub alpha: f32,
    pub a: *const f32,
    pub b: *const f32,
    pub beta: f32,
    pub c: *mut f32,
    pub strides: [[isize; 2]; 3],
}

/// A product as BLAS names it: storage order of C, and for A and B whether they are transposed against it; leading
/// dimensions.
struct BlasForm {
    order: i32,
    trans: [i32; 2],
    leading: [usize; 3],
}

/// One loaded entry point.
#[derive(Clone, Copy)]
pub enum Entry {
    Kernel(Kernel),
    Sgemm(Strided),
    Cblas32(Cblas<i32>),
    Cblas64(Cblas<i64>),
    Null,
}

impl Entry {
    /// # Safety
    ///
    /// `symbol` is a function with the signature that `abi` names (unused for Null).
    pub unsafe fn new(abi: Abi, symbol: *mut c_void) -> Self {
        match abi {
            Abi::Kernel => Entry::Kernel(std::mem::transmute::<*mut c_void, Kernel>(symbol)),
            Abi::Sgemm => Entry::Sgemm(std::mem::transmute::<*mut c_void, Strided>(symbol)),
            Abi::Cblas32 => Entry::Cblas32(std::mem::transmute::<*mut c_void, Cblas<i32>>(symbol)),
            Abi::Cblas64 => Entry::Cblas64(std::mem::transmute::<*mut c_void, Cblas<i64>>(symbol)),
            Abi::Null => Entry::Null,
        }
    }

    /// Computes a product. For `Kernel` it must be row-major and contiguous, with alpha 1 and beta 0; the parent checks it.
    ///
    /// # Safety
    /// The pointers are aligned, not null, and valid for all elements at these strides.
    pub unsafe fn call(self, p: Product) {
        let Product { m, k, n, alpha, a, b, beta, c, strides } = p;
        match self {
            Entry::Kernel(f) => f(m, k, n, a, b, c),
            Entry::Sgemm(f) => {
                let [[rsa, csa], [rsb, csb], [rsc, csc]] = strides;
                f(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc)
            }
            Entry::Cblas32(f) => {
                let BlasForm { order, trans, leading } = p.known_to_blas();
                let [lda, ldb, ldc] = leading.map(|extent| extent as i32);
                let (m, k, n) = (m as i32, k as i32, n as i32);
                f(order, trans[0], trans[1], m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
            }
            Entry::Cblas64(f) => {
                let BlasForm { order, trans, leading } = p.known_to_blas();
                let [lda, ldb, ldc] = leading.map(|extent| extent as i64);
                let (m, k, n) = (m as i64, k as i64, n as i64);
                f(order, trans[0], trans[1], m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
            }
            Entry::Null => {}
        }
    }
}

impl Product {
    /// How BLAS names it; ends the process for strides that no BLAS knows, which the parent does not send.
    fn known_to_blas(&self) -> BlasForm {
        let [a, b, c] = self.strides;
        let (m, k, n) = (self.m, self.k, self.n);
        let named = match (leading(n, m, c), leading(m, n, [c[1], c[0]])) {
            (Some(ldc), _) => Self::operands(ROW_MAJOR, ldc, [(m, k, a), (k, n, b)]),
            (None, Some(ldc)) => Self::operands(COL_MAJOR, ldc, [(k, m, [a[1], a[0]]), (n, k, [b[1], b[0]])]),
            (None, None) => None,
        };
        named.unwrap_or_else(|| Fault::usage("strides that no BLAS knows").leave())
    }

    /// `operands` are rows, columns and strides of A and B, as seen in storage order `order`.
    fn operands(order: i32, ldc: usize, operands: [(usize, usize, [isize; 2]); 2]) -> Option<BlasForm> {
        let [first, second] = operands.map(|(rows, cols, strides)| {
            let plain = leading(cols, rows, strides).map(|ld| (NO_TRANS, ld));
            plain.or_else(|| leading(rows, cols, [strides[1], strides[0]]).map(|ld| (TRANS, ld)))
        });
        let ((trans_a, lda), (trans_b, ldb)) = (first?, second?);
        Some(BlasForm { order, trans: [trans_a, trans_b], leading: [lda, ldb, ldc] })
    }
}

/// The leading dimension of `lines` lines of `length` consecutive elements; `strides` from line to line and within.
fn leading(length: usize, lines: usize, [line, within]: [isize; 2]) -> Option<usize> {
    let consecutive = within == 1 || length <= 1;
    let apart = line >= length.max(1) as isize;
    match (consecutive, lines <= 1 || length == 0) {
        (true, false) if apart => Some(line as usize),
        // Without a next line any distance will do; BLAS still asks for a leading dimension that is large enough.
        (true, true) => Some(length.max(1)),
        _ => None,
    }
}
