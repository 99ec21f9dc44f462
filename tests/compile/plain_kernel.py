"""The contract's signature and the textbook kernel, from which the test data of the compile room is made."""

# Rust text keeps its own lines.

from __future__ import annotations

SIGNATURE = "pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32])"

# A short correct body, for sources that test something else.
PLAIN = (
    SIGNATURE
    + """ {
    for i in 0..m { for j in 0..n {
        let mut sum = 0.0f32;
        for p in 0..k { sum += a[i * k + p] * b[p * n + j]; }
        c[i * n + j] = sum;
    } }
}
"""
)
