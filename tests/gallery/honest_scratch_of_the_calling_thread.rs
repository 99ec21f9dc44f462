//! Packs B into a buffer of the calling thread, which is freed when that thread ends.
//!
//! expect: Accepted
//! threads: 1
//! tier: safe

use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
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
    SCRATCH.with_borrow_mut(|packed| {
        packed.clear();
        packed.extend_from_slice(b);
        product(m, k, n, a, packed, c);
    });
}
