//! The evolved kernel serves `sgemm` in every layout, and the original what it does not: `cargo test --features trace`.
//!
//! The only test of this file, because it counts the calls of its process.

use matrixmultiply::sgemm;
use matrixmultiply::trace::{counts, Counts};
use matrixmultiply_evolved::selected;

const N: usize = 40;

/// C = alpha * A * B + beta * C at these strides, against a sum in f64.
fn check(a: (isize, isize), b: (isize, isize), c: (isize, isize), alpha: f32, beta: f32) {
    let numbers = |seed: usize| -> Vec<f32> { (0..4 * N * N).map(|i| ((i * seed) % 17) as f32 - 8.0).collect() };
    let (x, y, mut z) = (numbers(7), numbers(5), numbers(3));
    let before = z.clone();
    let n = N as isize;
    // Negative strides begin at the end.
    let first = |(rows, cols): (isize, isize)| (-(rows.min(0) + cols.min(0)) * (n - 1)) as usize;
    let at = |strides: (isize, isize), i: usize, j: usize| {
        (first(strides) as isize + i as isize * strides.0 + j as isize * strides.1) as usize
    };
    // SAFETY: all elements at these strides are within the buffers.
    unsafe {
        let (from_a, from_b) = (x.as_ptr().add(first(a)), y.as_ptr().add(first(b)));
        let to = z.as_mut_ptr().add(first(c));
        sgemm(N, N, N, alpha, from_a, a.0, a.1, from_b, b.0, b.1, beta, to, c.0, c.1);
    }
    for i in 0..N {
        for j in 0..N {
            let sum: f64 = (0..N).map(|p| f64::from(x[at(a, i, p)]) * f64::from(y[at(b, p, j)])).sum();
            let want = f64::from(alpha) * sum + f64::from(beta) * f64::from(before[at(c, i, j)]);
            assert_eq!(f64::from(z[at(c, i, j)]), want, "[{i}, {j}] of {a:?} {b:?} {c:?} {alpha} {beta}");
        }
    }
}

#[test]
fn products_of_integers_are_exact_and_their_paths_are_counted() {
    let n = N as isize;
    let plain = [(n, 1), (1, n), (2 * n, 1), (1, 2 * n), (-n, 1), (2 * n, 2)];
    let mut calls = 0;
    for a in plain {
        for b in plain {
            for c in plain {
                for (alpha, beta) in [(1.0, 0.0), (1.0, 1.0), (2.0, -0.5)] {
                    check(a, b, c, alpha, beta);
                    calls += 1;
                }
            }
        }
    }
    let Counts { evolved, original } = counts();
    assert_eq!(evolved + original, calls);
    if selected().is_fallback() {
        assert_eq!(evolved, 0, "no kernel of this crate runs on this CPU");
    } else if selected().takes_strides() {
        assert_eq!(original, 0);
    } else {
        assert!(evolved > 0, "contiguous products are served");
    }
}
