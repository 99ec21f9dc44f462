//! Run 1 of the original experiment, retold: right, and slow (760 ms at 1024 x 1024 on the machine of the time).
//!
//! After run 0 the table played safe: the textbook's three loops, four rows of A at a time. Two things make it slow,
//! and both taught the next proposals something:
//!
//! - The innermost loop walks down a column of B. Each step lands n floats further, on another cache line, of which
//!   one float in sixteen is used before the line is thrown out again. Serving four rows with each float softens
//!   that, no more.
//! - Four sums are four multiply-adds in flight, one float each: the CPU could keep sixty-four and more, and the
//!   vector unit idles, because a column of B is nothing that it could load.

/// Rows of C that share one walk down a column of B.
const ROWS: usize = 4;

/// Multiplies A (m x k) by B (k x n) into C (m x n). The former content of C is never read; k = 0 gives zeros.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let whole = m / ROWS * ROWS;
    for i in (0..whole).step_by(ROWS) {
        let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &a[(i + r) * k..(i + r + 1) * k]);
        for j in 0..n {
            let mut sums = [0.0f32; ROWS];
            for p in 0..k {
                // The cache miss.
                let y = b[p * n + j];
                for (sum, row) in sums.iter_mut().zip(rows) {
                    *sum += row[p] * y;
                }
            }
            for (r, sum) in sums.into_iter().enumerate() {
                c[(i + r) * n + j] = sum;
            }
        }
    }
    for i in whole..m {
        for j in 0..n {
            let products = a[i * k..(i + 1) * k].iter().enumerate().map(|(p, &x)| x * b[p * n + j]);
            // Not `sum()`, whose empty sum is -0.0.
            c[i * n + j] = products.fold(0.0, |sum, product| sum + product);
        }
    }
}
