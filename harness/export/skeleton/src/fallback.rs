//! The kernel for every CPU: safe Rust without any vector instruction of its own.

/// Columns of C, and rows of B, that are worked on at a time; the block of B (256 KiB) stays in L2.
const NC: usize = 512;
const KC: usize = 128;

/// C (m x n) = A (m x k) * B (k x n), row-major and contiguous. The former content of C is never read.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for jc in (0..n).step_by(NC) {
        let nc = NC.min(n - jc);
        for pc in (0..k).step_by(KC) {
            let kc = KC.min(k - pc);
            for i in 0..m {
                add_row(&a[i * k + pc..][..kc], &b[pc * n + jc..], n, &mut c[i * n + jc..][..nc]);
            }
        }
    }
}

/// Adds the product of a part of a row of A and rows of B, `ldb` apart, to a part of a row of C.
fn add_row(a: &[f32], b: &[f32], ldb: usize, c: &mut [f32]) {
    let nc = c.len();
    let row = |p: usize| &b[p * ldb..][..nc];
    let (fours, rest) = a.as_chunks::<4>();
    for (index, x) in fours.iter().enumerate() {
        let p = 4 * index;
        let rows = row(p).iter().zip(row(p + 1)).zip(row(p + 2)).zip(row(p + 3));
        for (to, (((b0, b1), b2), b3)) in c.iter_mut().zip(rows) {
            *to += x[0] * b0 + x[1] * b1 + x[2] * b2 + x[3] * b3;
        }
    }
    for (x, p) in rest.iter().zip(4 * fours.len()..) {
        for (to, from) in c.iter_mut().zip(row(p)) {
            *to += x * from;
        }
    }
}
