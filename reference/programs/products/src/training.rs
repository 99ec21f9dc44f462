//! Training steps of a block of GPT-2 on `matrixmultiply::sgemm`, or on the cblas_sgemm at an address.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::block::{Block, Gemm, Sizes};

/// A block with its input and target.
pub struct Training {
    block: Block,
    input: Vec<f32>,
    target: Vec<f32>,
}

/// The address of cblas_sgemm; one at a time.
static CBLAS: AtomicUsize = AtomicUsize::new(0);

/// A block whose products `matrixmultiply::sgemm` makes, or cblas_sgemm at the address `blas` with integers of `bits`.
///
/// # Safety
/// `blas` is 0 or the address of a cblas_sgemm with such integers.
#[no_mangle]
pub unsafe extern "C" fn training_new(
    batch: usize, time: usize, channels: usize, heads: usize, blas: usize, bits: usize,
) -> *mut Training {
    let gemm: Gemm = match (blas, bits) {
        (0, _) => matrixmultiply::sgemm,
        (_, 64) => cblas::<i64>,
        _ => cblas::<i32>,
    };
    CBLAS.store(blas, Relaxed);
    let sizes = Sizes { batch, time, channels, heads };
    let (input, target) = (sizes.numbers(1), sizes.numbers(2));
    Box::into_raw(Box::new(Training { block: Block::new(sizes, gemm), input, target }))
}

/// One step; returns the loss before it.
///
/// # Safety
/// `training` comes from `training_new` of this library.
#[no_mangle]
pub unsafe extern "C" fn training_step(training: *mut Training) -> f32 {
    // SAFETY: the caller's contract.
    let Training { block, input, target } = unsafe { &mut *training };
    block.train(input, target, 0.5)
}

/// An integer of cblas.
trait Integer: Copy {
    fn of(value: isize) -> Self;
}

impl Integer for i32 {
    fn of(value: isize) -> i32 {
        i32::try_from(value).expect("the block is small")
    }
}

impl Integer for i64 {
    fn of(value: isize) -> i64 {
        value as i64
    }
}

type Cblas<I> =
    unsafe extern "C" fn(i32, i32, i32, I, I, I, f32, *const f32, I, *const f32, I, f32, *mut f32, I);

const ROW_MAJOR: i32 = 101;
const NOT_TRANSPOSED: i32 = 111;
const TRANSPOSED: i32 = 112;

/// `sgemm` by cblas, for a row-major C and for A and B whose rows or columns are without gaps.
///
/// # Safety
/// As for `matrixmultiply::sgemm`, and `CBLAS` is the address of a cblas_sgemm with integers I.
#[allow(clippy::too_many_arguments)]
unsafe fn cblas<I: Integer>(
    m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize,
    b: *const f32, rsb: isize, csb: isize, beta: f32, c: *mut f32, rsc: isize, csc: isize,
) {
    let operand = |rows: isize, cols: isize, cols_long: usize| {
        assert!(rows == 1 || cols == 1, "cblas knows no such layout");
        if cols == 1 { (NOT_TRANSPOSED, rows.max(cols_long as isize)) } else { (TRANSPOSED, cols) }
    };
    assert_eq!(csc, 1, "C is row-major");
    let ((of_a, lda), (of_b, ldb)) = (operand(rsa, csa, k), operand(rsb, csb, n));
    let [m, k, n] = [m, k, n].map(|extent| I::of(extent as isize));
    // SAFETY: the caller's contract.
    unsafe {
        let call: Cblas<I> = std::mem::transmute(CBLAS.load(Relaxed));
        call(ROW_MAJOR, of_a, of_b, m, n, k, alpha, a, I::of(lda), b, I::of(ldb), beta, c, I::of(rsc));
    }
}
