//! Run 0 of the original experiment, retold: a Strassen-like recursion that was fast, and wrong.
//!
//! Strassen cuts A, B and C in quarters and needs seven products of quarters instead of eight. This one needs four,
//! which should have raised an eyebrow: it computes the two quarters of C on the diagonal, and nobody writes the
//! other two. The report of the time praised the speed. Half of C was what the memory happened to hold.
//!
//! Kept as an exhibit: the gate `shapes` poisons C before the call and finds the poison in the quarters off the
//! diagonal.

/// Below this edge the recursion stops.
const LEAF: usize = 32;

/// A matrix inside a larger one: its first element, and how far apart its rows are.
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

/// Multiplies A (m x k) by B (k x n) into the diagonal blocks of C, and only those: that is the flaw.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if m == 0 || n == 0 {
        return;
    }
    quarters((m, k, n), View { data: a, ld: k }, View { data: b, ld: n }, c, n, true);
}

/// One level: C11 = A11 B11 + A12 B21, C22 = A21 B12 + A22 B22. With `first` C is stored, else added to.
fn quarters((m, k, n): (usize, usize, usize), a: View, b: View, c: &mut [f32], ldc: usize, first: bool) {
    if m.min(k).min(n) < 2 {
        return leaf((m, k, n), a, b, c, ldc, first);
    }
    let (m1, k1, n1) = (m / 2, k / 2, n / 2);
    let (m2, k2, n2) = (m - m1, k - k1, n - n1);
    let go_on = if m.min(k).min(n) > LEAF { quarters } else { leaf };
    // The upper left quarter.
    go_on((m1, k1, n1), a, b, c, ldc, first);
    go_on((m1, k2, n1), a.from(0, k1), b.from(k1, 0), c, ldc, false);
    // The lower right quarter.
    let c = &mut c[m1 * ldc + n1..];
    go_on((m2, k1, n2), a.from(m1, 0), b.from(0, n1), c, ldc, first);
    go_on((m2, k2, n2), a.from(m1, k1), b.from(k1, n1), c, ldc, false);
    // The upper right and the lower left quarter: here, two lines each are missing.
}

/// Rows of B scaled and summed into rows of C.
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
