//! Keeps a padded copy of B between calls and clears its padding only when it grows. The padding is multiplied by zeros
//! of A, so a NaN of an earlier call stays.
//!
//! expect: Wrong values|conduct
//! threads: 1
//! tier: safe

use std::cell::RefCell;

thread_local! {
    static PANEL: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (depth, width) = (k.next_multiple_of(8), n.next_multiple_of(16));
    PANEL.with(|panel| {
        let mut panel = panel.borrow_mut();
        if panel.len() < depth * width {
            panel.clear();
            panel.resize(depth * width, 0.0);
        }
        for p in 0..k {
            panel[p * width..][..n].copy_from_slice(&b[p * n..][..n]);
        }
        c.fill(0.0);
        for i in 0..m {
            for p in 0..depth {
                let x = if p < k { a[i * k + p] } else { 0.0 };
                for j in 0..n {
                    c[i * n + j] += x * panel[p * width + j];
                }
            }
        }
    });
}
