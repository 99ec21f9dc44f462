//! Recurses once for each row: a thread's stack of 2 MiB ends after some ten thousand of them.
//!
//! expect: Crash conduct
//! threads: 1
//! tier: safe

fn rows(k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) -> f32 {
    if c.is_empty() {
        return 0.0;
    }
    let (first, rest) = c.split_at_mut(n);
    let below = rows(k, n, &a[k..], b, rest);
    first.fill(0.0);
    for p in 0..k {
        for j in 0..n {
            first[j] += a[p] * b[p * n + j];
        }
    }
    // What comes back keeps the compiler from making a loop of it.
    std::hint::black_box(below + first[0])
}

pub fn matmul(_m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    if n > 0 {
        rows(k, n, a, b, c);
    }
}
