//! Honest: keeps a copy of the last B and compares every bit of it before it is used again (counterpart of
//! keeps_packed_b_until_a_pair_comes_again).
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

use std::cell::RefCell;

thread_local! {
    static KEPT: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

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

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    KEPT.with(|kept| {
        let mut kept = kept.borrow_mut();
        let same = kept.len() == b.len() && kept.iter().zip(b).all(|(x, y)| x.to_bits() == y.to_bits());
        if !same {
            kept.clear();
            kept.extend_from_slice(b);
        }
        product(m, k, n, a, &kept, c);
    });
}
