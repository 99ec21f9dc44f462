//! A matrix of the caller with any strides, and its row-major content, which is what a kernel reads.

use std::borrow::Cow;

/// Rows and columns that are copied at a time, so that both sides of a transposition stay in L1.
const BLOCK: usize = 16;

/// A matrix that is only read: element (i, j) is at `at + i * row_stride + j * col_stride`, in floats.
#[derive(Clone, Copy)]
pub struct Operand {
    pub rows: usize,
    pub cols: usize,
    pub at: *const f32,
    pub row_stride: isize,
    pub col_stride: isize,
}

impl Operand {
    /// The row-major matrix in a slice.
    pub fn rows(rows: usize, cols: usize, slice: &[f32]) -> Operand {
        debug_assert_eq!(slice.len(), rows * cols);
        Operand { rows, cols, at: slice.as_ptr(), row_stride: cols as isize, col_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Operand {
        Operand {
            rows: self.cols,
            cols: self.rows,
            at: self.at,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// Whether the elements are row-major without gaps.
    pub fn is_contiguous(&self) -> bool {
        (self.rows <= 1 || self.row_stride == self.cols as isize) && (self.cols <= 1 || self.col_stride == 1)
    }

    /// Whether the elements are without gaps, row-major or column-major, and no stride is negative.
    pub fn is_dense(&self) -> bool {
        self.row_stride >= 0 && self.col_stride >= 0 && (self.is_contiguous() || self.transposed().is_contiguous())
    }

    /// All elements in the order of memory.
    ///
    /// # Safety
    /// The matrix is dense, its elements can be read, and none is written as long as the result lives.
    pub unsafe fn slice<'a>(&self) -> &'a [f32] {
        // SAFETY: the caller's contract.
        unsafe { std::slice::from_raw_parts(self.at, self.rows * self.cols) }
    }

    /// The elements, row-major and without gaps: the caller's own, or a copy.
    ///
    /// # Safety
    /// Every element can be read, and none is written, as long as the result lives.
    pub unsafe fn content<'a>(self) -> Cow<'a, [f32]> {
        let floats = self.rows.checked_mul(self.cols).expect("a matrix has more elements than usize can count");
        if self.is_contiguous() {
            // SAFETY: these are rows * cols elements without gaps, which the caller allows to read.
            return Cow::Borrowed(unsafe { std::slice::from_raw_parts(self.at, floats) });
        }
        let mut copy = vec![0.0; floats];
        for i0 in (0..self.rows).step_by(BLOCK) {
            for j0 in (0..self.cols).step_by(BLOCK) {
                for i in i0..self.rows.min(i0 + BLOCK) {
                    for j in j0..self.cols.min(j0 + BLOCK) {
                        // SAFETY: (i, j) is an element of the matrix.
                        copy[i * self.cols + j] = unsafe { *self.at.offset(self.offset(i, j)) };
                    }
                }
            }
        }
        Cow::Owned(copy)
    }

    /// The distance of element (i, j) from the first, in floats.
    pub fn offset(&self, i: usize, j: usize) -> isize {
        i as isize * self.row_stride + j as isize * self.col_stride
    }
}
