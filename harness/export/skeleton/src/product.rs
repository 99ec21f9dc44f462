//! Products on slices and on raw strided matrices, made of the one thing that a kernel can do: C = A * B, contiguous.

use crate::dispatch::Kernel;
use crate::operand::Operand;

impl Kernel {
    /// C (m x n) = A (m x k) * B (k x n) with this kernel; see [`matmul`](crate::matmul).
    ///
    /// # Panics
    /// When this CPU lacks what the kernel needs, and when a slice does not have as many elements as its matrix.
    pub fn matmul(&self, m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
        self.require_support();
        require("A", a.len(), ("m", m), ("k", k));
        require("B", b.len(), ("k", k), ("n", n));
        require("C", c.len(), ("m", m), ("n", n));
        self.multiply(m, k, n, a, b, c);
    }

    /// C = alpha * A * B + beta * C with this kernel; see [`sgemm`](crate::sgemm).
    ///
    /// # Safety
    /// As for [`sgemm`](crate::sgemm).
    ///
    /// # Panics
    /// When this CPU lacks what the kernel needs.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn sgemm(
        &self, m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize,
        b: *const f32, rsb: isize, csb: isize, beta: f32, c: *mut f32, rsc: isize, csc: isize,
    ) {
        self.require_support();
        let a = Operand { rows: m, cols: k, at: a, row_stride: rsa, col_stride: csa };
        let b = Operand { rows: k, cols: n, at: b, row_stride: rsb, col_stride: csb };
        let place = Operand { rows: m, cols: n, at: c, row_stride: rsc, col_stride: csc };
        // SAFETY: the caller's contract is that of `general`.
        unsafe {
            if rsc == 1 && csc != 1 {
                // C is column-major: its transpose is row-major, and is the product of the transposes.
                general(self, alpha, b.transposed(), a.transposed(), beta, c, place.transposed());
            } else {
                general(self, alpha, a, b, beta, c, place);
            }
        }
    }

    fn require_support(&self) {
        assert!(self.is_supported(), "kernel {} needs the CPU features {}", self.name(), self.features());
    }
}

/// C = alpha * A * B + beta * C, where `place` says where the elements of C are.
///
/// # Safety
/// The elements of A and B can be read, those of C written, and read unless beta is 0; the elements of C are distinct
/// and none is an element of A or B.
unsafe fn general(kernel: &Kernel, alpha: f32, a: Operand, b: Operand, beta: f32, c: *mut f32, place: Operand) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 || alpha == 0.0 {
        // SAFETY: the caller's contract.
        return unsafe { update(c, place, beta, |_| 0.0) };
    }
    // SAFETY: A and B can be read, and nothing writes to them before this function ends.
    let (a, b) = unsafe { (a.content(), b.content()) };
    let floats = m.checked_mul(n).expect("C has more elements than usize can count");
    if beta == 0.0 && place.is_contiguous() {
        // SAFETY: the elements of C are without gaps. They may be uninitialised, so they are written before a
        // reference to them exists.
        let whole = unsafe {
            c.write_bytes(0, floats);
            std::slice::from_raw_parts_mut(c, floats)
        };
        kernel.multiply(m, k, n, &a, &b, whole);
        if alpha != 1.0 {
            whole.iter_mut().for_each(|x| *x *= alpha);
        }
        return;
    }
    let mut product = vec![0.0; floats];
    kernel.multiply(m, k, n, &a, &b, &mut product);
    // SAFETY: the caller's contract.
    unsafe { update(c, place, beta, |index| alpha * product[index]) }
}

/// C = more + beta * C, where `more(i * n + j)` is the element to add. C is not read when beta is 0.
///
/// # Safety
/// The elements of C at `place` can be written, and read unless beta is 0.
unsafe fn update(c: *mut f32, place: Operand, beta: f32, more: impl Fn(usize) -> f32) {
    for i in 0..place.rows {
        for j in 0..place.cols {
            let value = more(i * place.cols + j);
            // SAFETY: (i, j) is an element of C.
            unsafe {
                let element = c.offset(place.offset(i, j));
                element.write(if beta == 0.0 { value } else { value + beta * element.read() });
            }
        }
    }
}

/// A row-major copy of the rows x cols matrix whose transpose, cols x rows, is in `from`.
pub fn transposed(rows: usize, cols: usize, from: &[f32]) -> Vec<f32> {
    let (row_stride, col_stride) = (1, rows.max(1) as isize);
    let whole = Operand { rows, cols, at: from.as_ptr(), row_stride, col_stride };
    debug_assert_eq!(from.len(), rows * cols);
    // SAFETY: `from` holds the cols x rows elements of the transpose.
    unsafe { whole.content() }.into_owned()
}

/// Panics with the name of the matrix unless its slice has rows * columns elements.
pub fn require(matrix: &str, len: usize, (rows, m): (&str, usize), (cols, n): (&str, usize)) {
    let wanted = m.checked_mul(n).unwrap_or_else(|| panic!("{matrix}: {rows} * {cols} = {m} * {n} overflows usize"));
    assert!(len == wanted, "{matrix} has {len} elements, {rows} * {cols} = {m} * {n} = {wanted} are needed");
}
