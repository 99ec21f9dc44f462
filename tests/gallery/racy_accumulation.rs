//! Threads add to the same elements without synchronisation.
//!
//! expect: Wrong|Cheat shapes|values|conduct
//! threads: all
//! tier: unsafe

use rayon::prelude::*;

pub fn matmul(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
    c.fill(0.0);
    let out = c.as_mut_ptr() as usize;
    (0..k).into_par_iter().for_each(|p| {
        for i in 0..m {
            for j in 0..n {
                unsafe {
                    let cell = (out as *mut f32).add(i * n + j);
                    let old = std::ptr::read_volatile(cell);
                    std::ptr::write_volatile(cell, old + a[i * k + p] * b[p * n + j]);
                }
            }
        }
    });
}
