//! Products on slices and on raw strided matrices, made of what a kernel can do: all of `sgemm`, or C = A * B only.

use crate::dispatch::{Entry, Kernel, StridedSlices};
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
        // SAFETY: the caller's contract.
        unsafe { self.supported_sgemm(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc) }
    }

    /// `sgemm` where the features are known to be there.
    ///
    /// # Safety
    /// As for [`sgemm`](crate::sgemm), and the CPU has the features.
    #[allow(clippy::too_many_arguments)]
    pub(crate) unsafe fn supported_sgemm(
        &self, m: usize, k: usize, n: usize, alpha: f32, a: *const f32, rsa: isize, csa: isize,
        b: *const f32, rsb: isize, csb: isize, beta: f32, c: *mut f32, rsc: isize, csc: isize,
    ) {
        if let (Entry::Strided(kernel), true, true) = (self.entry(), k > 0, alpha != 0.0) {
            // SAFETY: the caller's contract is that of the kernel. Without a product, `general` keeps the sign of zeros.
            return unsafe { kernel(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc) };
        }
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

    /// C = A * B for operands with any strides and a contiguous row-major C.
    ///
    /// # Safety
    /// The CPU has the features, the elements of A and B can be read, and C has `a.rows * b.cols` elements.
    pub(crate) unsafe fn product_of(&self, a: Operand, b: Operand, c: &mut [f32]) {
        let (m, k, n) = (a.rows, a.cols, b.cols);
        // SAFETY: the caller's contract.
        unsafe {
            if self.takes_strides() {
                let (to, n1) = (c.as_mut_ptr(), n as isize);
                let (rsa, csa, rsb, csb) = (a.row_stride, a.col_stride, b.row_stride, b.col_stride);
                self.supported_sgemm(m, k, n, 1.0, a.at, rsa, csa, b.at, rsb, csb, 0.0, to, n1, 1);
            } else {
                self.multiply(m, k, n, &a.content(), &b.content(), c);
            }
        }
    }

    /// C = A * B; the features are there, and the lengths are right.
    pub(crate) fn multiply(&self, m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
        match self.entry() {
            Entry::Product(kernel) => kernel(m, k, n, a, b, c),
            Entry::Strided(kernel) => {
                let (k1, n1, to) = (k as isize, n as isize, c.as_mut_ptr());
                // SAFETY: the slices hold the matrices, and C is borrowed exclusively.
                unsafe { kernel(m, k, n, 1.0, a.as_ptr(), k1, 1, b.as_ptr(), n1, 1, 0.0, to, n1, 1) }
            }
            Entry::StridedSlices(kernel) => kernel(m, k, n, 1.0, a, k, 1, b, n, 1, 0.0, c, n, 1),
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
        return unsafe { scale(c, place, beta) };
    }
    if let Entry::StridedSlices(kernel) = kernel.entry() {
        // SAFETY: the caller's contract.
        if unsafe { on_slices(kernel, alpha, a, b, beta, c, place) } {
            return;
        }
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

/// C = beta * C, and 0 where beta is 0.
///
/// # Safety
/// The elements of C at `place` can be written, and read unless beta is 0.
unsafe fn scale(c: *mut f32, place: Operand, beta: f32) {
    for i in 0..place.rows {
        for j in 0..place.cols {
            // SAFETY: (i, j) is an element of C.
            unsafe {
                let element = c.offset(place.offset(i, j));
                element.write(if beta == 0.0 { 0.0 } else { beta * element.read() });
            }
        }
    }
}

/// Calls a kernel that takes slices, if all three matrices are without gaps. Returns whether it was called.
///
/// Elements in gaps may belong to somebody else, who may write to them now; no slice may contain them.
///
/// # Safety
/// As for [`general`]; no extent is 0.
unsafe fn on_slices(
    kernel: StridedSlices, alpha: f32, a: Operand, b: Operand, beta: f32, c: *mut f32, place: Operand,
) -> bool {
    if ![a, b, place].iter().all(Operand::is_dense) {
        return false;
    }
    let strides = |of: Operand| (of.row_stride.unsigned_abs(), of.col_stride.unsigned_abs());
    let ((rsa, csa), (rsb, csb), (rsc, csc)) = (strides(a), strides(b), strides(place));
    let floats = place.rows * place.cols;
    // SAFETY: the matrices are without gaps and C is disjoint from A and B. C may be uninitialised where beta is 0, so
    // it is written before a reference to it exists.
    unsafe {
        if beta == 0.0 {
            c.write_bytes(0, floats);
        }
        let whole = std::slice::from_raw_parts_mut(c, floats);
        kernel(place.rows, a.cols, place.cols, alpha, a.slice(), rsa, csa, b.slice(), rsb, csb, beta, whole, rsc, csc);
    }
    true
}

/// Panics with the name of the matrix unless its slice has rows * columns elements.
pub fn require(matrix: &str, len: usize, (rows, m): (&str, usize), (cols, n): (&str, usize)) {
    let wanted = m.checked_mul(n).unwrap_or_else(|| panic!("{matrix}: {rows} * {cols} = {m} * {n} overflows usize"));
    assert!(len == wanted, "{matrix} has {len} elements, {rows} * {cols} = {m} * {n} = {wanted} are needed");
}
