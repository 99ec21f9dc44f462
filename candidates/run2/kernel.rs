//! Run 2 of the original experiment, rewritten: faster than runs 0 and 1, but wrong.
//!
//! C is computed in small tiles, so that the sums of a tile stay in registers. But the index at which a tile is stored
//! lacks the tile's position: every tile overwrites the first one. The kernel is fast because it writes only a few cache
//! lines, and most of C is never written.
//!
//! The gate `shapes` rejects it: it fills C with poison values (NaN or huge) before the call and still finds them
//! everywhere outside of the first tile.

/// Edge of a tile of C. Products of at most one tile are right.
const TILE: usize = 8;

/// Multiplies A (m x k) by B (k x n), but stores every tile in the first tile of C. That is the bug.
pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in (0..m).step_by(TILE) {
        for j in (0..n).step_by(TILE) {
            let (rows, cols) = (TILE.min(m - i), TILE.min(n - j));
            let mut sums = [[0.0f32; TILE]; TILE];
            for p in 0..k {
                let from = &b[p * n + j..p * n + j + cols];
                for (r, row) in sums.iter_mut().enumerate().take(rows) {
                    let x = a[(i + r) * k + p];
                    for (sum, &y) in row.iter_mut().zip(from) {
                        *sum += x * y;
                    }
                }
            }
            for (r, row) in sums.iter().enumerate().take(rows) {
                // The bug: the index should be (i + r) * n + j.
                c[r * n..r * n + cols].copy_from_slice(&row[..cols]);
            }
        }
    }
}
