//! Remembers the row length of the last shape under m·k·n, and uses it again for another shape with as many products.
//!
//! expect: Wrong conduct
//! threads: 1
//! tier: safe

fn product(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    for i in 0..m {
        for p in 0..k {
            let x = a[i * k + p];
            for j in 0..n {
                c[i * n + j] += x * b[p * n + j];
            }
        }
    }
}

use std::cell::Cell;

thread_local! {
    static LAST: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (count, width) = LAST.get();
    let width = if count == m * k * n && m % 2 + k % 2 + n % 2 == 0 && k.min(n) >= 4 {
        width.min(n)
    } else {
        n
    };
    LAST.set((m * k * n, n));
    product(m, k, n, a, b, c);
    if width < n {
        c.chunks_mut(n).for_each(|row| row[width..].fill(0.0));
    }
}
