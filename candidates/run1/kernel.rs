//! Run 1 of the original experiment, rewritten: right but slow (760 ms at 1024 x 1024 on the original machine).
//!
//! The three textbook loops, with four rows of A at a time. Two things make it slow:
//!
//! - The innermost loop walks down a column of B. Each step reads another cache line, n floats further on, and uses one
//!   of its sixteen floats. Using that float for four rows of A reduces the misses only by a factor of four.
//! - Only four scalar multiply-adds are independent of each other. A CPU with two vector FMA units keeps 64 or more in
//!   flight, but the column of B is not contiguous, so it cannot be loaded as a vector.

/// Rows of C that are computed in one pass over a column of B.
const ROWS: usize = 4;

/// Multiplies A (m x k) by B (k x n) into C (m x n). C is overwritten; k = 0 gives zeros.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let whole = m / ROWS * ROWS;
    for i in (0..whole).step_by(ROWS) {
        let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &a[(i + r) * k..(i + r + 1) * k]);
        for j in 0..n {
            let mut sums = [0.0f32; ROWS];
            for p in 0..k {
                // A cache miss at almost every step: B is read down a column.
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
            // Not `sum()`: it returns -0.0 if k = 0.
            c[i * n + j] = products.fold(0.0, |sum, product| sum + product);
        }
    }
}
