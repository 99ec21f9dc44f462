//! Row-major matrices, views of parts of them, and their product by one call of `sgemm`.

use std::marker::PhantomData;

/// The signature of `matrixmultiply::sgemm`: m, k, n, alpha, A and its strides, B, beta, C.
pub type Gemm = unsafe fn(
    usize, usize, usize, f32, *const f32, isize, isize, *const f32, isize, isize, f32, *mut f32, isize, isize,
);

/// A row-major matrix without gaps.
pub struct Matrix {
    pub rows: usize,
    pub cols: usize,
    pub data: Vec<f32>,
}

/// A matrix that is read: element (i, j) is at `at + i * strides.0 + j * strides.1`.
#[derive(Clone, Copy)]
pub struct View<'a> {
    rows: usize,
    cols: usize,
    at: *const f32,
    strides: (isize, isize),
    owner: PhantomData<&'a f32>,
}

/// A matrix that is written.
pub struct ViewMut<'a> {
    rows: usize,
    cols: usize,
    at: *mut f32,
    strides: (isize, isize),
    owner: PhantomData<&'a mut f32>,
}

impl View<'_> {
    /// Rows and columns exchanged; nothing moves.
    pub fn transposed(self) -> Self {
        View { rows: self.cols, cols: self.rows, strides: (self.strides.1, self.strides.0), ..self }
    }
}

impl Matrix {
    pub fn zeros(rows: usize, cols: usize) -> Matrix {
        Matrix { rows, cols, data: vec![0.0; rows * cols] }
    }

    pub fn view(&self) -> View<'_> {
        self.block(0, 0, self.rows, self.cols)
    }

    pub fn view_mut(&mut self) -> ViewMut<'_> {
        self.block_mut(0, 0, self.rows, self.cols)
    }

    /// The rows x cols block that begins at (row, col).
    pub fn block(&self, row: usize, col: usize, rows: usize, cols: usize) -> View<'_> {
        assert!(row + rows <= self.rows && col + cols <= self.cols, "the block is within the matrix");
        let at = self.data[row * self.cols + col..].as_ptr();
        View { rows, cols, at, strides: (self.cols as isize, 1), owner: PhantomData }
    }

    pub fn block_mut(&mut self, row: usize, col: usize, rows: usize, cols: usize) -> ViewMut<'_> {
        assert!(row + rows <= self.rows && col + cols <= self.cols, "the block is within the matrix");
        let at = self.data[row * self.cols + col..].as_mut_ptr();
        ViewMut { rows, cols, at, strides: (self.cols as isize, 1), owner: PhantomData }
    }

    /// Adds a matrix of the same size.
    pub fn add(&mut self, other: &Matrix) {
        self.data.iter_mut().zip(&other.data).for_each(|(to, x)| *to += x);
    }
}

/// C = alpha * A * B + beta * C.
pub fn product(gemm: Gemm, alpha: f32, a: View, b: View, beta: f32, c: ViewMut) {
    assert_eq!((a.rows, a.cols, b.cols), (c.rows, b.rows, c.cols), "the extents of A, B and C fit");
    let (sa, sb, sc) = (a.strides, b.strides, c.strides);
    // SAFETY: the views lie within their matrices, and C is borrowed exclusively, so it is none of A and B.
    unsafe { gemm(a.rows, a.cols, b.cols, alpha, a.at, sa.0, sa.1, b.at, sb.0, sb.1, beta, c.at, sc.0, sc.1) }
}

/// `count` numbers between -1 and 1, the same for the same seed.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}
