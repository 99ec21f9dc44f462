//! Run 0 of the original experiment, rewritten: a Strassen-like recursion, fast but wrong.
//!
//! Strassen splits A, B and C into quarters and needs seven products of quarters instead of eight. This kernel computes
//! only four: those of the two diagonal quarters of C. It never writes the other two, so half of C keeps the previous
//! content of its memory. The original report praised the speed and did not notice.
//!
//! The gate `shapes` rejects it: it fills C with poison values (NaN or huge) before the call and still finds them in the
//! off-diagonal quarters.

/// The recursion stops when the smallest of m, k and n is at most this.
const LEAF: usize = 32;

/// A submatrix: the data from its first element on, and the distance between its rows.
#[derive(Clone, Copy)]
struct View<'a> {
    data: &'a [f32],
    ld: usize,
}

impl<'a> View<'a> {
    fn from(self, row: usize, col: usize) -> View<'a> {
        View { data: &self.data[(row * self.ld + col).min(self.data.len())..], ld: self.ld }
    }
}

/// Multiplies A (m x k) by B (k x n), but writes only the diagonal blocks of C. That is the bug.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m == 0 || n == 0 {
        return;
    }
    quarters((m, k, n), View { data: a, ld: k }, View { data: b, ld: n }, c, n, true);
}

/// One level: C11 = A11 B11 + A12 B21, C22 = A21 B12 + A22 B22. Stores to C if `first`, else adds to it.
fn quarters((m, k, n): (usize, usize, usize), a: View, b: View, c: &mut [f32], ldc: usize, first: bool) {
    if m.min(k).min(n) < 2 {
        return leaf((m, k, n), a, b, c, ldc, first);
    }
    let (m1, k1, n1) = (m / 2, k / 2, n / 2);
    let (m2, k2, n2) = (m - m1, k - k1, n - n1);
    let go_on = if m.min(k).min(n) > LEAF { quarters } else { leaf };
    // C11.
    go_on((m1, k1, n1), a, b, c, ldc, first);
    go_on((m1, k2, n1), a.from(0, k1), b.from(k1, 0), c, ldc, false);
    // C22.
    let c = &mut c[m1 * ldc + n1..];
    go_on((m2, k1, n2), a.from(m1, 0), b.from(0, n1), c, ldc, first);
    go_on((m2, k2, n2), a.from(m1, k1), b.from(k1, n1), c, ldc, false);
    // The bug: C12 and C21 are missing, two calls each.
}

/// The classical product: each row of C is a sum of scaled rows of B.
fn leaf((m, k, n): (usize, usize, usize), a: View, b: View, c: &mut [f32], ldc: usize, first: bool) {
    for i in 0..m {
        let out = &mut c[i * ldc..i * ldc + n];
        if first {
            out.fill(0.0);
        }
        for p in 0..k {
            let x = a.data[i * a.ld + p];
            for (sum, &y) in out.iter_mut().zip(&b.data[p * b.ld..p * b.ld + n]) {
                *sum += x * y;
            }
        }
    }
}
