//! Run 2 of the original experiment, retold: faster than anything before, and wrong.
//!
//! The idea was good: compute C in small tiles, so that a tile's sums stay close to the CPU. But the tile was stored
//! without its place in C. All tiles of a product landed on top of each other in the first few cache lines, one
//! small buffer that was always hot, overwritten again and again, while the rest of a million elements was never
//! touched. The cache misses of run 1 were gone, and so was the product.
//!
//! Kept as an exhibit: the gate `shapes` poisons C before the call, and all but the first tile stays poison.

/// The tile: TILE x TILE elements of C. A product no larger than that even comes out right.
const TILE: usize = 8;

/// Multiplies A (m x k) by B (k x n), tile by tile, into the first tile of C: that is the flaw.
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
                // Row r of which tile? It should be (i + r) * n + j.
                c[r * n..r * n + cols].copy_from_slice(&row[..cols]);
            }
        }
    }
}
