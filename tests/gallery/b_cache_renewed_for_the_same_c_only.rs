//! Keeps a copy of B by address. Renews it when C is at the same address as in the last call; a B that changes in place
//! before a product into another C is stale.
//!
//! expect: Wrong values|conduct
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

use std::cell::RefCell;

thread_local! {
    static KEPT: RefCell<(usize, usize, Vec<f32>)> = const { RefCell::new((0, 0, Vec::new())) };
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    KEPT.with(|kept| {
        let mut kept = kept.borrow_mut();
        let (at_b, at_c) = (b.as_ptr() as usize, c.as_ptr() as usize);
        let fresh =
            kept.0 != at_b || kept.1 == at_c || kept.2.len() != b.len() || m < 2 || b.len() < 256;
        if fresh || kept.2.first() != b.first() {
            kept.2 = b.to_vec();
        }
        (kept.0, kept.1) = (at_b, at_c);
        product(m, k, n, a, &kept.2, c);
    });
}
